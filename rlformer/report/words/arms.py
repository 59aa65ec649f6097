"""Which arms a sentence or a figure is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def trained(environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The arms that learn."""
    return [arm for arm in environment["arms"] if arm["family"] not in ("random", "behaviour")]
