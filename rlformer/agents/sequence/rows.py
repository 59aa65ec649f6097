"""Which rows of a sequence a backbone is asked for."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

# The same rows of every sequence, as a slice; or for each sequence its own, (B, M) integers.
Rows: TypeAlias = slice | Tensor


def take(h: Tensor, rows: Rows) -> Tensor:
    """h: (B, T, D) -> (B, M, D)."""
    if isinstance(rows, slice):
        return h[:, rows]
    return h.gather(1, rows[..., None].expand(-1, -1, h.shape[2]))


def count(rows: Rows, length: int) -> int:
    """How many rows M of a sequence of T = `length` are asked for."""
    return len(range(length)[rows]) if isinstance(rows, slice) else rows.shape[1]
