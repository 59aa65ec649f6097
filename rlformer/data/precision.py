"""What float32, in which models compute, does not tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from rlformer.core.spaces import Array

_FINER = ("float64", "int64", "uint64", "int32", "uint32")
_LOST = 0.1  # share of a column's distinct values that may merge
_NUMBERS = 4_000_000  # that are looked at


def is_finer(dtype: np.dtype[Any]) -> bool:
    """Whether this dtype holds numbers that float32 does not tell apart."""
    return dtype.name in _FINER


def merged_in_float32(rows: Array) -> list[int]:
    """The columns of (T, n) rows in float64, or in whole numbers, in the order of time, that float32 does not hold.

    A tenth of the distinct values or more become equal in it, and the usual change from row to row is less than its
    steps there; noise around a constant is no such column. Timestamps in seconds are one: near 1.7e9 float32 has steps
    of 128. Of many rows the first are looked at.

    >>> merged_in_float32(np.stack([1.7e9 + np.arange(100.0), np.linspace(-1, 1, 100)], axis=1))
    [0]
    """
    some = rows[: max(1000, _NUMBERS // max(1, rows.shape[1]))]
    lost = []
    for i in range(rows.shape[1]):
        column = some[:, i].astype(np.float64)
        with np.errstate(invalid="ignore"):  # between infinities, which are told elsewhere
            changes = np.abs(np.diff(column))
        changes = changes[changes > 0]
        largest = np.abs(column).max(initial=0)
        if not len(changes) or not largest < np.finfo(np.float32).max:
            continue
        if np.median(changes) >= np.spacing(np.float32(largest)):
            continue
        exact = np.unique(column)
        if len(np.unique(exact.astype(np.float32))) <= (1 - _LOST) * len(exact):
            lost.append(i)
    return lost
