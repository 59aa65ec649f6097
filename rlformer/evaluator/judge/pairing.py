"""Runs of two arms brought together by seed: seed s of an offline arm learned from the log of seed s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rlformer.core.spaces import Array
from rlformer.evaluator.judge.estimates import shared_logs


class Seeded(Protocol):
    """A run, whatever is known of it."""

    @property
    def seed(self) -> int:
        """Its seed."""
        ...

    @property
    def seed_obeyed(self) -> bool | None:
        """False: the environment ignores the seeds of its episodes, so that nothing is paired; None: unknown."""
        ...


def common(a: Sequence[Seeded], b: Sequence[Seeded]) -> Array | None:
    """(m, 2) rows of `a` and `b` that are of one seed.

    None where they share less than half of the fewer's seeds or only one, or where their environment ignores them.
    """
    if any(run.seed_obeyed is False for run in (*a, *b)):
        return None
    place = {run.seed: row for row, run in enumerate(b)}
    rows = [(row, place[run.seed]) for row, run in enumerate(a) if run.seed in place]
    return np.array(rows) if len(rows) > 1 and 2 * len(rows) >= min(len(a), len(b)) else None


def sources(a: Sequence[str | None], b: Sequence[str | None], paired: bool) -> list[list[str] | None]:
    """Labels for the two-level bootstrap, from the logs that runs read: a pair belongs to that of its offline half."""
    if paired:
        return [shared_logs([one or other for one, other in zip(a, b, strict=True)])]
    return [shared_logs(a), shared_logs(b)]
