"""What a caller hears and says while a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _never() -> bool:
    return False


def _silent(done: int, total: int, note: str) -> None:
    """Hears how far it is, and tells nobody."""


def _deaf(text: str) -> None:
    """Hears a remark, and tells nobody."""


@dataclass(frozen=True)
class Hooks:
    """Functions that long work calls; by default nobody stops it and nobody listens."""

    stop: Callable[[], bool] = _never  # whether the user asked to stop
    listener: Callable[[int, int, str], None] = _silent  # hears (done, total, note)
    tell: Callable[[str], None] = _deaf  # hears remarks when they are made
    waits: bool = True  # for what another process does; else `files.Busy` is raised
