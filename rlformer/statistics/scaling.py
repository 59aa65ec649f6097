"""Scores as a function of the amount of data, and of the number of tried settings."""

import numpy as np
import numpy.typing as npt

from rlformer.statistics.inputs import Array, Value, as_floats, as_vector, checkpoints
from rlformer.statistics.survival import first_kept


def data_to_threshold(
    sizes: npt.ArrayLike, scores: npt.ArrayLike, threshold: float, *, keep: int = 1
) -> tuple[float, float]:
    """Bracket (lower, upper] of the data needed for score >= threshold on a grid; report the upper end.

    sizes: (grid,), increasing, in distinct transitions; scores: (grid,), one run's at each size. Upper is the
    first size that reaches the threshold (and, with keep > 1, whose next keep - 1 sizes do too); lower the
    size before, 0 for the first. Never reached: (largest size, inf).
    ValueError: bad shapes, empty, NaN, sizes not increasing and positive, keep < 1.
    Source: interval censoring, Klein & Moeschberger 2003, section 3.3.
    """
    grid, z = checkpoints("sizes", sizes), as_vector("scores", scores)
    if grid.shape != z.shape:
        raise ValueError(f"sizes and scores: expected the same length, got {grid.size} and {z.size}")
    if keep < 1:
        raise ValueError(f"keep: expected at least 1, got {keep}")
    reached = z >= float(as_floats("threshold", threshold))
    first = first_kept(reached, keep, np.ones_like(reached))
    if first is None:
        return float(grid[-1]), np.inf
    return (float(grid[first - 1]) if first else 0.0), float(grid[first])


def aulc(sizes: npt.ArrayLike, scores: npt.ArrayLike) -> Value:
    """Area under the learning curve on a logarithmic axis, 1 / ln(B / b0) * integral of z d ln n.

    sizes: (grid,), increasing, from b0 to B, at least two; scores: (..., grid). Trapezoids in ln n; unit of
    the scores.
    ValueError: bad shapes, empty, NaN, sizes not increasing and positive, fewer than two.
    Source: Guyon et al. 2011 (area under the learning curve over the logarithm of the sample size).
    """
    grid, z = checkpoints("sizes", sizes), as_floats("scores", scores)
    if grid.size < 2 or z.shape[-1:] != grid.shape:
        raise ValueError(f"scores: expected shape (..., {grid.size}) over at least two sizes, got {z.shape}")
    log = np.log(grid)
    return np.trapezoid(z, log, axis=-1) / (log[-1] - log[0])


def expected_online_performance(scores: npt.ArrayLike) -> Array:
    """Expected best score of k = 1 ... n settings tried at random out of these n: (n,), unit of the scores.

    EOP(k) = sum_i v_(i) [(i/n)^k - ((i-1)/n)^k], v_(1) <= ... <= v_(n); draws are with replacement.
    scores: (n,), one per tried target, checkpoint or hyperparameter setting. ValueError: bad shape, empty,
    NaN.
    Source: Kurenkov & Kolesnikov 2022, after Dodge et al. 2019.
    """
    ordered = np.sort(as_vector("scores", scores))
    n = ordered.size
    k = np.arange(1, n + 1)[:, None]
    below = (np.arange(n + 1) / n) ** k  # (k, i): P(all k draws are among the i lowest)
    return np.diff(below, axis=1) @ ordered
