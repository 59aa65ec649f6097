"""The absolute grid of steps on which every training is evaluated, whatever its budget."""

from __future__ import annotations

from bisect import bisect_right

FIRST = 1000  # steps
_ALL = tuple(round(FIRST * 2.0 ** (k / 2)) for k in range(81))  # far beyond what anybody trains


def points(total: int) -> tuple[int, ...]:
    """1000 * 2 ** (k / 2) for k = 0, 1, ..., up to `total` steps: the same for every arm and budget.

    The unit is that of a training's curve: environment steps, or gradient steps where a log alone is learned from.
    The end of a training is evaluated too; unless it is one of these it tells no time to a threshold.

    >>> points(4000), points(999)
    ((1000, 1414, 2000, 2828, 4000), ())
    """
    return _ALL[: bisect_right(_ALL, total)]


def passed(before: int, now: int) -> int | None:
    """The last point behind `before` and not behind `now` steps, which is due; None: there is none.

    >>> passed(1408, 1416), passed(1416, 1424), passed(0, 3000)
    (1414, None, 2828)
    """
    last = bisect_right(_ALL, now)
    return _ALL[last - 1] if last and _ALL[last - 1] > before else None


def holds(step: int) -> bool:
    """Whether it is a point."""
    return points(step)[-1:] == (step,)
