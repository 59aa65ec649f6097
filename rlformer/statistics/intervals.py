"""An estimate with its interval, and how percentiles of resamples become one."""

import math
from dataclasses import dataclass

import numpy as np

from rlformer.statistics.inputs import Array, Value, in_range


@dataclass(frozen=True)
class Interval:
    """A closed interval [low, high] around an estimate, all in the unit of the estimate."""

    low: float
    point: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, eq=False)
class Band:
    """Pointwise closed intervals around a curve: three arrays of the curve's shape."""

    low: Array
    point: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Resampled:
    """A statistic and its bootstrap distribution: `point` has shape S, `distribution` (resamples, *S)."""

    point: Value
    distribution: Array

    def interval(self, confidence: float = 0.95) -> Interval:
        """Percentile interval of a scalar statistic. ValueError: an array of them, or a bad confidence."""
        if np.ndim(self.point):
            raise ValueError(f"interval: the statistic has shape {np.shape(self.point)}; use band()")
        low, high = percentiles(self.distribution, confidence)
        return Interval(float(low), float(self.point), float(high))

    def band(self, confidence: float = 0.95) -> Band:
        """Pointwise percentile intervals of an array of statistics. ValueError: a bad confidence."""
        low, high = percentiles(self.distribution, confidence)
        return Band(np.asarray(low), np.asarray(self.point), np.asarray(high))


def percentiles(distribution: Array, confidence: float = 0.95) -> tuple[Value, Value]:
    """The two ends of the central `confidence` of a distribution, along its first axis.

    distribution: (resamples, *S), infinities allowed; returns two arrays of shape S. Quantiles are the
    inverse of the distribution function (the smallest value x with F(x) >= q), so that both ends are values
    that were really drawn. NaN, an undefined resample, counts as -inf for the low end and as +inf for the
    high one: it widens the interval.
    ValueError: empty, or confidence not in (0, 1).
    Sources: percentile interval, Efron & Tibshirani 1993; quantile definition 1 of Hyndman & Fan 1996.
    """
    in_range("confidence", confidence, 0, 1)
    n = len(distribution)
    if n == 0:
        raise ValueError("distribution: is empty")
    tail = (1 - confidence) / 2
    # Not np.quantile(method="inverted_cdf"): its arithmetic turns infinities into NaN.
    # Rounded before ceil, because (1 - .95) / 2 is a little above .025.
    first, last = (max(math.ceil(round(q * n, 6)), 1) - 1 for q in (tail, 1 - tail))
    undefined = np.isnan(distribution)
    low = np.sort(np.where(undefined, -np.inf, distribution), axis=0)[first]
    high = np.sort(np.where(undefined, np.inf, distribution), axis=0)[last]
    return low, high


def probability_less(x: Array, y: Array) -> float:
    """Share of resamples in which x < y, such as P(C_F < C_other); ties, and two infinities, do not count.

    x, y: (resamples,) each: two columns of one joint bootstrap, or two independent ones. ValueError: shapes
    differ or empty.
    Source: Efron & Tibshirani 1993 (the bootstrap's achieved significance level is its complement).
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or x.size == 0:
        raise ValueError(f"x and y: expected two vectors of one length, got shapes {x.shape} and {y.shape}")
    return float(np.mean(x < y))
