"""Scores as a function of the number of tried settings."""

import numpy as np
import numpy.typing as npt

from rlformer.statistics.inputs import Array, as_vector


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
