"""How long what learns from a log without interaction trains, told without importing what trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def gradient_steps(values: Mapping[str, Any], logged_steps: int) -> int:
    """How many a run makes on a log of so many steps: more in proportion than `log_steps`, that it sees no less of it.

    >>> values = {"gradient_steps": 20_000, "log_steps": 256_000}
    >>> gradient_steps(values, 100_000), gradient_steps(values, 1_000_000)
    (20000, 78125)
    """
    steps, up_to = int(values["gradient_steps"]), int(values.get("log_steps", 0))  # none in older runs
    return steps if not up_to or logged_steps <= up_to else -(-steps * logged_steps // up_to)
