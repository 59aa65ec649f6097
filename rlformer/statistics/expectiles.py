"""Expectiles: what is learned by an asymmetric squared error."""

from __future__ import annotations

import numpy as np

from rlformer.statistics.inputs import Array


def expectile(values: Array, shares: Array, level: float) -> float:
    """The expectile of a discrete distribution: values (n,) with shares (n,) that sum to 1, level in (0, 1).

    Where level * E[(X - e)+] = (1 - level) * E[(e - X)+] (Newey & Powell 1987). Between two neighbouring values both
    sides are linear in e, so that it is exact.

    >>> import numpy as np
    >>> round(expectile(np.array([5.0, 1.0, -6.0, -15.0]), np.array([1, 3, 1, 1]) / 6, 0.5), 9)  # the mean
    -2.166666667
    >>> round(expectile(np.array([5.0, 1.0, -6.0, -15.0]), np.array([1, 3, 1, 1]) / 6, 0.99), 3)
    4.587
    """
    order = np.argsort(values)
    known, weights = np.asarray(values, np.float64)[order], np.asarray(shares, np.float64)[order]
    for below in range(len(known) + 1):  # how many values lie below it
        weighted = weights * np.where(np.arange(len(known)) < below, 1 - level, level)
        found = float((weighted * known).sum() / weighted.sum())
        if (below == 0 or known[below - 1] <= found) and (below == len(known) or found <= known[below]):
            return found
    raise ValueError("no expectile: values and shares must be finite numbers")
