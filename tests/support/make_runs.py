"""Run directories of invented numbers, written by the same door as real ones: for the tests of reports."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.agents import cards as agent_cards
from rlformer.core import files, grid
from rlformer.core.records import Cost, EnvSpec, EvalResult
from rlformer.runs import metrics, seal
from rlformer.runs.budget import CutShort
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import LogInput
from rlformer.runs.spec import AgentSpec, RunSpec

CARTPOLE = EnvSpec(
    name="CartPole-v1",
    id="CartPole-v1",
    summary="Balance a pole on a cart that is pushed left or right",
    random_score=22.3,
    random_source="100 episodes of uniform actions",
    reference_score=500.0,
    reference_source="rl-baselines3-zoo, PPO after 100,000 steps",
    solved_threshold=475.0,
)
LOW, HIGH = 9, 500  # what an episode of CartPole can return
CHOSEN_TARGET, LOG_RANGE = 330.0, (9.0, 361.0)
TARGETS = (100.0, 180.0, 260.0, CHOSEN_TARGET, LOG_RANGE[1], 450.0)
LOGGED, UPSTREAM = 14_200, 16_000  # steps
MEASURED, MADE = 5_000, 20.0  # steps of evaluations, CPU seconds of who made the log


@dataclass(frozen=True)
class Invented:
    """One arm: where its scores lie, and what a run of it costs."""

    agent: str
    learner: str
    mean: float
    spread: float  # between seeds
    seconds: float
    parameters: int = 0
    env_steps: int = 0
    conditioned: bool = False
    tuning: str = "The paper's recipe, not tuned for this environment."
    hyperparameters: Mapping[str, Any] = field(default_factory=lambda: {"learning_rate": 1e-3})

    @property
    def offline(self) -> bool:
        return self.learner in ("behaviour", "sequence", "offline")

    @property
    def spec(self) -> AgentSpec:
        """What its card says that it is in a comparison; a candidate of its learner's family without a card."""
        known = agent_cards.agents().get(self.agent)
        if known is None:
            family = {"sequence": "sequence", "offline": "offline", "sb3": "online"}.get(self.learner, "")
            return AgentSpec(self.agent, self.learner, "candidate", family, tuning=self.tuning)
        own = (known.role, known.family, known.rung, known.contrasts)
        return AgentSpec(self.agent, self.learner, *own, tuning=self.tuning, paper=known.paper)


RANDOM = Invented("random", "random", 22, 0.6, 1.0)
BEHAVIOUR = Invented("behaviour", "behaviour", 152, 12, 0.5)
BC = Invented("bc", "sequence", 181, 35, 14.0, 67_330)
BC_TOP = Invented("bc-top", "sequence", 432, 40, 14.5, 67_330)
RVS = Invented("rvs", "sequence", 398, 50, 16.0, 67_586, conditioned=True)
DT_K1 = Invented("dt-k1", "sequence", 371, 45, 41.0, 72_834, conditioned=True)
DT_NO_RTG = Invented("dt-no-rtg", "sequence", 214, 40, 58.0, 72_450)
DT = Invented("dt", "sequence", 446, 30, 61.0, 73_090, conditioned=True)
DQN = Invented("dqn", "sb3", 489, 14, 44.0, 67_842, 50_000, tuning="rl-baselines3-zoo, fewer steps.")
PPO = Invented("ppo", "sb3", 499, 2, 38.0, 9_155, 100_000, tuning="rl-baselines3-zoo's tuned values.")
QUICK = (RANDOM, BEHAVIOUR, BC, BC_TOP, RVS, DT, DQN, PPO)
FULL = (RANDOM, BEHAVIOUR, BC, BC_TOP, RVS, DT_K1, DT_NO_RTG, DT, DQN, PPO)


def make_runs(
    root: Path, arms: Sequence[Invented] = QUICK, seeds: Sequence[int] = (0, 1, 2), **options: Any
) -> list[RunDirectory]:
    """A run for each arm and seed below `root`; `options` as in `make_run`."""
    return [make_run(root, arm, seed, **options) for arm in arms for seed in seeds]


