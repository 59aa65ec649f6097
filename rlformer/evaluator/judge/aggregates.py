"""Scores of several algorithms on several tasks, in the forms of Agarwal et al. 2021.

`scores`: for each algorithm one array (runs,) per task, on the same tasks in the same order; the numbers of runs may
differ. Intervals are 95 % percentile bootstraps of runs within each task; their ends are None where every task has one
run, which tells nothing of the spread. The same scores give the same interval, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.estimates import estimate, shared_logs
from rlformer.evaluator.judge.findings import Aggregate, Improvement, ProfileCurve, Profiles
from rlformer.evaluator.judge.values import Estimate

Scores = Mapping[str, Sequence[Array]]

RESAMPLES = 10_000
BAND_RESAMPLES = 2000  # of a profile
# Thresholds of a profile: what is 0 and 1 is the same on every task, and most of what is asked lies between them.
INSIDE, OUTSIDE = 51, 25  # from 0 to 1, and on either side at most, as far as scores go
STEP = 1 / (INSIDE - 1)
LOWEST, HIGHEST = -1.0, 8.0  # but no farther: one task's score of 50 tells little (Agarwal et al. 2021 show 0 to 8)


def aggregate(scores: Scores, resamples: int = RESAMPLES) -> tuple[Aggregate, ...]:
    """The aggregates of each algorithm with their intervals."""
    return tuple(
        Aggregate(
            label=label,
            mean=over_tasks(statistics.mean, tasks, resamples),
            median=over_tasks(statistics.median, tasks, resamples),
            interquartile_mean=over_tasks(statistics.interquartile_mean, tasks, resamples),
            optimality_gap=over_tasks(statistics.optimality_gap, tasks, resamples),
        )
        for label, tasks in scores.items()
    )


def profiles(scores: Scores, resamples: int = BAND_RESAMPLES) -> Profiles:
    """The share of runs with a score above each threshold, averaged over tasks, with pointwise intervals."""
    levels = thresholds(np.concatenate([task for tasks in scores.values() for task in tasks]))
    curves = tuple(_curve(label, list(tasks), levels, resamples) for label, tasks in scores.items())
    return Profiles(tuple(levels.tolist()), curves)


def thresholds(scores: Array) -> Array:
    """Where the profiles of these scores, of whatever algorithms and tasks, are measured, ascending.

    Densest from 0 to 1, and on either side the wider apart the farther out: there each score tells little.
    Scores that are no normalised ones, most of them lying far from there, have thresholds at even distances from the
    least to the greatest.
    """
    low, high = float(scores.min()), float(scores.max())
    if np.mean((scores >= LOWEST) & (scores <= 2.0)) < 0.5:
        return np.linspace(low, high, INSIDE + 2 * OUTSIDE) if high > low else scores[:1]
    below, above = _outwards(0.0, max(low, LOWEST)), _outwards(1.0, min(high, HIGHEST))
    return np.concatenate([below[::-1] if low < 0 else [], np.linspace(0.0, 1.0, INSIDE), above if high > 1 else []])


def _outwards(edge: float, end: float) -> Array:
    """From one side of 0 to 1 to as far as scores go, `end` included: steps that grow, as many as are needed."""
    count = min(OUTSIDE, max(1, math.ceil(abs(end - edge) / STEP)))
    grown = (np.arange(1, count + 1) / count) ** 2
    return np.asarray(end + (edge - end) * (1 - grown))


def improvements(scores: Scores, resamples: int = RESAMPLES) -> tuple[Improvement, ...]:
    """For each pair the probability that a run of `a` beats one of `b` on the same task, averaged over tasks."""
    return tuple(_improvement(a, b, scores, resamples) for a, b in combinations(scores, 2))


def improvement_matrix(labels: Sequence[str], pairs: Sequence[Improvement]) -> list[list[Estimate | None]]:
    """Row over column: P(row > column) with its interval, the mirror image below the diagonal, None on it."""
    known = {(pair.a, pair.b): Estimate(pair.low, pair.point, pair.high) for pair in pairs}

    def cell(a: str, b: str) -> Estimate | None:
        if (a, b) in known:
            return known[a, b]
        other = known.get((b, a))
        if other is None:
            return None
        low, high = (None if end is None else 1 - end for end in (other.high, other.low))
        return Estimate(low, 1 - other.point, high)

    return [[cell(a, b) for b in labels] for a in labels]


def over_tasks(
    statistic: Callable[..., np.float64 | Array],
    tasks: Sequence[Array],
    resamples: int = RESAMPLES,
    logs: Sequence[Sequence[str | None]] | None = None,
) -> Estimate:
    """A statistic of scores, a list of one array (runs,) per task, with its interval.

    logs: for each task, which log each run learned from: runs that share one are drawn together.
    """
    if not _spread(tasks):
        return Estimate(None, float(statistic(list(tasks))), None)
    rng = np.random.default_rng(0)
    shared = [None if logs is None else shared_logs(of) for of in logs or [[]] * len(tasks)]
    sources = None
    if any(labels is not None for labels in shared):  # elsewhere every run is a source of its own
        sources = [[np.array(own or np.arange(len(t)).astype(str)) for own, t in zip(shared, tasks, strict=True)]]
    drawn = statistics.stratified_bootstrap(statistic, list(tasks), rng=rng, sources=sources, resamples=resamples)
    return estimate(drawn.interval())


def _curve(label: str, tasks: list[Array], levels: Array, resamples: int) -> ProfileCurve:
    share = tuple(statistics.performance_profile(tasks, levels).tolist())
    if not _spread(tasks):
        return ProfileCurve(label, share)
    band = statistics.stratified_bootstrap(
        lambda drawn: statistics.performance_profile(drawn, levels),
        tasks,
        rng=np.random.default_rng(0),
        resamples=resamples,
    ).band()
    return ProfileCurve(label, share, tuple(band.low.tolist()), tuple(band.high.tolist()))


def _improvement(a: str, b: str, scores: Scores, resamples: int) -> Improvement:
    x, y = list(scores[a]), list(scores[b])
    point = float(statistics.probability_of_improvement(x, y))
    if not _spread(x) and not _spread(y):
        return Improvement(a, b, None, point, None)
    found = statistics.bootstrap_improvement(x, y, np.random.default_rng(0), resamples=resamples).interval()
    return Improvement(a, b, found.low, point, found.high)


def _spread(tasks: Sequence[Array]) -> bool:
    return any(len(task) > 1 for task in tasks)
