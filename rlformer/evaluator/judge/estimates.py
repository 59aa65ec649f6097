"""Means over runs with their intervals, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array

DIGITS = 7  # significant ones, of every float in the results


def interval(values: Array, logs: Sequence[str | None], resample: bool) -> dict[str, float | None] | None:
    """Mean over runs with its interval: no ends where nothing can be resampled, None without runs."""
    if not len(values):
        return None
    if not resample:
        return {"low": None, "point": float(values.mean()), "high": None}
    found = statistics.bootstrap(
        lambda runs: runs.mean(axis=1), values, rng=np.random.default_rng(0), sources=[shared_logs(logs)]
    ).interval()
    return {"low": found.low, "point": found.point, "high": found.high}


def shared_logs(logs: Sequence[str | None]) -> list[str] | None:
    """A label per run for the two-level bootstrap; None where no two runs share a log, or all of them do."""
    if None in logs or not 1 < len(set(logs)) < len(logs):
        return None
    return [str(log) for log in logs]


def normalized(estimate: Mapping[str, float | None] | None, env: EnvSpec) -> dict[str, float | None] | None:
    """The interval of z: z is linear in the return, so the ends map to ends (reversed if less is better)."""
    if estimate is None or env.normalize(0.0) is None:
        return None
    low, point, high = (None if v is None else env.normalize(v) for v in estimate.values())
    if low is not None and high is not None and low > high:
        low, high = high, low
    return {"low": low, "point": point, "high": high}


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Mean, least and most over runs; None where a run does not know."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return {"mean": float(np.mean(known)), "min": min(known), "max": max(known)}


def spreads(tables: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float] | None]:
    keys = list(dict.fromkeys(key for table in tables for key in table))
    return {key: spread([table.get(key) for table in tables]) for key in keys}


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """Floats to that many significant digits; JSON knows no infinity, so what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
