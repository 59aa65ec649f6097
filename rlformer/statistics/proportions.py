"""Shares of successes: intervals, how far a bootstrap of few seeds can be trusted, what a log covers."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rlformer.statistics.inputs import as_floats, as_vector, in_range, successes
from rlformer.statistics.intervals import Interval


def wilson_interval(count: int, trials: int, confidence: float = 0.95) -> Interval:
    """Score interval of a success rate; point = count / trials, in [0, 1].

    ValueError: not 0 <= count <= trials, no trials, confidence not in (0, 1). Source: Wilson 1927.
    """
    from scipy.special import ndtri

    return score_interval(*successes(count, trials), float(ndtri((1 + in_range("confidence", confidence, 0, 1)) / 2)))


def score_interval(count: int, trials: int, z: float) -> Interval:
    """`wilson_interval` at a normal quantile z >= 0 instead of a confidence, unchecked."""
    share = count / trials
    centre = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low, high = ((centre + sign * half) / (1 + z**2 / trials) for sign in (-1, 1))
    # The ends at 0 and 1 are exact; rounding would leave 1e-17.
    return Interval(low if count else 0.0, share, high if count < trials else 1.0)


def clopper_pearson(count: int, trials: int, confidence: float = 0.95) -> Interval:
    """Exact two-sided interval of a success rate: never covers less than nominally; point = count / trials.

    ValueError: as `wilson_interval`. Source: Clopper & Pearson 1934.
    """
    from scipy.special import betaincinv

    count, trials = successes(count, trials)
    tail = (1 - in_range("confidence", confidence, 0, 1)) / 2
    low = float(betaincinv(count, trials - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, trials - count, 1 - tail)) if count < trials else 1.0
    return Interval(low, count / trials, high)


def bernoulli_coverage(p: float, runs: int, confidence: float = 0.95) -> float:
    """How often the percentile bootstrap interval of a mean of `runs` successes or failures really holds p.

    Exact, without simulation: k successes arise with probability Binomial(runs, p), and their bootstrap means
    are Binomial(runs, k / runs) / runs; sums over the k whose closed interval holds p. A share in [0, 1], to
    be compared with `confidence`. ValueError: p or confidence not in (0, 1), runs < 1.
    Source: exact coverage as in Brown, Cai & DasGupta 2001, applied to the percentile interval of Efron &
    Tibshirani 1993.
    """
    from scipy.stats import binom

    in_range("p", p, 0, 1)
    if runs < 1:
        raise ValueError(f"runs: expected at least 1, got {runs}")
    tail = (1 - in_range("confidence", confidence, 0, 1)) / 2
    k = np.arange(runs + 1)
    cdf = binom.cdf(k[None, :], runs, k[:, None] / runs)  # (k observed, k resampled)
    low, high = ((cdf >= q).argmax(axis=1) for q in (tail, 1 - tail))
    # runs * p may miss an integer by a rounding, and the interval is closed.
    holds = (low <= runs * p + 1e-9) & (runs * p - 1e-9 <= high)
    return float(binom.pmf(k, runs, p)[holds].sum())


@dataclass(frozen=True)
class TargetCoverage:
    """Whether a log holds enough episodes at or above a target return; `share` is of all its episodes."""

    covered: bool
    episodes: int
    share: Interval


def target_coverage(
    returns: npt.ArrayLike,
    target: float,
    *,
    min_episodes: int = 10,
    min_share: float = 0.01,
    confidence: float = 0.95,
) -> TargetCoverage:
    """Does a log cover a target return: min_episodes with R >= target, or surely a share of min_share?

    returns: (episodes,), in units of episode return; target in the same unit. "Surely": the lower end of the
    two-sided Clopper-Pearson interval. Otherwise a policy asked for that return extrapolates.
    ValueError: bad shape, empty, NaN or infinite, confidence not in (0, 1). Source of the bound: Clopper &
    Pearson 1934.
    """
    array, level = as_vector("returns", returns), float(as_floats("target", target))
    episodes = int((array >= level).sum())
    share = clopper_pearson(episodes, array.size, confidence)
    return TargetCoverage(episodes >= min_episodes or share.low >= min_share, episodes, share)
