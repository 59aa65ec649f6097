"""What an environment shows and what it lets one do, in the canonical form that every room shares.

Shapes: N environments side by side, `*obs` one observation as it is stored, `*act` one action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
LARGEST = float(np.finfo(np.float32).max)
FAR = 10.0  # times a log's range: wider bounds of an action do not set its scale


def computable(numbers: Array) -> Array:
    """Which of these are numbers in float32, in which models compute: neither NaN nor infinite nor too large for it.

    >>> computable(np.array([1.0, np.nan, 1e300])).tolist()
    [True, False, False]
    """
    if numbers.dtype == np.float64:
        return np.asarray(np.abs(numbers) <= LARGEST)
    return np.asarray(np.isfinite(numbers))


@dataclass(frozen=True)
class Part:
    """One named part of an observation.

    kind       shape                       dtype
    vector     (D,)                        its own: float32, uint8, ...
    image      (C, H, W)                   uint8, or float32 from 0 to 1
    category   (n,), one-hot               uint8

    peak: the largest number that an image can hold, by which networks divide it: 255 of pixels, less of a map of a few
    kinds of things. frames: how many pictures an image is, one behind the other along C, the newest last; each of them
    is the newest of an earlier step, or zeros before the first: a log keeps each once (`core.frames`).
    """

    name: str
    kind: Literal["vector", "image", "category"]
    shape: tuple[int, ...]
    dtype: str = "float32"  # a numpy name
    peak: float = 1.0
    frames: int = 1

    def __post_init__(self) -> None:
        if self.peak <= 0 or self.frames < 1 or (self.frames > 1 and self.shape[0] % self.frames):
            raise ValueError(f"part '{self.name}': {self.frames} frames of a peak of {self.peak} in {self.shape}")

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class ObservationSpec:
    """What one observation is: its parts, one after the other in the array that is stored.

    A plain Box is one part. Parts of a Dict or Tuple are flattened into one vector, in the order of `envs.spaces`.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if len(self.parts) > 1 and any(part.frames > 1 for part in self.parts):
            raise ValueError("frames are stacked where an observation is one image alone")

    @classmethod
    def vector(cls, size: int, dtype: str = "float32") -> ObservationSpec:
        """A plain vector of `size` numbers."""
        return cls((Part("observation", "vector", (size,), dtype),))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one stored observation: that of the only part, or of the vector that several make."""
        return self.parts[0].shape if len(self.parts) == 1 else (self.size,)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of stored observations: the parts' own where they agree, else what holds them all."""
        return np.result_type(*(np.dtype(part.dtype) for part in self.parts))

    @property
    def size(self) -> int:
        """How many numbers one observation holds."""
        return sum(part.size for part in self.parts)

    @property
    def has_images(self) -> bool:
        """Whether one of its parts is an image."""
        return any(part.kind == "image" for part in self.parts)

    @property
    def frames(self) -> int:
        """How many pictures one observation is: see `Part`."""
        return self.parts[0].frames

    @property
    def packed(self) -> bool:
        """Whether a log keeps rows of bytes, since images of bytes stand beside reals: see `core.packed`."""
        bytes_of_images = any(part.kind == "image" and part.dtype == "uint8" for part in self.parts)
        dtypes = {part.dtype for part in self.parts}
        return bytes_of_images and {"uint8"} < dtypes <= {"uint8", "float32", "float64"}

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """Of what a log keeps."""
        return np.dtype(np.uint8) if self.packed else self.dtype

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of what a log keeps of one observation: of an image of several frames its newest alone."""
        if self.packed:
            return (sum(part.size * np.dtype(part.dtype).itemsize for part in self.parts),)
        return (self.shape[0] // self.frames, *self.shape[1:]) if self.frames > 1 else self.shape

    @property
    def slices(self) -> dict[str, slice]:
        """Where each part stands in the flattened observation, by its name."""
        ends = np.cumsum([part.size for part in self.parts]).tolist()
        return {part.name: slice(end - part.size, end) for part, end in zip(self.parts, ends, strict=True)}

    def describe(self) -> str:
        """In a few words, for messages.

        >>> ObservationSpec.vector(4).describe()
        '(4,) float32'
        """
        text = f"{self.shape} {self.dtype}"
        named = ", ".join(f"{part.name} {part.shape}" for part in self.parts)
        return text if len(self.parts) == 1 else f"{text}: {named}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"parts": [_part_to_dict(part) for part in self.parts]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ObservationSpec:
        """The inverse of `to_dict`."""
        return cls(tuple(Part(**{**part, "shape": tuple(part["shape"])}) for part in data["parts"]))


def _part_to_dict(part: Part) -> dict[str, Any]:
    """Without what only images have where it says nothing."""
    told = {"peak": part.peak != 1.0, "frames": part.frames != 1}
    return {key: value for key, value in vars(part).items() if told.get(key, True)} | {"shape": list(part.shape)}


@dataclass(frozen=True)
class ActionSpec:
    """An action space in its canonical form: zero-based categories, or a vector of reals.

    kind          one action                        nvec
    discrete      () int64                          (n,)
    multidiscrete (d,) int64                        (n_1, ..., n_d)
    multibinary   (d,) int64                        (2, ..., 2)
    box           (d,) float32, `low` to `high`     ()

    native: the environment's own dtype of a box, by numpy's name, where it holds fewer numbers than float32 does:
    integers, float16. What is executed is rounded to these.
    """

    kind: Literal["discrete", "multidiscrete", "multibinary", "box"]
    nvec: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    native: str = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one action."""
        return () if self.kind == "discrete" else (len(self.low if self.kind == "box" else self.nvec),)

    @property
    def dtype(self) -> type[np.generic]:
        """The dtype of stored actions."""
        return np.float32 if self.kind == "box" else np.int64

    @property
    def bounded(self) -> bool:
        """Whether every dimension has finite bounds (always so for categories)."""
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    @property
    def whole(self) -> bool:
        """Whether these are numbers of which the environment takes integers alone."""
        return self.kind == "box" and np.dtype(self.native).kind in "iub"

    def clip(self, actions: Array) -> Array:
        """What the environment executes, as a log has it: reals are rounded where it takes integers, then clipped.

        Categories are as they are.
        """
        if self.kind != "box":
            return actions
        low, high = self._bounds
        clipped = np.clip(np.rint(actions) if self.whole else actions, low, high)
        return clipped.astype(self.native).astype(np.float32) if self.native == "float16" else clipped

    @cached_property
    def _bounds(self) -> tuple[Array, Array]:
        low, high = np.asarray(self.low, np.float32), np.asarray(self.high, np.float32)
        if self.native == "float16":  # whose numbers end early
            most = np.finfo(np.float16).max.astype(np.float32)
            return np.maximum(low, -most), np.minimum(high, most)
        return low, high

    def within(self, low: Array, high: Array) -> ActionSpec:
        """These actions with the range of a log, (d,) each, in place of bounds that lie far beyond it.

        A bound that says nothing of the actions that matter must not set their scale. Where the log holds one number
        alone, the range is 1 around it.
        """
        if self.kind != "box":
            return self
        own_low, own_high = np.asarray(self.low), np.asarray(self.high)
        flat = low == high
        low, high = np.where(flat, low - 1.0, low), np.where(flat, high + 1.0, high)
        low, high = np.maximum(low, own_low), np.minimum(high, own_high)
        finite = np.isfinite(own_low) & np.isfinite(own_high)
        far = finite & (np.where(finite, own_high - own_low, 0.0) > FAR * (high - low))
        bounds = (np.where(far, low, own_low), np.where(far, high, own_high))
        return replace(self, low=tuple(bounds[0].tolist()), high=tuple(bounds[1].tolist()))

    def contains(self, actions: Array) -> Array:
        """Which of (N, *act) actions lie in the space: (N,) bool. Bounds of a box hold to 1e-4 of rounding."""
        rows = actions.reshape(len(actions), -1)
        if self.kind == "box":
            low, high = np.asarray(self.low), np.asarray(self.high)
            slack = 1e-4 * np.maximum(1.0, np.abs(np.where(np.isfinite(high), high, 1.0)))
            return np.asarray(((rows >= low - slack) & (rows <= high + slack)).all(axis=1))
        return np.asarray(((rows >= 0) & (rows < np.asarray(self.nvec))).all(axis=1))

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """`count` random actions, (count, *act), distributed as Gymnasium's own `Space.sample`.

        Categories and bounded dimensions are uniform, both ends of integers among them; dimensions with one bound are
        exponential from there, those without any standard normal.
        """
        if self.kind != "box":
            return rng.integers(0, self.nvec, (count, len(self.nvec))).reshape(count, *self.shape)
        low, high = np.asarray(self.low), np.asarray(self.high)
        below, above = np.isfinite(low), np.isfinite(high)
        top = high + 1.0 if self.whole else high  # an integer is the floor of what is drawn
        drawn = rng.uniform(np.where(below & above, low, 0.0), np.where(below & above, top, 1.0), (count, len(low)))
        if not (below & above).all():
            drawn = np.where(below & above, drawn, rng.standard_normal(drawn.shape))
        if (below ^ above).any():
            away = rng.standard_exponential(drawn.shape)
            drawn = np.where(below & ~above, low + away, np.where(above & ~below, top - away, drawn))
        if self.whole:
            drawn = np.floor(drawn)
        return self.clip(np.clip(drawn, low, high).astype(np.float32))

    def describe(self) -> str:
        """In a few words, for messages.

        >>> ActionSpec("discrete", nvec=(2,)).describe()
        'discrete [2]'
        """
        if self.kind == "box":
            low, high = (b[0] if len(set(b)) == 1 else list(b) for b in (self.low, self.high))
            return f"box of {len(self.low)}{' integers' * self.whole} from {low} to {high}"
        return f"{self.kind} {list(self.nvec)}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; infinite bounds are written as null."""
        if self.kind != "box":
            return {"kind": self.kind, "nvec": list(self.nvec)}
        finite = lambda bounds: [float(b) if np.isfinite(b) else None for b in bounds]  # noqa: E731
        native = {} if self.native == "float32" else {"native": self.native}
        return {"kind": self.kind, "low": finite(self.low), "high": finite(self.high), **native}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ActionSpec:
        """The inverse of `to_dict`."""
        return cls(
            kind=data["kind"],
            nvec=tuple(int(n) for n in data.get("nvec", ())),
            low=tuple(-np.inf if b is None else float(b) for b in data.get("low", ())),
            high=tuple(np.inf if b is None else float(b) for b in data.get("high", ())),
            native=str(data.get("native", "float32")),
        )


@dataclass(frozen=True)
class Spaces:
    """Both spaces of a task, canonical."""

    observation: ObservationSpec
    actions: ActionSpec

    @classmethod
    def plain(cls, shape: tuple[int, ...], actions: ActionSpec, dtype: str = "float32") -> Spaces:
        """Of observations that are one array without named parts."""
        return cls(ObservationSpec((Part("observation", "vector", shape, dtype),)), actions)

    def describe(self) -> str:
        """In a few words, for messages."""
        return f"observations {self.observation.describe()} and actions {self.actions.describe()}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"observation": self.observation.to_dict(), "actions": self.actions.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Spaces:
        """The inverse of `to_dict`."""
        return cls(ObservationSpec.from_dict(data["observation"]), ActionSpec.from_dict(data["actions"]))
