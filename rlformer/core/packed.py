"""Observations of bytes and reals, of which each part is kept in its own type.

A Dict of a picture and some reals is one vector of reals where it is computed with. A log keeps a row of bytes of each:
a byte for each pixel, four for each real, part after part; `Packed` makes the vectors of them, exactly, as they are
asked for.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np

from rlformer.core.parts import Table
from rlformer.core.spaces import Array, ObservationSpec


class Packed:
    """Looks like the array of observations (R, D) as far as it is indexed by rows, and holds (R, B) bytes."""

    ndim = 2

    def __init__(self, held: Table, spec: ObservationSpec) -> None:
        self.held, self.spec = held, spec
        self.shape, self.dtype = (len(held), *spec.shape), spec.dtype

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, rows: SupportsIndex | slice | Array) -> Array:
        """One observation, or several, as a copy."""
        return unpacked(np.asarray(self.held[rows]), self.spec)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    @property
    def nbytes(self) -> int:
        """Of what is held."""
        return int(self.held.nbytes)


def packed(observations: Array, spec: ObservationSpec) -> Array:
    """(R, D) -> (R, B) bytes."""
    parts = [
        np.ascontiguousarray(observations[:, place], part.dtype).view(np.uint8)
        for part, place in zip(spec.parts, spec.slices.values(), strict=True)
    ]
    return np.concatenate(parts, axis=1)


def unpacked(held: Array, spec: ObservationSpec) -> Array:
    """(..., B) bytes -> (..., D)."""
    found, start = np.empty((*held.shape[:-1], spec.size), spec.dtype), 0
    for part, place in zip(spec.parts, spec.slices.values(), strict=True):
        end = start + part.size * np.dtype(part.dtype).itemsize
        found[..., place] = np.ascontiguousarray(held[..., start:end]).view(part.dtype)
        start = end
    return found
