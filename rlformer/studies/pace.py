"""How fast a study's agents train on this machine: from runs that were made on it, or from a probe of seconds."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from rlformer.agents.base import LearnerKind
from rlformer.agents.learners import learner
from rlformer.core import files, grid
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.data.dataset import Dataset
from rlformer.envs.make import make
from rlformer.envs.vector import Environments
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs import curves, ledger, scratch
from rlformer.runs.directory import RunDirectory
from rlformer.runs.spec import RunSpec
from rlformer.studies.jobs import PlannedRun
from rlformer.studies.plan import Plan
from rlformer.studies.probe import log_for, probe

STEP_KEYS = ("steps", "gradient_steps", "warmup_steps", "learning_starts")  # counted in steps
_UNENDED = 1000  # steps of an episode of which nothing is known


@dataclass(frozen=True)
class Effort:
    """Seconds of a probe: at least, and at most where an episode or a round has not ended before."""

    play: tuple[float, float] = (0.5, 6.0)
    train: tuple[float, float] = (0.7, 3.0)  # of each agent


BRIEF = Effort((0.3, 2.0), (0.3, 1.2))


@dataclass(frozen=True)
class World:
    """How fast an environment is, and how long its episodes last."""

    step_seconds: float
    length: float  # of an episode of random play, in steps
    limit: int | None  # of an episode; None: nobody says
    ended: bool  # whether any did

    @property
    def longest(self) -> float:
        """Of an episode of a policy that learned: the limit, or twice as long as random play where there is none."""
        return self.limit if self.limit is not None else 2 * self.length

    def limited(self, steps: int) -> World:
        """With a time limit of so many steps."""
        return World(self.step_seconds, min(self.length, steps), min(self.limit or steps, steps), True)


@dataclass(frozen=True)
class CurveRounds:
    """How often a run is evaluated while it learns, and how much of what follows from that: about, before it is run."""

    points: int = 0  # of the grid, and the end
    records: int = 0  # of them, with fresh episodes: half of those of what learns by interaction
    kept: int = 0  # policies that are played at the end, as often as the last one

    @classmethod
    def of(cls, kind: LearnerKind, protocol: Protocol, steps: int) -> CurveRounds:
        """Of a training of so many steps in the unit of its curve."""
        if not kind.learns or not protocol.curve_episodes:
            return cls()
        points = len(grid.points(steps)) + (not grid.holds(steps))
        records = -(-points // 2) if kind.steps_env else 0
        return cls(points, records, min(records, len(protocol.thresholds)))


@dataclass(frozen=True)
class Pace:
    """How fast an agent is on this machine."""

    start: float  # seconds before its first step
    step: float  # seconds of a step in the unit of its curves, the environment's included
    act: tuple[float, float]  # seconds of a call for 1 and for 64 environments
    parameters: int = 0
    episode: float | None = None  # seconds of an evaluation's episode, where one was measured
    recorded: bool = False  # by runs that were made on this machine; otherwise by a probe

    def evaluation(self, kind: LearnerKind, world: World, protocol: Protocol, steps: int) -> float:
        """Seconds of all episodes that a run of so many steps plays to be measured, about."""
        if not kind.acts:
            return 0.0
        curve = CurveRounds.of(kind, protocol, steps)
        if self.episode is not None:
            again = curve.records * protocol.fresh_episodes + curve.kept * protocol.episodes
            return self.episode * (protocol.num_episodes(kind, curve.points) + again)
        rounds = [
            (1 + curve.kept, protocol.episodes),
            (curve.points, protocol.curve_episodes),
            (curve.records, protocol.fresh_episodes),
        ]
        if "targets" in kind.evaluations:
            rounds.append((1, 8 * protocol.target_episodes))
        if "other" in kind.evaluations:
            rounds.append((1, protocol.other_episodes))
        played = sum(times * self._played(world, episodes, protocol.num_envs) for times, episodes in rounds)
        return played + 60 * sum(self.act) * kind.learns  # the time of an action is taken too

    def _played(self, world: World, episodes: int, side_by_side: int) -> float:
        """Seconds of that many episodes of the longest kind."""
        whole, rest = divmod(episodes, side_by_side)
        calls = [side_by_side] * whole + [rest] * bool(rest)
        one, many = self.act
        return world.longest * sum(n * world.step_seconds + one + (many - one) * (n - 1) / 63 for n in calls)


@dataclass(frozen=True)
class Paces:
    """Of a study on this machine."""

    world: World
    agents: Mapping[str, Pace]  # by name
    slowness: float = 1.0  # wall seconds of a CPU second: above 1 where others work on this machine


Progress = Callable[[int, int, str], None]


def measure(plan: Plan, threads: int = 1, progress: Progress | None = None, effort: Effort | None = None) -> Paces:
    """The pace of every agent of the plan: from finished runs below its folder with the same values but for steps, on
    hardware like this; of the others from a probe in a temporary folder, which takes about a second an agent.

    Raises InputError for what cannot be trained.
    """
    effort = effort or Effort()
    firsts: dict[str, PlannedRun] = {}
    for run in plan.runs:
        firsts.setdefault(run.spec.agent.name, run)
    told = progress or (lambda done, total, note: None)
    told(0, len(firsts), plan.env.name)
    world, episode = play(plan.env, effort)
    found: dict[str, Pace] = {}
    wall = cpu = 0.0
    with tempfile.TemporaryDirectory(dir=scratch.folder(plan.runs[0].setting.root)) as folder:
        dataset: Dataset | None = None
        for done, (agent, run) in enumerate(firsts.items()):
            told(done, len(firsts), agent)
            kind = learner(run.spec.agent.learner)
            pace = recorded(run.setting.root, run.spec)
            if pace is None and kind.learns and kind.trains:
                if run.source is not None and dataset is None:
                    dataset = log_for(run, episode, Path(folder))
                log = dataset if run.source is not None else None
                before = time.perf_counter(), time.process_time()
                seen = probe(run, log, Path(folder) / agent, threads, effort.train)
                if not kind.steps_env:  # an environment may sleep
                    wall, cpu = wall + time.perf_counter() - before[0], cpu + time.process_time() - before[1]
                pace = Pace(seen.start, seen.step, seen.act, seen.parameters)
            found[agent] = pace or Pace(0.0, 0.0, (0.0, 0.0))
    return Paces(world, found, max(1.0, wall / cpu) if cpu else 1.0)


def play(env: EnvSpec, effort: Effort) -> tuple[World, Episode]:
    """Random play for a moment, or until an episode ends; the first episode, cut where it did not."""
    environments = Environments(env, 1)
    try:
        return _play(environments, _limit(env), effort)
    finally:
        environments.close()


def _play(environments: Environments, limit: int | None, effort: Effort) -> tuple[World, Episode]:
    slot, spec, rng = np.zeros(1, np.int64), environments.actions, np.random.default_rng(0)
    seeds = itertools.count()
    began = time.perf_counter()
    observations, actions, rewards = [environments.reset(slot, np.array([next(seeds)]))[0]], [], []
    first: Episode | None = None
    steps, lengths, length = 0, list[int](), 0
    while True:
        action = np.asarray(spec.sample(rng, 1), spec.dtype)
        observation, reward, terminated, truncated = environments.step(slot, action)
        steps, length = steps + 1, length + 1
        if first is None:
            observations.append(observation[0])
            actions.append(action[0])
            rewards.append(float(reward[0]))
        seconds = time.perf_counter() - began
        over = bool(terminated[0] or truncated[0])
        if over:
            lengths.append(length)
            length = 0
        if first is None and (over or seconds > effort.play[1]):
            first = Episode(np.array(observations), np.array(actions), np.array(rewards), False, True)
        if first is not None and seconds > effort.play[0]:
            break
        if over:
            environments.reset(slot, np.array([next(seeds)]))
    known = float(np.mean(lengths)) if lengths else float(limit or max(_UNENDED, 2 * steps))
    assert first is not None
    return World(seconds / steps, known, limit, bool(lengths)), first


def _limit(env: EnvSpec) -> int | None:
    """The time limit of an episode: of the registration, or of a card's wrapper, the shorter."""
    made = make(env)
    made.close()
    registered = None if made.spec is None else made.spec.max_episode_steps
    wrapped = [int(table["steps"]) for table in env.wrappers if table.get("kind") == "time_limit"]
    return min([*wrapped, *([registered] if registered else [])], default=None)


