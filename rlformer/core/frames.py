"""Images of several frames, of which each frame is kept once.

An observation of n frames is what the last n steps of an episode showed, the newest last, and zeros for the steps
before the first, as stable-baselines3's VecFrameStack has it. Rows of frames, (R, c, H, W), hold episode after episode;
`Frames` makes observations (R, n c, H, W) of them, exactly, as they are asked for.
"""

from __future__ import annotations

from typing import Any, SupportsIndex, TypeVar

import numpy as np

from rlformer.core.packed import Packed, packed, unpacked
from rlformer.core.parts import Table
from rlformer.core.spaces import Array, ObservationSpec

T = TypeVar("T", bound=Table)
_Rows = SupportsIndex | slice | Array


class Frames:
    """Looks like the array of observations (R, n c, H, W) as far as it is indexed by rows, and holds (R, c, H, W).

    firsts: (E,) the row of each episode's first observation, ascending from 0.
    """

    def __init__(self, frames: Table, firsts: Array, count: int) -> None:
        self.frames, self.firsts, self.count = frames, np.asarray(firsts, np.int64), count
        self.dtype = frames.dtype
        self.shape = (len(frames), count * frames.shape[1], *frames.shape[2:])
        self.ndim = frames.ndim

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: _Rows) -> Array:
        """One observation, or several, as a copy."""
        if isinstance(rows, slice):
            asked = np.arange(*rows.indices(len(self)))
        elif isinstance(rows, np.ndarray):
            asked = np.arange(len(self))[rows]
        else:
            asked = np.asarray(range(len(self))[rows])
        first = self.firsts[np.searchsorted(self.firsts, asked, side="right") - 1]
        wanted = asked[..., None] - np.arange(self.count)[::-1]  # (..., n)
        shown = wanted >= first[..., None]
        found = np.asarray(self.frames[np.where(shown, wanted, first[..., None])])  # (..., n, c, H, W)
        found[~shown] = 0
        return found.reshape(*asked.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    @property
    def nbytes(self) -> int:
        """Of what is held."""
        return int(self.frames.nbytes)


def newest(observations: Array | Frames | Packed, spec: ObservationSpec) -> Array:
    """What a log keeps of observations (R, *obs) of one episode or several: (R, *stored_shape)."""
    if isinstance(observations, Frames):
        return np.asarray(observations.frames)
    if isinstance(observations, Packed):
        return np.asarray(observations.held)
    if spec.packed:
        return packed(observations, spec)
    return observations[:, -spec.stored_shape[0] :] if spec.frames > 1 else observations


def held(observations: Table | Frames | Packed) -> Table:
    """What is in memory, or on disk, of them."""
    if isinstance(observations, Frames):
        return observations.frames
    return observations.held if isinstance(observations, Packed) else observations


def rebuilt(stored: T, spec: ObservationSpec, firsts: Array) -> T | Frames | Packed:
    """The observations of which a log keeps these rows (R, *stored_shape); firsts: as for `Frames`.

    A log of a former version keeps reals in the place of bytes.
    """
    if spec.packed and stored.dtype == np.uint8:
        return Packed(stored, spec)
    return Frames(stored, firsts, spec.frames) if spec.frames > 1 else stored


def check_stacked(observations: Array | Frames | Packed, spec: ObservationSpec) -> int | None:
    """The first row of an episode's observations (T + 1, *obs) that is not made of the newest frames of those before
    it, so that keeping these would change it; None: there is none.
    """
    if spec.frames == 1 or isinstance(observations, (Frames, Packed)):
        return None
    again = Frames(newest(observations, spec), np.zeros(1, np.int64), spec.frames)
    for row in range(len(observations)):
        if not np.array_equal(observations[row], again[row]):
            return row
    return None


def check_packed(observations: Array | Frames | Packed, spec: ObservationSpec) -> int | None:
    """The first row whose bytes would be other numbers, such as a pixel of 0.5; None: there is none."""
    if not spec.packed or isinstance(observations, (Frames, Packed)):
        return None
    with np.errstate(invalid="ignore"):
        same = (unpacked(packed(observations, spec), spec) == observations).all(axis=1)
    return None if same.all() else int(np.argmin(same))
