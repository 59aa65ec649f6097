"""The absolute grid of steps on which every training is evaluated, whatever its budget."""

from __future__ import annotations

FIRST = 1000  # steps


def point(k: int) -> int:
    """The k-th point, from 0: a ratio of the square root of 2 between neighbours.

    >>> [point(k) for k in range(5)]
    [1000, 1414, 2000, 2828, 4000]
    """
    return round(FIRST * 2.0 ** (k / 2))


def points(total: int) -> tuple[int, ...]:
    """Those up to `total` steps: the same for every arm and budget, in the unit of a training's curve.

    That unit is environment steps, or gradient steps where a log alone is learned from. The end of a training is
    evaluated too; unless it is one of these it counts for no time to a threshold.

    >>> points(4000), points(999)
    ((1000, 1414, 2000, 2828, 4000), ())
    """
    found, k = list[int](), 0
    while point(k) <= total:
        found.append(point(k))
        k += 1
    return tuple(found)


def passed(before: int, now: int) -> int | None:
    """The last point behind `before` and not behind `now` steps, which is due; None: there is none.

    >>> passed(1408, 1416), passed(1416, 1424), passed(0, 3000)
    (1414, None, 2828)
    """
    due = points(now)
    return due[-1] if due and due[-1] > before else None


def holds(step: int) -> bool:
    """Whether it is a point."""
    return points(step)[-1:] == (step,)
