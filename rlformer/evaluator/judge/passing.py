"""The one test of every policy: good enough on 10 episodes, and on 30 fresh ones; where a curve first passes it.

Evaluations stand on one absolute grid of steps (`core.grid`), the same for every arm and budget. One counts where it is
the first at or after a point of the grid: what was evaluated elsewhere, such as the end of a training, would make a
preset's length decide. Evaluations of runs that were made before on a grid of their own are read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rlformer.core import grid
from rlformer.evaluator.judge.facts import Curve, Tested
from rlformer.evaluator.judge.terms import Scale
from rlformer.evaluator.measure.evaluation import CONFIRM_FROM


@dataclass(frozen=True)
class Bar:
    """What is good enough: a normalised score, or a share of successes as the environment tells them.

    level: None where nothing says it, so that no policy passes. failure: the value below which a run has failed.
    """

    scale: Scale | None
    level: float | None
    by: Literal["score", "success"]
    failure: float

    def value(self, mean_return: float | None, success: float | None) -> float | None:
        """What is held against `level`; None where it is unknown."""
        if self.by == "success":
            return success
        return None if mean_return is None or self.scale is None else self.scale.z(mean_return)

    def passed_by(self, tested: Tested, fresh: bool) -> Confirmed | None:
        """Whether a policy passes, and whether fresh episodes say so too; None: it does not.

        fresh: whether fresh episodes were played wherever they might matter, so that a policy without them fails.
        """
        value = self.value(tested.return_, tested.success)
        again = self.value(tested.confirmed, tested.confirmed_success)
        if self.level is None or value is None or value < self.level:
            return None
        if again is not None:
            return Confirmed(True) if again >= self.level else None
        return None if fresh and self.confirmable else Confirmed(False)

    @property
    def confirmable(self) -> bool:
        """Whether fresh episodes are played for it."""
        return self.level is not None and (self.by == "success" or self.level >= CONFIRM_FROM)


@dataclass(frozen=True)
class Confirmed:
    """A test that was passed."""

    by_fresh: bool  # whether fresh episodes confirmed it


@dataclass(frozen=True)
class First:
    """The first evaluation of a curve that passes."""

    index: int
    confirmed: bool
    tested: Tested


def on_grid(steps: Sequence[float]) -> list[int]:
    """Which evaluations are the first at or after a point of the grid. steps: increasing; what is 0 is none.

    >>> on_grid([0, 1000, 1416, 1424, 2000, 2500])
    [1, 2, 4]
    """
    return [
        i for i, (before, now) in enumerate(pairwise([0, *steps])) if grid.passed(int(before), int(now)) is not None
    ]


def first_pass(curve: Curve, bar: Bar) -> First | None:
    """Where a curve first passes; None: it never does."""
    points = [tested(curve, i) for i in range(len(curve.step))]
    fresh = any(bar.value(point.confirmed, point.confirmed_success) is not None for point in points)
    for i in on_grid(curve.step):
        found = bar.passed_by(points[i], fresh)
        if found is not None:
            return First(i, found.by_fresh, points[i])
    return None


def tested(curve: Curve, i: int) -> Tested:
    """An evaluation of a curve."""
    success = curve.success[i] if curve.success else None
    again = curve.confirmed_success[i] if curve.confirmed_success else None
    return Tested(curve.return_[i], curve.confirmed[i], success, again)
