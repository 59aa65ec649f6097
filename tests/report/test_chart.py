"""A small line chart: where its marks stand, and what it says without being seen."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from rlformer.report.chart import Axis, Line, Mark, draw, steps


def _circles(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="4"', svg)]


def test_marks_stand_where_their_values_are() -> None:
    line = Line("a", (Mark(0, 0), Mark(1, 1), Mark(2, 2)))
    first, second, third = _circles(draw("t", Axis("x"), Axis("y"), [line]))[:3]
    assert second == pytest.approx(((first[0] + third[0]) / 2, (first[1] + third[1]) / 2), abs=0.11)
    assert first[0] < third[0]
    assert first[1] > third[1]


def test_a_logarithmic_axis_spaces_ratios_alike() -> None:
    line = Line("a", (Mark(1, 1), Mark(10, 5), Mark(100, 25)))
    first, second, third = _circles(draw("t", Axis("x", True), Axis("y", True), [line]))[:3]
    assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.2)
    assert second[1] - first[1] == pytest.approx(third[1] - second[1], abs=0.2)


def test_it_is_well_formed_and_says_its_numbers_in_words() -> None:
    lines = [Line("a<b & c", (Mark(1, 0.5, 0.25, 0.75),)), Line("d", (Mark(1, 2.0),))]
    root = ElementTree.fromstring(draw('a "title"', Axis("x"), Axis("y"), lines))
    assert root.get("aria-label") == 'a "title": a<b & c: 0.5 at 1; d: 2 at 1'


def test_equal_values_and_intervals_below_a_logarithmic_axis_are_drawn() -> None:
    svg = draw("t", Axis("x", True), Axis("y", True), [Line("a", (Mark(1, 2, -1, 5), Mark(2, 2, -1, 5)))])
    assert "nan" not in svg
    assert len(_circles(svg)) == 3
    with pytest.raises(ValueError, match="without a point"):
        draw("t", Axis("x"), Axis("y"), [])


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "ticks"),
    [
        (-0.1, 1.1, False, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3.0, 17.0, False, [5.0, 10.0, 15.0]),
        (1e-7, 1e-2, True, [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]),
    ],
)
def test_ticks_are_round(low: float, high: float, logarithmic: bool, ticks: list[float]) -> None:
    found = steps(low, high, logarithmic)
    assert set(ticks) <= set(found)
    assert all(low <= tick <= high for tick in found)
    assert len(found) <= 8
