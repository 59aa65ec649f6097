"""A task among the diagnostics: what the runs and their logs tell of it, measured. See `task`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlformer.evaluator.judge.causes import by_luck, missed, undone
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.standing import candidate
from rlformer.evaluator.judge.task import Chance, Coverage, Horizon, Level, Luck, Memory, Sparsity, TaskProfile
from rlformer.evaluator.judge.terms import Terms
from rlformer.runs.inputs import LogTask
from rlformer.runs.spec import SEQUENCE


def task_profile(evidence: Evidence, terms: Terms) -> TaskProfile:
    """Every measure, from comparisons, runs and logs; None where these do not tell."""
    memory = tuple(found for found in evidence.comparisons if found.question == "memory")
    arm = _conditioned(evidence, terms)
    runs = [] if arm is None else [run for run in arm.counted if run.target_return is not None]
    logs = [log.task for log in evidence.logs if log.task is not None]
    return TaskProfile(
        memory=Memory(memory, tuple(one.b for one in memory if undone(one, evidence))) if memory else None,
        luck=_luck(evidence, arm),
        chance=_chance(logs),
        coverage=_coverage(runs),
        stitching=next((found for found in evidence.comparisons if found.question == "stitching"), None),
        sparsity=_sparsity(logs),
        horizon=_horizon(logs),
    )


def _conditioned(evidence: Evidence, terms: Terms) -> ArmEvidence | None:
    """The best sequence model, or the first arm, that has a target return."""
    asked = [arm for arm in evidence.arms if any(run.target_return is not None for run in arm.runs)]
    model = candidate(evidence, SEQUENCE, terms)
    return model if model in asked else next(iter(asked), None)


def _luck(evidence: Evidence, arm: ArmEvidence | None) -> Luck | None:
    error = None if arm is None else missed(arm.counted)
    if arm is None or error is None:
        return None
    return Luck(error, sum(run.target_return is not None for run in arm.counted), by_luck(evidence, arm))


def _chance(logs: Sequence[LogTask]) -> Chance | None:
    steps, returns = _mean([log.chance_per_step for log in logs]), _mean([log.luck for log in logs])
    return None if steps is None and returns is None else Chance(steps, returns)


def _coverage(runs: Sequence[RunFacts]) -> Coverage | None:
    known = [run for run in runs if run.scales.coverage is not None]
    return Coverage(_level(known, "target"), _level(known, "solved")) if known else None


def _level(runs: Sequence[RunFacts], name: str) -> Level | None:
    found = [run.scales.coverage[name] for run in runs if run.scales.coverage and name in run.scales.coverage]
    if not found:
        return None
    share = float(np.mean([one.share.point for one in found]))
    return Level(share, sum(one.covered for one in found), len(found))


def _sparsity(logs: Sequence[LogTask]) -> Sparsity | None:
    share, steps = _mean([log.nonzero_rewards for log in logs]), _mean([log.rewarded_steps for log in logs])
    return None if share is None or steps is None else Sparsity(share, steps)


def _horizon(logs: Sequence[LogTask]) -> Horizon | None:
    median = _mean([log.median_length for log in logs])
    return None if median is None else Horizon(median, max(log.max_length for log in logs))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
