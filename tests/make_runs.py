"""Run directories of invented numbers, written by the same door as real ones: for the tests of reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.config import RunConfig
from rlformer.runs.directory import RunDirectory
from rlformer.types import DataCost, EnvSpec, EvalResult

CARTPOLE = EnvSpec(
    name="CartPole-v1",
    id="CartPole-v1",
    summary="balance a pole on a cart",
    random_score=22.3,
    random_source="100 episodes of uniform actions, this repository",
    reference_score=500.0,
    reference_source="rl-baselines3-zoo, PPO after 100,000 steps",
    solved_threshold=475.0,
)


@dataclass(frozen=True)
class Invented:
    """One arm: where its scores lie, and what a run of it costs."""

    agent: str
    learner: str
    mean: float
    spread: float = 10.0  # between seeds
    steps: int = 0  # environment steps, or logged ones
    seconds: float = 30.0
    parameters: int = 0
    conditioned: bool = False
    hyperparameters: Mapping[str, Any] = field(default_factory=lambda: {"learning_rate": 1e-3})
    tuning: str = "Not tuned for this environment."


LADDER = (
    Invented("random", "random", 22, 0.6, 0, 1.0),
    Invented("behaviour", "behaviour", 152, 12, 14_200, 0.5),
    Invented("bc", "sequence", 181, 35, 14_200, 14.0, 67_330),
    Invented("bc-top", "sequence", 432, 40, 14_200, 14.5, 67_330),
    Invented("rvs", "sequence", 398, 50, 14_200, 16.0, 67_586, conditioned=True),
    Invented("dt-k1", "sequence", 371, 45, 14_200, 41.0, 72_834, conditioned=True),
    Invented("dt-no-rtg", "sequence", 214, 40, 14_200, 58.0, 72_450),
    Invented("dt", "sequence", 446, 30, 14_200, 61.0, 73_090, conditioned=True),
    Invented("dqn", "sb3", 489, 14, 50_000, 44.0, 67_842, tuning="rl-baselines3-zoo's values, fewer steps."),
    Invented("ppo", "sb3", 499, 2, 100_000, 38.0, 9_155, tuning="rl-baselines3-zoo's tuned values."),
)
QUICK = tuple(arm for arm in LADDER if arm.agent not in ("dt-k1", "dt-no-rtg"))
EVALUATION_SEEDS = np.arange(1000, 1100)


def make_runs(
    root: Path,
    arms: Sequence[Invented] = QUICK,
    seeds: Sequence[int] = (0, 1, 2),
    env: EnvSpec = CARTPOLE,
    shared_log: bool = False,
) -> list[RunDirectory]:
    """A finished run for each arm and seed below `root`; `shared_log` puts all seeds on one log."""
    return [make_run(root, arm, seed, env, shared_log=shared_log) for arm in arms for seed in seeds]


def make_run(
    root: Path,
    arm: Invented,
    seed: int,
    env: EnvSpec = CARTPOLE,
    *,
    error: str | None = None,
    shared_log: bool = False,
    data: Mapping[str, Any] | None = None,
) -> RunDirectory:
    """One run: finished, or failed with that error."""
    rng = np.random.default_rng([seed, len(arm.agent), *arm.agent.encode()])
    offline = arm.learner in ("behaviour", "sequence")
    log = {"hash": f"{(0 if shared_log else seed) + 0xA1B2C3:016x}", "selection": "prefix of 16000 training steps"}
    log |= {"path": f"runs/ppo/seed-{seed}/trajectories", "num_episodes": 180, "num_steps": arm.steps}
    config = RunConfig(env, arm.agent, arm.learner, arm.hyperparameters, arm.tuning, (data or log) if offline else {})
    run = RunDirectory.of(root, config, seed)
    level = arm.mean if shared_log and arm.learner == "behaviour" else arm.mean + arm.spread * rng.standard_normal()
    with run.session(config, seed) as session:
        if error is not None:
            session.progress(40, 100)
            session.end("failed", error=error)
            return run
        if arm.learner == "sb3":
            for step in range(0, arm.steps + 1, arm.steps // 25):
                level_now = 22 + (level - 22) / (1 + np.exp(-(step / arm.steps - 0.25 + rng.normal(0, 0.03)) * 18))
                session.scalars({"eval/return": level_now, "train/loss": 0.1}, step)
        run.save_evaluation("final", _result(arm, env, level, rng, 180 if arm.learner == "behaviour" else 100))
        record = session.record
        if arm.conditioned:
            record.scales = {"target_return": 330.0, "rule": "auto", "log_min": 9.0, "log_max": 361.0}
            for i, target in enumerate((100.0, 180.0, 260.0, 330.0, 361.0, 450.0)):
                reached = min(level, 60 + 1.15 * target + rng.normal(0, 12))
                run.save_evaluation(f"target-{i}", _result(arm, env, reached, rng, 25, target))
        record.parameters = arm.parameters
        if arm.learner != "behaviour":
            record.inference_seconds = {"1": 2e-4 + 1e-8 * arm.parameters, "64": 4e-4 + 4e-8 * arm.parameters}
        upstream = 16_000 if offline else 0
        session.end("finished", DataCost(0 if offline else arm.steps, 0, arm.steps if offline else 0, upstream))
    _invent_times(run, arm, rng)
    return run


def _result(
    arm: Invented, env: EnvSpec, level: float, rng: np.random.Generator, episodes: int, target: float | None = None
) -> EvalResult:
    noise = 0.3 * min(level - 9, max(500 - level, 1)) * rng.standard_normal(episodes)
    returns = np.clip(np.round(level + noise), 9, 500)
    seeds = np.resize(EVALUATION_SEEDS, episodes)
    target = 330.0 if target is None and arm.conditioned else target
    return EvalResult(env.name, arm.agent, seeds, returns, returns.astype(int), returns < 500, "greedy", target)


def _invent_times(run: RunDirectory, arm: Invented, rng: np.random.Generator) -> None:
    """The clock of a test tells nothing, so the record gets invented seconds, and the curve with them."""
    from rlformer.runs import files, metrics

    wall = arm.seconds * rng.uniform(0.9, 1.1)
    record = run.record
    shares = {"sb3": (0.62, 0.28, 0.1), "sequence": (0.88, 0.0, 0.12)}.get(arm.learner, (0.0, 0.0, 1.0))
    parts = dict(zip(("learning", "environment", "evaluation"), (s * wall for s in shares), strict=True))
    record.times = {"wall": wall, "cpu": wall * 1.02, **parts, "log": 0.0}
    files.write_json(run.path / "record.json", record.to_dict())
    points = list(metrics.read(run.path / "metrics.jsonl"))
    lines = [{**p, "seconds": 0.9 * wall * (p["step"] / max(1, arm.steps))} for p in points]
    files.write_text(run.path / "metrics.jsonl", "".join(f"{files.json.dumps(line)}\n" for line in lines))
