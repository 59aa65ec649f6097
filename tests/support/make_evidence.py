"""Evidence of invented runs, without run directories: for tests of what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlformer.core.records import Cost, EnvSpec
from rlformer.evaluator.judge.evidence import EvaluationFacts, Evidence, GridRun, LogFacts, ScalingCurve, ScalingPoint
from rlformer.evaluator.judge.facts import (
    ArmEvidence,
    CostSpread,
    Curve,
    Curves,
    Kept,
    Progress,
    RunFacts,
    Scales,
    Tested,
)
from rlformer.evaluator.judge.values import Estimate
from rlformer.runs.inputs import Cut, Recipe

CARD = EnvSpec("Invented-v0", "Invented-v0", random_score=0.0, reference_score=100.0)
Point = tuple[int, float, float | None]  # step, mean return of 10 episodes and of 30 fresh ones


def run(seed: int, final: float, steps: int = 0, curve: Sequence[Point] = (), kept: Sequence[Kept] = ()) -> RunFacts:
    """Of what learns by interaction: a second of CPU time and two of wall time for a thousand steps."""
    spent = {"learning_cpu": steps / 1000, "learning": steps / 500, "environment": 0.0, "cpu": steps / 100}
    return RunFacts(
        seed=seed, status="finished", counts=True, error=None, notes=(), progress=Progress(), path="", spec_hash="ppo",
        data_hash=None, mean_return=final, normalized_score=final / 100, success_rate=None, episodes=100,
        target_return=None, returns=None, cost=Cost(steps, evaluation_env_steps=7000), times=spent, parameters=0,
        inference_seconds={}, flops={}, peak_memory_bytes=0, peak_gpu_memory_bytes=0, scales=Scales(), sampled=None,
        asked=(), curve=curve_of(curve), machine=0, kept=tuple(kept),
    )  # fmt: skip


def curve_of(points: Sequence[Point]) -> Curve:
    """CPU seconds that are not in proportion to the steps: one more than their thousands."""
    steps = tuple(float(step) for step, _, _ in points)
    return Curve(
        step=steps,
        seconds=tuple(step / 500 for step in steps),
        return_=tuple(value for _, value, _ in points),
        confirmed=tuple(fresh for _, _, fresh in points),
        cpu=tuple(step / 1000 + 1 for step in steps),
    )


def logged(seed: int, final: float, steps: int, upstream: int | None, test: Tested | None = None) -> RunFacts:
    """Of what learns from a log: ten seconds of CPU time, and a second of its maker for a thousand steps."""
    made = None if upstream is None else upstream / 1000
    cost = Cost(logged_steps=steps, upstream_env_steps=upstream, upstream_cpu_seconds=made, evaluation_env_steps=9000)
    times = {"learning_cpu": 10.0, "learning": 12.0, "cpu": 30.0}
    found = replace(run(seed, final), cost=cost, times=times, spec_hash="dt", data_hash=f"log-{seed}")
    return replace(found, test=test or Tested(final, final))


def arm(
    label: str, family: str, runs: Sequence[RunFacts], role: str = "candidate", missing: Sequence[int] = ()
) -> ArmEvidence:
    """Of these runs; offline families learn from a log alone, the middle of a training."""
    interacts = family in ("online", "hybrid")
    counted = [one for one in runs if one.counts]
    mean = sum(one.score for one in counted) / len(counted) if counted else 0.0
    return ArmEvidence(
        label=label, agent=label, family=family, role=role,  # type: ignore[arg-type]
        rung=0, learns=family != "random", acts=True, contrasts=(), log="" if interacts else "mid",
        recipe=None if interacts or family == "random" else Recipe(Cut("mid")), learner="sb3", tuning="",
        hyperparameters={}, seeds=tuple(one.seed for one in counted), failed=len(runs) - len(counted),
        missing=tuple(missing), unfinished=0, mean_return=Estimate(None, mean, None) if counted else None,
        normalized_score=None, success_rate=None, no_interval=None, action_selection=("greedy",),
        cost=CostSpread(None, None, None, None, None), times={}, parameters=None, inference_seconds={}, flops={},
        peak_memory_bytes=None, peak_gpu_memory_bytes=None, video=None,
        curve_unit="env_steps" if interacts else "gradient_steps", curves=Curves(None, None), runs=tuple(runs),
    )  # fmt: skip


def prefix(of: RunFacts, steps: int, upstream: int, final: float, test: Tested | None = None) -> GridRun:
    """A run of the same seed on another prefix."""
    own = logged(of.seed, final, steps, upstream, test)
    return GridRun(
        of.seed, steps, upstream, final, f"prefix-{steps}", own.cost, {"learning_cpu": steps / 1000, "learning": 1.0},
        {}, own.test, None, f"log-{of.seed}-{steps}",
    )  # fmt: skip


def evidence(
    arms: Sequence[ArmEvidence], prefixes: Sequence[GridRun] = (), card: EnvSpec = CARD, made_here: bool = False
) -> Evidence:
    """prefixes: of the arm "dt"."""
    hashes = sorted({one.data_hash for each in arms for one in each.runs if one.data_hash is not None})
    logs = tuple(
        LogFacts(
            hash=name, seeds=(i,), recipe=Recipe(Cut("mid")), selection="", num_episodes=10, num_steps=1000,
            mean_return=0.0, min_return=0.0, max_return=0.0, source="training" if made_here else "human",
            made_here=made_here, maker_hash="ppo" if made_here else None,
        )
        for i, name in enumerate(hashes)
    )  # fmt: skip
    points = tuple(ScalingPoint(float(i), None, None, None, 0, (one,)) for i, one in enumerate(prefixes))
    grid = (ScalingCurve("dt", "sequence", "mid", points, arms=("dt",)),) if prefixes else ()
    return Evidence(
        card.name, card, False, EvaluationFacts((100,), True, 0, ("greedy",)), logs, tuple(arms), grid, (), None
    )
