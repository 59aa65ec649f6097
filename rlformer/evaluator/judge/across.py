"""Several environments at once: each arm on each of them, and over all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge import aggregates
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Across, AcrossRow
from rlformer.evaluator.judge.values import Estimate


def across(environments: Sequence[Evidence]) -> Across:
    """`units`: for each environment "z", or "return" where its card has no scores. `rows`: one per arm.

    A row holds the arm's `scores` in those units, None where it did not run, and the `interquartile_mean` of z
    over its runs on all environments that have one, None where it is absent on some of these or they are fewer
    than two; its interval is a bootstrap of runs within each environment (Agarwal et al. 2021), of whole logs where
    runs share them.
    `tasks`: the environments that have z, where they are two or more; over the arms that finished runs on all of them
    then also `profiles` and `improvement`, see `aggregates` (each None where there is nothing to show).
    """
    arms = {(arm.rung, arm.agent, arm.label): arm.label for evidence in environments for arm in evidence.arms}
    labels = [label for _, label in sorted(arms.items())]
    scored = [evidence for evidence in environments if _unit(evidence) == "z"]
    several = len(scored) > 1
    scores = _everywhere(labels, scored) if several else {}
    return Across(
        units=tuple(_unit(evidence) for evidence in environments),
        rows=tuple(_row(label, environments, scored) for label in labels),
        tasks=tuple(evidence.name for evidence in scored) if several else (),
        left_out=tuple(label for label in labels if label not in scores) if several else (),
        profiles=aggregates.profiles(scores) if scores else None,
        improvement=aggregates.improvements(scores) if len(scores) > 1 else None,
    )


def _unit(evidence: Evidence) -> Literal["z", "return"]:
    return "return" if evidence.card.normalize(0.0) is None else "z"


def _row(label: str, environments: Sequence[Evidence], scored: Sequence[Evidence]) -> AcrossRow:
    scores = []
    for evidence in environments:
        arm = _arm(evidence, label)
        known = None if arm is None else arm.normalized_score if _unit(evidence) == "z" else arm.mean_return
        scores.append(known)
    return AcrossRow(label, tuple(scores), _interquartile_mean(label, scored))


def _everywhere(labels: Sequence[str], environments: Sequence[Evidence]) -> dict[str, list[Array]]:
    """The normalised scores of each arm that finished runs on all of these environments, one array for each."""
    found = {label: [_scores(_arm(evidence, label)) for evidence in environments] for label in labels}
    return {label: tasks for label, tasks in found.items() if all(len(task) for task in tasks)}


def _interquartile_mean(label: str, scored: Sequence[Evidence]) -> Estimate | None:
    arms = [_arm(evidence, label) for evidence in scored]
    tasks = [_scores(arm) for arm in arms]
    if len(tasks) < 2 or not all(len(task) for task in tasks):
        return None
    logs = [[run.data_hash for run in arm.counted] for arm in arms if arm is not None]
    return aggregates.over_tasks(statistics.interquartile_mean, tasks, logs=logs)


def _arm(evidence: Evidence, label: str) -> ArmEvidence | None:
    return next((arm for arm in evidence.arms if arm.label == label), None)


def _scores(arm: ArmEvidence | None) -> Array:
    """Normalised scores of the runs that count, (runs,)."""
    return np.array([run.normalized_score for run in (() if arm is None else arm.counted)])
