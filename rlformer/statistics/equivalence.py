"""Is a result equal to a prediction, within a margin?"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rlformer.statistics.inputs import Array, as_floats, as_vector, successes


@dataclass(frozen=True)
class Equivalence:
    """Result of two one-sided tests of a difference against -margin and +margin.

    p_lower tests "difference > -margin" (not inferior), p_upper "difference < +margin" (not superior);
    `pvalue`, the larger of the two, tests "within the margin".
    """

    difference: float
    standard_error: float
    p_lower: float
    p_upper: float

    @property
    def pvalue(self) -> float:
        return max(self.p_lower, self.p_upper)


def equivalence_test(x: npt.ArrayLike, y: npt.ArrayLike, margin: float) -> Equivalence:
    """Two one-sided t-tests of mean(x) - mean(y) within (-margin, +margin).

    x: (runs,), at least two. y: one number, a prediction; or (runs,), at least two, an independent group
    (unequal variances). For paired runs give their differences as x and 0 as y. All in one unit. If nothing
    varies, the test
    has no error to weigh: its p-values are 0 or 1, by the difference alone.
    ValueError: bad shapes, empty, NaN, fewer than two runs, margin not positive.
    Sources: Schuirmann 1987; Welch 1947 for two groups.
    """
    from scipy.stats import t

    _margin(margin)
    first, second = as_vector("x", x), as_floats("y", y)
    if first.size < 2 or second.ndim > 1 or (second.ndim == 1 and second.size < 2):
        raise ValueError("equivalence_test: expected at least two runs in x, and in y unless it is one number")
    difference = float(first.mean() - second.mean())
    variance = first.var(ddof=1) / first.size
    df = first.size - 1.0
    if second.ndim:
        other = second.var(ddof=1) / second.size
        if variance + other > 0:
            df = (variance + other) ** 2 / (variance**2 / df + other**2 / (second.size - 1))
        variance = variance + other
    error = math.sqrt(variance)
    if error == 0:
        return Equivalence(difference, 0.0, float(difference <= -margin), float(difference >= margin))
    return Equivalence(
        difference,
        error,
        float(t.sf((difference + margin) / error, df)),
        float(t.cdf((difference - margin) / error, df)),
    )


def equivalence_test_proportion(count: int, trials: int, predicted: float, margin: float) -> Equivalence:
    """Two one-sided exact binomial tests of a success rate within (predicted - margin, predicted + margin).

    For independent episodes that end with 0 or 1; runs that share a training seed are not independent: reduce
    each run to one number and use `equivalence_test`. A limit beyond [0, 1] cannot be crossed, so its test
    passes with p = 0.
    ValueError: not 0 <= count <= trials, no trials, predicted not in [0, 1], margin not positive.
    Sources: Schuirmann 1987, with the tail probabilities of Clopper & Pearson 1934.
    """
    from scipy.stats import binom

    _margin(margin)
    count, trials = successes(count, trials)
    if not 0 <= predicted <= 1:
        raise ValueError(f"predicted: expected a share in [0, 1], got {predicted:g}")
    share, low, high = count / trials, predicted - margin, predicted + margin
    return Equivalence(
        share - predicted,
        math.sqrt(share * (1 - share) / trials),
        float(binom.sf(count - 1, trials, low)) if low >= 0 else 0.0,
        float(binom.cdf(count, trials, high)) if high <= 1 else 0.0,
    )


def holm(pvalues: npt.ArrayLike) -> Array:
    """Holm's adjusted p-values, (tests,), in the order given: reject where they are at most alpha.

    ValueError: bad shape, empty, NaN, or beyond [0, 1]. Source: Holm 1979.
    """
    p = as_vector("pvalues", pvalues)
    if (p < 0).any() or (p > 1).any():
        raise ValueError("pvalues: expected numbers in [0, 1]")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted


def _margin(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"margin: expected a number above 0, got {margin:g}")