def recorded(root: Path, spec: RunSpec) -> Pace | None:
    """The pace of finished runs of this agent below `root`, on hardware like this; None where there is none."""
    kind, key = learner(spec.agent.learner), learner(spec.agent.learner).steps_key
    hardware = {name: ledger.hardware().get(name) for name in ("cpu", "cores")}
    steps, episodes, parameters = list[float](), list[float](), 0
    folder = root / files.slug(spec.env.name)
    for path in sorted(folder.glob(f"{files.slug(spec.agent.name)}-*/seed-*/record.json")):
        run = RunDirectory(path.parent)
        try:
            record, other = run.record, run.spec
            played = _episodes(run) if record.status == "finished" else 0
        except InputError:
            continue
        alike = _apart(other) == _apart(spec) and {name: record.hardware.get(name) for name in hardware} == hardware
        done = record.cost.env_steps if kind.steps_env else other.values.get(key, 0)
        if record.status != "finished" or not alike or not {"wall", "evaluation"} <= record.times.keys():
            continue
        episodes.append(record.times["evaluation"] / max(1, played))
        steps.append((record.times["wall"] - record.times["evaluation"]) / done if done else 0.0)
        parameters = record.parameters
    if not steps:
        return None
    return Pace(0.0, median(steps), (0.0, 0.0), parameters, median(episodes), recorded=True)


def _episodes(run: RunDirectory) -> int:
    """That were played to measure it. Raises InputError where a file is damaged."""
    behind = sum(len(result.returns) for result in run.evaluations().values())
    return behind + sum(len(point.returns) + len(point.fresh) for point in curves.read(run.path))


def _apart(spec: RunSpec) -> str:
    """What decides the pace of a run: all but how long it trains and on which log."""
    values = {key: value for key, value in spec.values.items() if key not in STEP_KEYS}
    return json.dumps([spec.env.definition, spec.agent.learner, values], sort_keys=True, default=str)
