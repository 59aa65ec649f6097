"""How fast a study's agents train on this machine: from runs that were made on it, or from a probe of seconds."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from rlformer.agents.base import LearnerKind, Task
from rlformer.agents.learners import learner
from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.policy import Policy
from rlformer.core.records import Cost, EnvSpec, Episode
from rlformer.core.spaces import ObservationSpec
from rlformer.data.dataset import Dataset, DatasetInfo
from rlformer.data.writer import DatasetWriter
from rlformer.envs.make import make, spaces_of
from rlformer.envs.vector import Environments
from rlformer.evaluator.measure.evaluation import seconds_per_call
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs import ledger
from rlformer.runs.directory import RunDirectory
from rlformer.runs.spec import RunSpec
from rlformer.studies import logs
from rlformer.studies.logs import GivenLog
from rlformer.studies.plan import Plan, PlannedRun

STEP_KEYS = ("steps", "gradient_steps", "evaluate_every", "warmup_steps", "learning_starts")  # counted in steps
_PLAY_SECONDS, _MOST_PLAY_SECONDS = 0.5, 6.0  # of random play; the longer where no episode ends before
_TRAIN_SECONDS, _MOST_TRAIN_SECONDS = 0.7, 3.0  # of an agent; the longer where it has not been round once
_UNENDED = 1000  # steps of an episode of which nothing is known
_LOG_STEPS, _LOG_BYTES = 12_000, 2**26  # of the log that a probe learns from, at most
_VALIDATE_EVERY = 10
_CURVE_POINTS = {"env_steps": 20, "gradient_steps": 10}  # of a whole curve, by its unit


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


@dataclass(frozen=True)
class Pace:
    """How fast an agent is on this machine."""

    start: float  # seconds before its first step
    step: float  # seconds of a step in the unit of its curves, the environment's included
    act: tuple[float, float]  # seconds of a call for 1 and for 64 environments
    parameters: int = 0
    episode: float | None = None  # seconds of an evaluation's episode, where one was measured
    recorded: bool = False  # by runs that were made on this machine; otherwise by a probe

    def evaluation(self, kind: LearnerKind, world: World, protocol: Protocol) -> float:
        """Seconds of all episodes that a run plays to be measured, about."""
        points = _CURVE_POINTS[kind.curve_unit] if kind.learns and protocol.curve_episodes else 0
        if not kind.acts:
            return 0.0
        if self.episode is not None:
            return self.episode * protocol.num_episodes(kind, points)
        rounds = [(1, protocol.episodes), (2 * points, protocol.curve_episodes)]  # the curve's are confirmed
        if "targets" in kind.evaluations:
            rounds.append((1, 8 * protocol.target_episodes))
        if "sampled" in kind.evaluations:
            rounds.append((1, protocol.sampled_episodes))
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


Progress = Callable[[int, int, str], None]


def measure(plan: Plan, threads: int = 1, progress: Progress | None = None) -> Paces:
    """The pace of every agent of the plan: from finished runs below its folder with the same values but for steps, on
    hardware like this; of the others from a probe in a temporary folder, which takes about a second an agent.

    Raises InputError for what cannot be trained.
    """
    firsts: dict[str, PlannedRun] = {}
    for run in plan.runs:
        firsts.setdefault(run.spec.agent.name, run)
    told = progress or (lambda done, total, note: None)
    told(0, len(firsts), plan.env.name)
    world, episode = play(plan.env)
    found: dict[str, Pace] = {}
    with tempfile.TemporaryDirectory(prefix="rlformer-probe-") as folder:
        dataset: Dataset | None = None
        for done, (agent, run) in enumerate(firsts.items()):
            told(done, len(firsts), agent)
            kind = learner(run.spec.agent.learner)
            pace = recorded(run.setting.root, run.spec)
            if pace is None and kind.learns:
                if run.source is not None and dataset is None:
                    dataset = _log(run, episode, Path(folder))
                pace = probe(run, dataset if run.source is not None else None, Path(folder) / agent, threads)
            found[agent] = pace or Pace(0.0, 0.0, (0.0, 0.0))
    return Paces(world, found)


def play(env: EnvSpec) -> tuple[World, Episode]:
    """Random play for half a second, or until an episode ends; the first episode, cut where it did not."""
    environments = Environments(env, 1)
    try:
        return _play(environments, _limit(env))
    finally:
        environments.close()


def _play(environments: Environments, limit: int | None) -> tuple[World, Episode]:
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
        if first is None and (over or seconds > _MOST_PLAY_SECONDS):
            first = Episode(np.array(observations), np.array(actions), np.array(rewards), False, True)
        if first is not None and seconds > _PLAY_SECONDS:
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
        except InputError:
            continue
        alike = _apart(other) == _apart(spec) and {name: record.hardware.get(name) for name in hardware} == hardware
        done = record.cost.env_steps if kind.steps_env else other.values.get(key, 0)
        if record.status != "finished" or not alike or not {"wall", "evaluation"} <= record.times.keys():
            continue
        protocol = Protocol.of(other.episodes)
        points = _CURVE_POINTS[kind.curve_unit] if kind.learns and protocol.curve_episodes else 0
        episodes.append(record.times["evaluation"] / max(1, protocol.num_episodes(kind, points)))
        steps.append((record.times["wall"] - record.times["evaluation"]) / done if done else 0.0)
        parameters = record.parameters
    if not steps:
        return None
    return Pace(0.0, median(steps), (0.0, 0.0), parameters, median(episodes), recorded=True)


def _apart(spec: RunSpec) -> str:
    """What decides the pace of a run: all but how long it trains and on which log."""
    values = {key: value for key, value in spec.values.items() if key not in STEP_KEYS}
    return json.dumps([spec.env.definition, spec.agent.learner, values], sort_keys=True, default=str)


def probe(run: PlannedRun, dataset: Dataset | None, folder: Path, threads: int) -> Pace:
    """Train an agent for about a second. dataset: what it learns from, if it learns from a log."""
    spec, kind = run.spec, learner(run.spec.agent.learner)
    values = _short(spec.values)
    files.writable_directory(folder)
    made = kind.load()()
    observed = (spaces_of(spec.env) if dataset is None else dataset.info.spaces).observation
    log = _Watch(folder, round_of(values), observed)
    began = time.perf_counter()
    task = Task(spec.env, dataset, values, run.seed, threads, run.device, None, log.evaluate)
    with suppress(Interrupted):
        made.fit(task, log)
    start = (log.times[0] if log.times else time.perf_counter()) - began
    each = values["num_envs"] if kind.steps_env else 1
    return Pace(start, log.step_seconds(spec.values) / each, log.act, made.num_parameters)


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same agent in small rounds, so that a probe sees a whole one: as many updates for each step."""
    short = {**values, "evaluate_every": 1}
    if "n_epochs" in values:  # on-policy: a round is a rollout
        short["n_steps"] = max(2, min(values["n_steps"], -(-values.get("batch_size", 64) // values["num_envs"])))
        if "batch_size" in values:
            short["batch_size"] = min(values["batch_size"], short["n_steps"] * values["num_envs"])
    if "learning_starts" in values:
        short["learning_starts"] = min(values["learning_starts"], 2 * values.get("batch_size", 32))
    if "buffer_size" in values:
        short["buffer_size"] = min(values["buffer_size"], 10_000)
    if "validate_every" in values:
        short["validate_every"] = min(values["validate_every"], _VALIDATE_EVERY)
    return short


def round_of(values: Mapping[str, Any]) -> tuple[int, int]:
    """Calls before an agent is warm, and of a round after which everything repeats; a call steps every environment."""
    num = values.get("num_envs", 1)
    if "n_epochs" in values or "gae_lambda" in values:
        return values["n_steps"], values["n_steps"]
    if "learning_starts" in values:
        every = values["train_freq"] if isinstance(values.get("train_freq"), int) else 1
        return values["learning_starts"] // num + every, every
    return 3, 1


class _Watch:
    """A run's log (`agents.base.RunLog`) that takes the time of each step and stops after about a second."""

    def __init__(self, directory: Path, rounds: tuple[int, int], observed: ObservationSpec) -> None:
        self.directory, self._observed = directory, observed
        self.times: list[float] = []  # of each call, evaluations taken out
        self.act = (1e-3, 1e-3)
        self._warm, self._round = rounds
        self._aside, self._timed = 0.0, False
        self._validated: list[int] = []  # calls before which held-out loss was computed

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `agents.base.RunLog`."""
        if "train/held_out_loss" in values:
            self._validated.append(len(self.times))

    def progress(self, done: int, total: int, note: str = "") -> None:
        """See `agents.base.RunLog`."""

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        """See `agents.base.RunLog`."""
        began = time.perf_counter()
        yield
        if part == "evaluation":
            self._aside += time.perf_counter() - began

    def spent(self, cost: Cost) -> None:
        """See `agents.base.RunLog`."""

    def on_gpu(self, name: str, peak_bytes: int) -> None:
        """See `agents.base.RunLog`."""

    def rewind(self, step: int) -> None:
        """See `agents.base.RunLog`."""

    def note(self, text: str) -> None:
        """See `agents.base.RunLog`."""

    def stop_requested(self) -> bool:
        """Called at every step: true when enough has been seen."""
        self.times.append(time.perf_counter() - self._aside)
        seconds = self.times[-1] - self.times[0]
        rounds = (len(self.times) - 1 - self._warm) // self._round
        wanted = 2 * _VALIDATE_EVERY if self._round == 1 else 2
        return seconds > _MOST_TRAIN_SECONDS or (seconds > _TRAIN_SECONDS and rounds >= wanted)

    def evaluate(self, policy: Policy) -> dict[str, float]:
        """In place of an evaluation: the time of an action, once."""
        if not self._timed:
            self._timed = True
            one, many = (seconds_per_call(policy, self._observed, num, 10) for num in (1, 64))
            self.act = (one, many)
        return {}

    def step_seconds(self, values: Mapping[str, Any]) -> float:
        """Of a call: over whole rounds behind the warm-up, validations as often as the card says."""
        gaps = np.diff(self.times)
        if not len(gaps):
            return _MOST_TRAIN_SECONDS
        rounds = (len(gaps) - self._warm) // self._round
        kept = np.zeros(len(gaps), bool)
        kept[self._warm : self._warm + rounds * self._round] = rounds > 0
        if not kept.any():
            kept[:] = True
        validated = np.zeros(len(gaps), bool)
        validated[[call - 1 for call in self._validated if 0 < call <= len(gaps)]] = True
        plain = gaps[kept & ~validated] if (kept & ~validated).any() else gaps
        usual = float(plain.mean())
        extra = max(0.0, float(gaps[kept & validated].mean()) - usual) if (kept & validated).any() else 0.0
        return usual + extra / max(1, values.get("validate_every", 0) or len(gaps))


def _log(run: PlannedRun, episode: Episode, folder: Path) -> Dataset:
    """What a probe learns from: the log that is given, or one of random play of about its size."""
    assert run.source is not None
    if isinstance(run.source, GivenLog):
        return logs.read(run.source, run.setting.root, run.seed)
    size = max(1, episode.observations[0].nbytes)
    steps = max(2 * len(episode), min(_LOG_STEPS, _LOG_BYTES // size))
    short = _cut(episode, max(2, min(len(episode), steps // 10)))
    with DatasetWriter(folder / "log", DatasetInfo(run.spec.env.name, spaces_of(run.spec.env))) as writer:
        for _ in range(max(10, steps // len(short))):
            writer.add(short)
        return writer.finish()


def _cut(episode: Episode, steps: int) -> Episode:
    rewards = np.maximum(episode.rewards[:steps], 0) + 1e-3  # returns that are no division by zero
    return replace(
        episode, observations=episode.observations[: steps + 1], actions=episode.actions[:steps], rewards=rewards
    )
