"""The numbers that evidence is made of: a mean with its interval, a spread over runs, a curve with its band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; no ends where nothing can be resampled."""

    low: float | None
    point: float
    high: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None where nothing can be resampled."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Spread:
    """Mean, least and most over runs."""

    mean: float
    min: float
    max: float


@dataclass(frozen=True)
class Band:
    """A mean curve (points,) over `x`; `low` and `high` are its pointwise interval, from two runs on."""

    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None


Spreads = Mapping[str, Spread | None]  # by name; None where a run does not know
