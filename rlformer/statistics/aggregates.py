"""Scores of many runs on many tasks, reduced to one number (Agarwal et al. 2021).

`scores` is an array (runs, tasks), or (runs,) for one task, or a list of one array per task where the tasks
have different numbers of runs. In the list, each array may carry leading axes, (..., runs): the result then
has them too, which is how the bootstrap evaluates thousands of resamples in one call.
"""

import numpy as np
import numpy.typing as npt

from rlformer.statistics.inputs import Array, Scores, Value, as_floats, as_tasks, as_vector


def normalized_score(returns: npt.ArrayLike, random: npt.ArrayLike, reference: npt.ArrayLike) -> Array:
    """Normalised score z = (R - random) / (reference - random): 0 is random play, 1 the reference.

    returns: any shape, in units of episode return; random, reference: one number each, or what broadcasts to
    that shape, such as (tasks,) for (runs, tasks). The result has the shape of returns and no unit.
    ValueError: empty, NaN or infinite, shapes that do not fit, reference equal to random.
    Source: Mnih et al. 2015.
    """
    values, low = as_floats("returns", returns), as_floats("random", random)
    span = as_floats("reference", reference) - low
    if (span == 0).any():
        raise ValueError("reference: equals random, so there is no scale")
    if span.ndim and span.shape != values.shape[values.ndim - span.ndim :]:
        raise ValueError(f"random and reference: shape {span.shape} does not fit returns {values.shape}")
    return np.asarray((values - low) / span)


def mean(scores: Scores) -> Value:
    """Mean over tasks of the mean over runs.

    scores: see the module. ValueError: bad shape, empty, NaN or infinite. Source: Agarwal et al. 2021.
    """
    return np.mean(_task_means(as_tasks("scores", scores)), axis=0)


def median(scores: Scores) -> Value:
    """Median over *tasks* of the mean over runs; with one task it is the mean over its runs.

    scores: see the module. ValueError: bad shape, empty, NaN or infinite. Source: Agarwal et al. 2021.
    """
    return np.median(_task_means(as_tasks("scores", scores)), axis=0)


def interquartile_mean(scores: Scores) -> Value:
    """Mean of the middle half of all runs of all tasks: floor(n / 4) are cut at each end.

    With unequal numbers of runs each run, not each task, has the same weight. On one task it discards a
    minority mode (30 % successes give .10), so use it across tasks only.
    scores: see the module. ValueError: bad shape, empty, NaN or infinite. Source: Agarwal et al. 2021.
    """
    from scipy.stats import trim_mean

    return trim_mean(np.concatenate(as_tasks("scores", scores), axis=-1), 0.25, axis=-1)


def optimality_gap(scores: Scores, target: float = 1.0) -> Value:
    """target - mean(min(z, target)): how far the runs fall short of `target`, with no credit above it.

    scores: see the module; target in the same unit. ValueError: bad shape, empty, NaN or infinite.
    Source: Agarwal et al. 2021 (their gamma is `target`).
    """
    capped = [np.minimum(task, target) for task in as_tasks("scores", scores)]
    return target - np.mean(_task_means(capped), axis=0)


def performance_profile(scores: Scores, thresholds: npt.ArrayLike) -> Array:
    """Share of runs with a score strictly above each threshold, averaged over tasks: (..., thresholds).

    scores: see the module; thresholds: (thresholds,), in the same unit.
    ValueError: bad shapes, empty, NaN or infinite. Source: run-score distribution, Agarwal et al. 2021; Dolan
    & Moré 2002.
    """
    tasks, levels = as_tasks("scores", scores), as_vector("thresholds", thresholds)
    # One threshold at a time: a batch of resamples times all thresholds at once would not fit into memory.
    shares = [np.mean([(task > level).mean(axis=-1) for task in tasks], axis=0) for level in levels]
    return np.stack(shares, axis=-1)


def probability_of_improvement(x: Scores, y: Scores) -> Value:
    """Mean over tasks of P(a run of x beats a run of y), ties counted half: in [0, 1].

    [#(x > y) + #(x = y) / 2] / (n_x n_y) on each task. x, y: see the module; the same tasks in the same
    order, numbers of runs may differ. ValueError: bad shapes, different numbers of tasks, empty, NaN or
    infinite.
    Source: Agarwal et al. 2021; the statistic of Mann & Whitney 1947.
    """
    from scipy.stats import rankdata

    x_tasks, y_tasks = as_tasks("x", x), as_tasks("y", y)
    if len(x_tasks) != len(y_tasks):
        raise ValueError(f"x and y: expected the same tasks, got {len(x_tasks)} and {len(y_tasks)}")
    if x_tasks[0].shape[:-1] != y_tasks[0].shape[:-1]:
        raise ValueError("x and y: differ in their leading axes")
    shares = []
    for a, b in zip(x_tasks, y_tasks, strict=True):
        n, m = a.shape[-1], b.shape[-1]
        # Ranks instead of the n x m comparisons: the same number, with memory linear in the runs.
        ranks = rankdata(np.concatenate([a, b], axis=-1), axis=-1)
        shares.append((ranks[..., :n].sum(axis=-1) - n * (n + 1) / 2) / (n * m))
    return np.mean(shares, axis=0)


def _task_means(tasks: list[Array]) -> Array:
    return np.stack([task.mean(axis=-1) for task in tasks])  # (tasks, ...)
