"""One absolute grid: what is known of a training at a step does not hang on its budget."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rlformer.core import grid


def test_neighbours_are_apart_by_the_square_root_of_two_and_every_second_doubles() -> None:
    points = grid.points(10**6)
    assert points[:7] == (1000, 1414, 2000, 2828, 4000, 5657, 8000)
    assert points == tuple(round(1000 * 2 ** (k / 2)) for k in range(len(points)))
    assert points[-1] <= 10**6 < 1000 * 2 ** (len(points) / 2)


@pytest.mark.parametrize("total", [0, 999, 1000, 1413, 1414, 33_000])
def test_a_larger_budget_adds_points_and_moves_none(total: int) -> None:
    few, many = grid.points(total), grid.points(2 * total)
    assert many[: len(few)] == few
    assert all(total < point <= 2 * total for point in many[len(few) :])


def test_walking_by_any_stride_meets_every_point_that_was_passed_last() -> None:
    for stride in (1, 7, 8, 333, 5000):
        steps = range(0, 70_000, stride)
        met = [grid.passed(before, now) for before, now in pairwise(steps)]
        due = {max(grid.points(now), default=None) for now in steps} - {None}
        assert [point for point in met if point is not None] == sorted(due)
        if stride < 400:
            assert tuple(sorted(due)) == grid.points(steps[-1])


def test_only_points_of_the_grid_are_held() -> None:
    assert [step for step in range(2000) if grid.holds(step)] == [1000, 1414]
