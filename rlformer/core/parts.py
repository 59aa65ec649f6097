"""Arrays one behind the other, read as one and never copied into one: the rows of a log in shards."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np

from rlformer.core.spaces import Array

_Rows = SupportsIndex | slice | Array


class Parts:
    """Looks like the array (R, ...) of all rows as far as it is indexed by rows, and holds its parts (R_i, ...).

    A stretch of rows inside one part is a view of it; all else that is asked for is a copy.
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        """arrays: one at least, alike in dtype and in the shape of a row."""
        self.arrays = tuple(arrays)
        self._firsts = np.cumsum([0, *map(len, arrays)])  # (P + 1,) the row at which each part begins, and the end
        self._bounds: list[int] = self._firsts.tolist()
        self.dtype = arrays[0].dtype
        self.shape: tuple[int, ...] = (int(self._firsts[-1]), *arrays[0].shape[1:])
        self.ndim = arrays[0].ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: _Rows) -> Array:
        """A row, a stretch of rows, the rows of an array of whole numbers of any shape, or those of a mask."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step != 1:
                return self[np.arange(start, stop, step)]
            return self._stretch(start, max(start, stop))
        if not isinstance(rows, np.ndarray):
            return self[np.array([rows.__index__()])][0]
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"a mask of shape {rows.shape}, of {len(self)} rows")
            return self._gathered(np.flatnonzero(rows))
        flat = rows.reshape(-1)
        if len(flat) and (flat.min() < -len(self) or flat.max() >= len(self)):
            raise IndexError(f"rows {flat.min()} to {flat.max()} of {len(self)}")
        flat = np.where(flat < 0, flat + len(self), flat)
        return self._gathered(flat).reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    @property
    def nbytes(self) -> int:
        """Of all parts."""
        return sum(array.nbytes for array in self.arrays)

    def _stretch(self, start: int, stop: int) -> Array:
        first = max(0, bisect_right(self._bounds, start, hi=len(self.arrays)) - 1)
        if stop <= self._bounds[first + 1]:
            return np.asarray(self.arrays[first][start - self._bounds[first] : stop - self._bounds[first]])
        last = bisect_left(self._bounds, stop) - 1
        pieces = [
            self.arrays[i][max(0, start - self._bounds[i]) : stop - self._bounds[i]] for i in range(first, last + 1)
        ]
        return np.concatenate(pieces)

    def _part(self, rows: Array) -> Array:
        """In which part these rows (N,) lie."""
        return np.minimum(np.searchsorted(self._firsts, rows, side="right") - 1, len(self.arrays) - 1)

    def _gathered(self, rows: Array) -> Array:
        part = self._part(rows)
        order = np.argsort(part, kind="stable")
        bounds = np.searchsorted(part[order], np.arange(len(self.arrays) + 1))
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for i, array in enumerate(self.arrays):
            if bounds[i] < bounds[i + 1]:
                at = order[bounds[i] : bounds[i + 1]]
                found[at] = array[rows[at] - self._firsts[i]]
        return found


Table: TypeAlias = Array | Parts  # what is indexed by rows
