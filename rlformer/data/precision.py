"""What float32, in which models compute, does not tell apart."""

from __future__ import annotations

import numpy as np

from rlformer.core.spaces import Array

_LOST = 0.1  # share of a column's distinct values that may merge
_NUMBERS = 4_000_000  # that are looked at


def merged_in_float32(rows: Array) -> list[int]:
    """The columns of (T, n) float64 rows of which a tenth of the distinct values or more become equal in float32.

    Of many rows the first are looked at. Timestamps in seconds are such a column: near 1.7e9 float32 has steps of 128.

    >>> merged_in_float32(np.stack([1.7e9 + np.arange(100.0), np.linspace(-1, 1, 100)], axis=1))
    [0]
    """
    some = rows[: max(1000, _NUMBERS // max(1, rows.shape[1]))]
    lost = []
    for i in range(rows.shape[1]):
        exact = np.unique(some[:, i])
        with np.errstate(over="ignore"):
            kept = np.unique(exact.astype(np.float32))
        if len(kept) <= (1 - _LOST) * len(exact) and len(exact) > 1:
            lost.append(i)
    return lost
