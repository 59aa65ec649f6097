"""Scores of several algorithms on several tasks, in the forms of Agarwal et al. 2021, ready for JSON.

`scores`: for each algorithm one array (runs,) per task, on the same tasks in the same order; the numbers of runs may
differ. Intervals are 95 % percentile bootstraps of runs within each task; their ends are None where every task has one
run, which tells nothing of the spread. The same scores give the same interval, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array

Scores = Mapping[str, Sequence[Array]]

AGGREGATES: Mapping[str, Callable[..., Any]] = {
    "mean": statistics.mean,
    "median": statistics.median,
    "interquartile_mean": statistics.interquartile_mean,
    "optimality_gap": statistics.optimality_gap,
}
RESAMPLES = 10_000
BAND_RESAMPLES = 2000  # of a profile
THRESHOLDS = 101  # of a profile, from the least score to the greatest


def aggregate(scores: Scores, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """For each algorithm its `label` and each of AGGREGATES with its interval."""
    return [
        {"label": label, **{name: _estimate(of, tasks, resamples) for name, of in AGGREGATES.items()}}
        for label, tasks in scores.items()
    ]


def profiles(scores: Scores, resamples: int = BAND_RESAMPLES) -> dict[str, Any]:
    """The share of runs with a score above each of `thresholds`, averaged over tasks, with pointwise intervals.

    `curves`: for each algorithm its `label`, the `share`, and the ends `low` and `high` of its band, if it has one.
    """
    every = np.concatenate([task for tasks in scores.values() for task in tasks])
    levels = np.linspace(every.min(), every.max(), THRESHOLDS) if np.ptp(every) > 0 else every[:1]
    curves = []
    for label, tasks in scores.items():
        curve: dict[str, Any] = {"label": label, "share": statistics.performance_profile(list(tasks), levels).tolist()}
        if _spread(tasks):
            rng = np.random.default_rng(0)
            band = statistics.stratified_bootstrap(
                lambda drawn: statistics.performance_profile(drawn, levels), list(tasks), rng=rng, resamples=resamples
            ).band()
            curve |= {"low": band.low.tolist(), "high": band.high.tolist()}
        curves.append(curve)
    return {"thresholds": levels.tolist(), "curves": curves}


def improvements(scores: Scores, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """For each pair the probability that a run of `a` beats one of `b` on the same task, averaged over tasks."""
    found = []
    for a, b in combinations(scores, 2):
        x, y = list(scores[a]), list(scores[b])
        pair: dict[str, Any] = {"a": a, "b": b, "low": None, "high": None}
        pair["point"] = float(statistics.probability_of_improvement(x, y))
        if _spread(x) or _spread(y):
            drawn = statistics.bootstrap_improvement(x, y, np.random.default_rng(0), resamples=resamples)
            interval = drawn.interval()
            pair |= {"low": interval.low, "high": interval.high}
        found.append(pair)
    return found


def improvement_matrix(labels: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any] | None]]:
    """Row over column: P(row > column) with its interval, the mirror image below the diagonal, None on it."""
    found = {(pair["a"], pair["b"]): pair for pair in pairs}

    def cell(a: str, b: str) -> dict[str, Any] | None:
        if (a, b) in found:
            return {end: found[a, b][end] for end in ("low", "point", "high")}
        if (b, a) not in found:
            return None
        ends = (("low", "high"), ("point", "point"), ("high", "low"))
        return {end: None if found[b, a][of] is None else 1 - found[b, a][of] for end, of in ends}

    return [[cell(a, b) for b in labels] for a in labels]


def _estimate(statistic: Callable[..., Any], tasks: Sequence[Array], resamples: int) -> dict[str, float | None]:
    if not _spread(tasks):
        return {"low": None, "point": float(statistic(list(tasks))), "high": None}
    rng = np.random.default_rng(0)
    interval = statistics.stratified_bootstrap(statistic, list(tasks), rng=rng, resamples=resamples).interval()
    return {"low": interval.low, "point": interval.point, "high": interval.high}


def _spread(tasks: Sequence[Array]) -> bool:
    return any(len(task) > 1 for task in tasks)
