"""Not worse: two statements on the runs of two arms, since scores of runs are bounded and bimodal (solve or fail).

A mean of few runs hides what matters: an arm that solves 94 % of its runs has the mean of one that always solves, and
seeds that all agree have no spread though a failure may be unseen. So the share of runs that worked and the typical
score of those that did are held against tolerances of their own, and both must hold.
"""

import math
from dataclasses import dataclass

import numpy as np

from rlformer.statistics.inputs import Array, in_range, successes
from rlformer.statistics.intervals import Interval
from rlformer.statistics.proportions import score_interval

_FARTHEST, _PRECISION = 6.0, 1e-4  # quantiles: an error of 1e-9 is none, and how exactly one is found
_FEW = 3  # runs that worked: what fewer of them score is luck


@dataclass(frozen=True)
class Bound:
    """A difference, x minus y, with its one-sided lower bound.

    p: of "lower by the tolerance or more"; the smallest error at which the lower bound excludes it. better: p of "not
    higher". Both sides infinite where one of the arms has nothing to compare.
    """

    low: float
    point: float
    p: float
    better: float


@dataclass(frozen=True)
class NotWorse:
    """Whether x is not worse than y: two statements, and both must hold (an intersection-union test, Berger 1982)."""

    reliability: Bound  # shares of runs that worked
    typical: Bound  # mean scores of the runs that worked
    oftener: float = 1.0  # p of "x works no more often than y by the tolerance"; 1 where y's typical score is known

    @property
    def p(self) -> float:
        """Of "worse" in either. Beside one or two runs of y that worked, to work far more often is enough."""
        return max(self.reliability.p, min(self.typical.p, self.oftener))

    @property
    def p_better(self) -> float:
        """Of "not better": better is higher in one of the two (Bonferroni) and not worse in the other."""
        either = 2 * min(self.reliability.better, self.typical.better)
        return min(1.0, max(either, self.p))


def not_worse(
    x: Array,
    y: Array,
    x_worked: Array,
    y_worked: Array,
    *,
    reliability_tolerance: float = 0.2,
    score_tolerance: float = 0.05,
    pairs: Array | None = None,
    error: float = 0.025,
) -> NotWorse:
    """Is x not worse than y, in how many runs work and in what those score?

    x, y: (runs,) each, the score of each run; what stands where a run did not work is not read, and may be NaN.
    x_worked, y_worked: bool, of the same shapes. pairs: (m, 2), rows of x and y that belong to one seed: the typical
    score is then compared within pairs of which both worked. error: of the lower bounds.
    Where only one or two runs of y worked, their mean is hardly known, and would let an arm that nearly always fails
    hold back one that never does: it is then enough that x works more often than y by more than the tolerance.
    Shares are compared by the square-and-add interval of two Wilson intervals, which takes them as independent: with
    pairs it is on the safe side. Typical scores: Welch's t, or the paired t; beside a single run that worked,
    Student's, with the spread of the others. By simulation at the boundary of both tolerances:
    `scripts/simulate_verdict`.
    ValueError: no runs, shapes that differ, error or tolerance not in (0, 1), a score of a run that worked not finite.
    Sources: Newcombe 1998, method 10; Welch 1947.
    """
    arrays = [np.asarray(values, np.float64) for values in (x, y)]
    masks = [np.asarray(worked, bool) for worked in (x_worked, y_worked)]
    for name, values, worked in zip("xy", arrays, masks, strict=True):
        if values.ndim != 1 or values.shape != worked.shape or not values.size:
            raise ValueError(
                f"{name}: expected (runs,) scores and as many flags, got {values.shape} and {worked.shape}"
            )
        if not np.isfinite(values[worked]).all():
            raise ValueError(f"{name}: the score of a run that worked is NaN or infinite")
    in_range("error", error, 0, 1)
    in_range("reliability_tolerance", reliability_tolerance, 0, 1)
    in_range("score_tolerance", score_tolerance, 0, math.inf)
    counts = [(int(worked.sum()), worked.size) for worked in masks]
    return NotWorse(
        _rates(counts[0], counts[1], reliability_tolerance, error),
        _typical(arrays, masks, pairs, score_tolerance, error),
        _error_excluding(counts[0], counts[1], reliability_tolerance) if 0 < counts[1][0] < _FEW else 1.0,
    )


