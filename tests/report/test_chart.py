"""A small line chart: where its marks stand, and what it says without being seen."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from rlformer.report.chart import Axis, Line, Mark, draw, steps, text_width, wrapped


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


def _whiskers(svg: str) -> list[tuple[float, float, float]]:
    """x, and the two ends."""
    found = re.findall(r'<line x1="([\d.]+)" x2="\1" y1="([\d.]+)" y2="([\d.]+)"[^>]*stroke-width="1.2"', svg)
    return [(float(x), float(low), float(high)) for x, low, high in found]


def _frame(svg: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the plot."""
    found = re.search(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="none"', svg)
    assert found is not None
    left, top, width, height = map(float, found.groups())
    return left, top, left + width, top + height


@pytest.mark.parametrize("logarithmic", [False, True])
def test_intervals_end_within_the_plot(logarithmic: bool) -> None:
    lines = [Line("a", (Mark(1, 0.9, -0.5, 1.7), Mark(2, 0.5, 0.4, 0.6))), Line("b", (Mark(1, 0.3, 0.1, 0.5),))]
    svg = draw("t", Axis("x"), Axis("y", logarithmic), lines)
    left, top, right, bottom = _frame(svg)
    assert len(_whiskers(svg)) == 3
    for x, low, high in _whiskers(svg):
        assert left < x < right
        assert top <= high < low <= bottom


def test_an_arrowhead_marks_only_an_interval_that_the_axis_cannot_hold() -> None:
    lines = [Line("a", (Mark(1, 2, -1, 5), Mark(2, 2, 1, 5)))]
    drawn = {logarithmic: draw("t", Axis("x"), Axis("y", logarithmic), lines) for logarithmic in (False, True)}
    assert [drawn[logarithmic].count('fill="none" stroke="#0072b2" stroke-width="1.2"') for logarithmic in drawn] == [
        0,
        1,
    ]
    assert _whiskers(drawn[True])[0][1] == _frame(drawn[True])[3]


def test_intervals_of_several_lines_at_one_x_stand_beside_one_another() -> None:
    marks = (Mark(1, 0.5, 0.2, 0.8), Mark(2, 0.5, 0.2, 0.8))
    places = [x for x, *_ in _whiskers(draw("t", Axis("x"), Axis("y"), [Line(name, marks) for name in "abc"]))]
    assert [b - a for a, b in zip(places[::2], places[2::2], strict=False)] == pytest.approx([6.0, 6.0])
    assert places[2:4] == [x for x, *_ in _whiskers(draw("t", Axis("x"), Axis("y"), [Line("b", marks)]))]


def test_marks_of_close_xs_stay_nearer_to_their_own_x_than_to_the_next() -> None:
    marks = tuple(Mark(x, 0.5, 0.2, 0.8) for x in range(30))
    places = [x for x, *_ in _whiskers(draw("t", Axis("x"), Axis("y"), [Line(name, marks) for name in "abcd"]))]
    ordered = [places[30 * line + x] for x in range(30) for line in range(4)]
    assert ordered == sorted(set(ordered))


def test_marks_without_intervals_stand_at_their_x() -> None:
    alone = _circles(draw("t", Axis("x"), Axis("y"), [Line("a", (Mark(1, 1), Mark(2, 2)))]))
    assert (
        _circles(draw("t", Axis("x"), Axis("y"), [Line("a", (Mark(1, 1), Mark(2, 2))), Line("b", (Mark(1, 1),))]))[:2]
        == alone[:2]
    )


@pytest.mark.parametrize(
    "said", ["gradient steps until the cue is remembered, or 2,000 for never; ", "记住线索所需的步数；"]
)
def test_titles_and_labels_take_as_many_lines_as_they_need(said: str) -> None:
    root = ElementTree.fromstring(draw("t", Axis(7 * said), Axis(7 * said), [Line(7 * said, (Mark(1, 2), Mark(2, 3)))]))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    texts = root.findall("{http://www.w3.org/2000/svg}text")
    assert "".join("".join(text.itertext()) for text in texts).replace(" ", "").count(said.replace(" ", "")[:10]) >= 18
    for text in texts:
        wide = text_width(text.text or "", 12.5)
        left = float(text.attrib["x"]) - {"start": 0.0, "middle": wide / 2, "end": wide}[text.attrib["text-anchor"]]
        assert 0 <= left <= width - wide
        assert 12 <= float(text.attrib["y"]) <= height


def test_lines_end_at_spaces_and_beside_chinese_characters_but_not_before_a_closing_mark() -> None:
    assert wrapped("one two  three", 60, 12) == ["one two", "three"]
    assert wrapped("得分，得分。", 24, 12) == ["得", "分，", "得", "分。"]
    assert wrapped("用 LSTM 训练", 62, 12) == ["用 LSTM", "训练"]
    assert wrapped("（满分 1）", 24, 12) == ["（满", "分", "1）"]


def test_a_word_wider_than_a_line_is_divided_and_nothing_is_lost() -> None:
    assert wrapped("a" * 10, 24, 12) == ["aaa", "aaa", "aaa", "a"]
    assert "".join(wrapped("（", 24, 12) + wrapped("", 24, 12)) == "（"


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
