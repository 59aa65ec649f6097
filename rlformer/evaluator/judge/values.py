"""The numbers that evidence is made of: a mean with its interval, a spread over runs, a curve with its band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def omitted() -> Any:
    """A field that is None unless it is given, and that JSON leaves out then."""
    return field(default=None, metadata={"omitted": True})


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; no ends where nothing can be resampled."""

    low: float | None
    point: float
    high: float | None


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
    low: tuple[float, ...] | None = omitted()
    high: tuple[float, ...] | None = omitted()


Spreads = Mapping[str, Spread | None]  # by name; None where a run does not know