def make_run(
    root: Path,
    arm: Invented,
    seed: int,
    env: EnvSpec = CARTPOLE,
    *,
    error: str | None = None,
    log: Mapping[str, Any] | None = None,
    asked_beyond: bool = False,
    keeps_log: bool = False,
    cut: CutShort | None = None,
    samples_seen: int = 0,
) -> RunDirectory:
    """One run: finished, or failed with that error after 40 % of its steps.

    log: entries of the log's description that differ from those of the seed's own one.
    asked_beyond: whether the chosen target lies beyond the log. cut: how it was cut short.
    """
    rng = np.random.default_rng([seed, *arm.agent.encode()])
    given = LogInput(
        hash=f"{0xA1B2C3 + seed:016x}",
        selection=f"prefix of {UPSTREAM} training steps",
        path=f"runs/ppo/seed-{seed}/trajectories",
        num_episodes=180,
        num_steps=LOGGED,
        upstream_env_steps=UPSTREAM,
        mean_return=BEHAVIOUR.mean,
        min_return=LOG_RANGE[0],
        max_return=LOG_RANGE[1],
        upstream_cpu_seconds=MADE,
    )
    inputs = (replace(given, **(log or {})),) if arm.offline else ()
    config = RunSpec(env, arm.spec, arm.hyperparameters, inputs, keeps_log, cut_short=cut)
    run = RunDirectory.of(root, config, seed)
    level = float(np.clip(arm.mean + arm.spread * rng.standard_normal(), LOW, HIGH))
    with run.session(config, seed) as session:
        if error is not None:
            session.progress(40, 100)
            session.end("failed", Cost(4 * arm.env_steps // 10, logged_steps=LOGGED * arm.offline), error)
            return run
        points = curve_of(arm, level, np.random.default_rng([seed, 1, *arm.agent.encode()]))
        for step, value in points.items():
            session.scalars({"eval/return": value, "train/loss": 0.1}, step)
        target = CHOSEN_TARGET if arm.conditioned else None
        run.save_evaluation("final", invented_result(arm, env, level, rng, target))
        if arm.offline and arm is not BEHAVIOUR:
            for name, episodes in (("test", 10), ("fresh", 30)):
                run.save_evaluation(name, steady(arm, env, level, episodes, target))
        if arm.conditioned:
            most = CHOSEN_TARGET - 30 if asked_beyond else LOG_RANGE[1]
            session.record.scales = {"target_return": target, "log_min": LOG_RANGE[0], "log_max": most}
            for i, asked in enumerate(TARGETS):
                reached = min(level, 60 + 1.15 * asked + rng.normal(0, 12))
                run.save_evaluation(f"target-{i}", invented_result(arm, env, reached, rng, asked))
        session.record.parameters = arm.parameters
        if arm is not BEHAVIOUR:
            session.record.inference_seconds = {"1": 2e-4 + 1e-8 * arm.parameters, "64": 4e-4}
            session.record.flops = {"training": 6e5 * arm.seconds * arm.parameters, "action": 2.0 * arm.parameters}
        read, upstream = (inputs[0].num_steps, inputs[0].upstream_env_steps) if inputs else (0, 0)
        session.end("finished", Cost(arm.env_steps, 0, read, upstream, samples_seen * arm.offline))
    _invent_times(run, arm, float(rng.uniform(0.9, 1.1)))
    _invent_curve(run, arm, env, points)
    return run


def curve_of(arm: Invented, level: float, rng: np.random.Generator) -> dict[int, float]:
    """Mean return by step: from random play to the level, at the points of the grid and at the end."""
    steps = sorted({0, *grid.points(arm.env_steps), arm.env_steps}) if arm.env_steps else []
    shares = [1 / (1 + np.exp(-18 * (step / arm.env_steps - 0.25 + rng.normal(0, 0.03)))) for step in steps]
    return {step: float(22 + (level - 22) * share) for step, share in zip(steps, shares, strict=True)}


def steady(arm: Invented, env: EnvSpec, level: float, episodes: int, target: float | None = None) -> EvalResult:
    """Episodes that all return the same."""
    returns = np.full(episodes, level)
    seeds, lengths = np.arange(episodes), np.full(episodes, 100)
    return EvalResult(env.name, arm.agent, seeds, returns, lengths, returns < HIGH, "greedy", target)


def _invent_curve(run: RunDirectory, arm: Invented, env: EnvSpec, points: Mapping[int, float]) -> None:
    """The returns behind the curve; fresh episodes and kept policies where a point raises the highest so far."""
    if not points:
        return
    told = {point["step"]: point["seconds"] for point in run.points()}
    highest, lines = -np.inf, []
    for step, value in points.items():
        z = env.normalize(value)
        record = value > highest and step in grid.points(step) and (z is None or z >= 0.5)
        highest = max(highest, value) if record else highest
        line = {"step": step, "seconds": told[step], "cpu": 2 * told[step], "returns": [value] * 10}
        lines.append({**line, "fresh": [value] * 30 if record else []})
        if record:
            run.save_evaluation(f"kept-{step}", steady(arm, env, value, 100))
    files.write_text(run.path / "eval" / "curve.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    reseal(run)


def invented_result(
    arm: Invented, env: EnvSpec, level: float, rng: np.random.Generator, target: float | None
) -> EvalResult:
    """100 episodes around a mean return of `level`, on the same episode seeds for every arm."""
    noise = 0.3 * min(level - LOW, HIGH - level) * rng.standard_normal(100)
    returns = np.clip(np.round(level + noise), LOW, HIGH)
    seeds, lengths = np.arange(1000, 1100), returns.astype(int)
    return EvalResult(env.name, arm.agent, seeds, returns, lengths, returns < HIGH, "greedy", target, seconds=1.0)


def _invent_times(run: RunDirectory, arm: Invented, pace: float) -> None:
    """The clock of a test tells nothing: the record gets invented seconds, and the curve with it."""
    wall = arm.seconds * pace
    shares = {"sb3": (0.62, 0.28, 0.1), "sequence": (0.88, 0.0, 0.12)}.get(arm.learner, (0.0, 0.0, 1.0))
    parts = dict(zip(("learning", "environment", "evaluation"), (s * wall for s in shares), strict=True))
    points = metrics.read(run.path / "metrics.jsonl")
    lines = [{**point, "seconds": 0.9 * wall * point["step"] / arm.env_steps} for point in points]
    files.write_text(run.path / "metrics.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    cpu = {"cpu": 1.02 * wall, "learning_cpu": 0.9 * wall, "evaluation_cpu": 0.12 * wall, "log_cpu": 0.0}
    record = replace(run.record, times={"wall": wall, **cpu, **parts, "log": 0.0})
    made = run.spec.log.upstream_cpu_seconds if run.spec.log is not None else 0.0
    record.cost = replace(record.cost, evaluation_env_steps=MEASURED, upstream_cpu_seconds=made)
    files.write_json(run.path / "record.json", record.to_dict())
    reseal(run)


def reseal(run: RunDirectory) -> None:
    """Let what stands in a run's files now be what it ended with: for tests that change them."""
    record = replace(run.record, digests=seal.of(run.path))
    files.write_json(run.path / "record.json", record.to_dict())
