"""Rank correlations, and what random orders of few things reach: a correlation of .8 over four of them says little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt

from rlformer.statistics.inputs import Array, as_vector

_EXACT = 7  # things whose orders are all looked at: 5,040
_DRAWN = 10_000  # of the orders of more, and of means over several correlations


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float | None:
    """Rank correlation of two vectors (n,), ties sharing their mean rank; None for n < 3, or where one is constant.

    ValueError: bad shapes, NaN. Source: Spearman 1904.
    """
    ranks = _standard(a), _standard(b)
    if ranks[0] is None or ranks[1] is None:
        return None
    return float(np.clip(ranks[0] @ ranks[1], -1.0, 1.0))


def spearman_by_chance(a: npt.ArrayLike, b: npt.ArrayLike, rng: np.random.Generator) -> Array:
    """The rank correlations of `a` (n,) with `b` in random order, each as likely as the next; ties are kept.

    All n! orders for n <= 7, else 10,000 drawn ones. Empty where the correlation is not defined.
    ValueError: bad shapes, NaN. Source: Fisher 1935 (permutation tests).
    """
    first, second = _standard(a), _standard(b)
    if first is None or second is None:
        return np.zeros(0)
    n = len(second)
    if n <= _EXACT:
        orders = np.array(list(permutations(range(n))))
    else:
        orders = rng.permuted(np.tile(np.arange(n), (_DRAWN, 1)), axis=1)
    found: Array = np.clip(second[orders] @ first, -1.0, 1.0)
    return found


def agreement_by_chance(
    pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]], rng: np.random.Generator, level: float = 0.95
) -> float | None:
    """What the mean of the pairs' rank correlations stays at or below by chance in `level` of cases.

    Each pair's order is random for itself. Exact for one pair of at most 7. Pairs without a correlation are left out;
    None where none has one.
    """
    chances = [chance for a, b in pairs if len(chance := spearman_by_chance(a, b, rng))]
    if not chances:
        return None
    means = chances[0] if len(chances) == 1 else np.mean([rng.choice(chance, _DRAWN) for chance in chances], axis=0)
    # Rounded, so that correlations which are the same do not fall on two sides of a bound.
    return float(np.quantile(np.round(means, 9), level, method="inverted_cdf"))


def _standard(values: npt.ArrayLike) -> Array | None:
    """Ranks around 0 with length 1; None for fewer than three values, or constant ones."""
    x = as_vector("ranks", values)
    if len(x) < 3 or np.ptp(x) == 0:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(x) - (len(x) + 1) / 2
    standard: Array = ranks / math.sqrt(float(ranks @ ranks))
    return standard
