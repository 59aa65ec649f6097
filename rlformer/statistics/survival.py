"""Time to threshold, with runs that never got there.

`times` is in environment steps (or any unit of cost), above 0, and inf for a run that did not reach the
threshold. A time beyond the budget counts as not reached: the run is censored at the budget.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rlformer.statistics.bootstrap import RESAMPLES, Sources, bootstrap
from rlformer.statistics.inputs import Array, Value, as_flags, as_floats, as_vector, positive
from rlformer.statistics.intervals import Resampled


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """Share of runs still below the threshold: from times[i] on it is survival[i], within [low[i], high[i]].

    Four arrays (events + 1,) or longer; times begin at 0, where survival is 1.
    """

    times: Array
    survival: Array
    low: Array
    high: Array


def rmst(times: npt.ArrayLike, budget: float) -> Value:
    """Restricted mean survival time, mean(min(T, budget)), over the last axis of (..., runs); unit of times.

    Equals the area under the Kaplan-Meier curve up to the common budget.
    ValueError: empty, NaN or not positive times, budget not positive. Source: Royston & Parmar 2013.
    """
    return np.minimum(_times(times), _budget(budget)).mean(axis=-1)


def ert(times: npt.ArrayLike, budget: float) -> Value:
    """Expected running time, sum(min(T, budget)) / #(T <= budget), over the last axis of (..., runs).

    The expected cost of restarting until the threshold is reached, in the unit of times; inf without success.
    ValueError: empty, NaN or not positive times, budget not positive. Source: Hansen et al. 2021 (COCO).
    """
    array = _times(times)
    return expected_cost(np.minimum(array, _budget(budget)), array <= budget)


def expected_cost(costs: npt.ArrayLike, solved: npt.ArrayLike) -> Value:
    """Cost per success, sum(costs) / #solved: failures are paid. Over the last axis of (..., runs).

    costs: (..., runs), at least 0, in any unit; solved: the same shape, true or false. inf without success.
    ValueError: bad shapes, empty, NaN or negative costs. Source: ERT of Hansen et al. 2021 (COCO), for any
    cost.
    """
    array = positive("costs", as_floats("costs", costs), zero=True)
    reached = as_flags("solved", solved, array.shape).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(reached > 0, array.sum(axis=-1) / reached, np.inf)[()]


def median_time(times: npt.ArrayLike, budget: float) -> float:
    """Smallest time by which at least half of the runs reach the threshold; inf where fewer than half do.

    times: (runs,), in their unit. ValueError: bad shape, empty, NaN or not positive times, budget not
    positive.
    Source: median survival time, Kaplan & Meier 1958.
    """
    array = np.sort(as_vector("times", _times(times), infinite=True))
    middle = float(array[(array.size + 1) // 2 - 1])
    return middle if middle <= _budget(budget) else np.inf


def kaplan_meier(times: npt.ArrayLike, budget: npt.ArrayLike, confidence: float = 0.95) -> SurvivalCurve:
    """Kaplan-Meier estimate of the share of runs that have not reached the threshold yet.

    times: (runs,); budget: the common one, or (runs,) where runs were cut at different times.
    The interval is the exponential Greenwood formula; where that is undefined (before the first event, and
    once no run is left), the neighbouring bound is used, which holds since survival never rises.
    ValueError: bad shapes, empty, NaN, not positive. Sources: Kaplan & Meier 1958; Sawyer 2003 for the
    interval.
    """
    import warnings

    from scipy.stats import ecdf

    survival = ecdf(_censored(times, budget)).sf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The confidence interval is undefined")
        interval = survival.confidence_interval(confidence_level=confidence, method="log-log")
    low, high = interval.low.probabilities, interval.high.probabilities
    low = np.maximum.accumulate(np.nan_to_num(low, nan=0.0)[::-1])[::-1]
    high = np.minimum.accumulate(np.nan_to_num(high, nan=1.0))
    return SurvivalCurve(
        np.r_[0.0, survival.quantiles],
        np.r_[1.0, survival.probabilities],
        np.r_[low[0], low],
        np.r_[1.0, high],
    )


def log_rmst_ratio(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    budget: float,
    rng: np.random.Generator,
    *,
    paired: bool = False,
    sources: Sources | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """ln(RMST of x / RMST of y): below 0, x needs less data. No unit.

    x, y: times, (runs,) each; paired and sources as in `bootstrap`. ValueError: as `rmst` and `bootstrap`.
    Source: ratio of restricted means, Royston & Parmar 2013; interval by the bootstrap.
    """
    limited = [np.minimum(as_vector("times", _times(t), infinite=True), _budget(budget)) for t in (x, y)]
    return bootstrap(
        lambda a, b: np.log(a.mean(axis=-1)) - np.log(b.mean(axis=-1)),
        *limited,
        rng=rng,
        paired=paired,
        sources=sources,
        resamples=resamples,
    )


def _times(times: npt.ArrayLike) -> Array:
    array = positive("times", as_floats("times", times, infinite=True))
    if array.ndim == 0:
        raise ValueError("times: expected an array with runs on its last axis")
    return array


def _budget(budget: float) -> float:
    array = positive("budget", as_floats("budget", budget))
    if array.ndim:
        raise ValueError(f"budget: expected one number, got shape {array.shape}")
    return float(array)


def _censored(times: npt.ArrayLike, budget: npt.ArrayLike) -> object:
    from scipy.stats import CensoredData

    array = as_vector("times", _times(times), infinite=True)
    limit = positive("budget", as_floats("budget", budget))
    if limit.shape not in ((), array.shape):
        raise ValueError(f"budget: expected one number or shape {array.shape}, got {limit.shape}")
    limit = np.broadcast_to(limit, array.shape)
    return CensoredData(uncensored=array[array <= limit], right=limit[array > limit])