def difference_of_rates(x: tuple[int, int], y: tuple[int, int], error: float = 0.025) -> Interval:
    """Share x minus share y, each (successes, trials); both ends hold with the one-sided `error`.

    >>> interval = difference_of_rates((20, 20), (20, 20))
    >>> round(interval.low, 3), interval.point
    (-0.161, 0.0)

    ValueError: not 0 <= successes <= trials, no trials, error not in (0, .5). Source: Newcombe 1998, method 10.
    """
    from scipy.special import ndtri

    return _square_and_add(successes(*x), successes(*y), -float(ndtri(in_range("error", error, 0, 0.5))))


def _square_and_add(x: tuple[int, int], y: tuple[int, int], z: float) -> Interval:
    """At a normal quantile z."""
    a, b = score_interval(*x, z), score_interval(*y, z)
    point = a.point - b.point
    low = point - math.hypot(a.point - a.low, b.high - b.point)
    high = point + math.hypot(a.high - a.point, b.point - b.low)
    return Interval(low, point, high)


def _rates(x: tuple[int, int], y: tuple[int, int], tolerance: float, error: float) -> Bound:
    found = difference_of_rates(x, y, error)
    return Bound(found.low, found.point, _error_excluding(x, y, -tolerance), _error_excluding(x, y, 0.0))


def _error_excluding(x: tuple[int, int], y: tuple[int, int], value: float) -> float:
    """The smallest error at which the lower bound lies above `value`: the bound falls with the quantile."""
    from scipy.special import ndtr

    point = x[0] / x[1] - y[0] / y[1]
    if point <= value:  # the mirrored statement is what can be excluded
        return 0.5 if point == value else 1.0 - _error_excluding(y, x, -value)
    low, high = 0.0, _FARTHEST
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if _square_and_add(x, y, middle).low > value else (low, middle)
    return float(ndtr(-low))


def _typical(arrays: list[Array], masks: list[Array], pairs: Array | None, tolerance: float, error: float) -> Bound:
    worked = [values[mask] for values, mask in zip(arrays, masks, strict=True)]
    if not len(worked[1]):  # nothing is lower than what is not there, nor higher: how many work tells which is better
        return Bound(math.inf, math.inf, 0.0, 1.0)
    if not len(worked[0]):
        return Bound(-math.inf, -math.inf, 1.0, 1.0)
    if pairs is not None:
        rows = np.asarray(pairs)
        both = rows[masks[0][rows[:, 0]] & masks[1][rows[:, 1]]]
        gaps = arrays[0][both[:, 0]] - arrays[1][both[:, 1]]
        if len(gaps) > 1:
            return _t_bound(float(gaps.mean()), float(gaps.var(ddof=1) / len(gaps)), len(gaps) - 1, tolerance, error)
    point = float(worked[0].mean() - worked[1].mean())
    if len(worked[0]) == len(worked[1]) == 1:
        return Bound(-math.inf, point, 0.5, 0.5)  # one run has no spread
    several = [values for values in worked if len(values) > 1]
    if len(several) == 1:  # the spread of the other one stands for both
        variance = float(several[0].var(ddof=1)) * sum(1 / len(values) for values in worked)
        return _t_bound(point, variance, len(several[0]) - 1, tolerance, error)
    shares = [float(values.var(ddof=1)) / len(values) for values in worked]
    # Welch-Satterthwaite degrees of freedom.
    below = sum(share**2 / (len(values) - 1) for share, values in zip(shares, worked, strict=True))
    freedom = sum(shares) ** 2 / below if below else float(sum(map(len, worked)) - 2)
    return _t_bound(point, sum(shares), freedom, tolerance, error)


def _t_bound(point: float, variance: float, freedom: float, tolerance: float, error: float) -> Bound:
    from scipy.special import stdtr, stdtrit

    if variance == 0:
        return Bound(point, point, float(point <= -tolerance), float(point <= 0))
    spread = math.sqrt(variance)
    low = point + float(stdtrit(freedom, error)) * spread
    p, better = (float(stdtr(freedom, (value - point) / spread)) for value in (-tolerance, 0.0))
    return Bound(low, point, p, better)
