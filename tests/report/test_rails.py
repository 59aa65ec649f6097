"""Effects on rails: every text within the picture, numbers below rails that do not touch, and what the marks mean."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from rlformer.report.chart import text_width
from rlformer.report.rails import WIDTH, Rail, Row, draw

RAIL = Rail(50, 40, 60, 20, (30, 100), ((20, "0"), (30, "0.25"), (40, "0.31"), (60, "0.7")))
LONG = {
    "en": "gradient steps until the cue is remembered without normalisation over those with layer normalisation, "
    "inputs times 100, learning rate 8e-3",
    "zh": "输入放大 100 倍、学习率 8e-3，记住线索所需的梯度步数：无归一化除以层归一化；" * 3,
}
LEGEND = {True: "confirmed", False: "refuted", None: "undecided"}


def _texts(svg: str) -> list[Element]:
    """All of them, each with what the group around it says too."""
    root = ElementTree.fromstring(svg)
    found = []
    for parent in root.iter():
        for text in parent.findall("{http://www.w3.org/2000/svg}text"):
            text.attrib |= {} if parent is root else parent.attrib | text.attrib
            found.append(text)
    return found


def _ends(text: Element) -> tuple[float, float]:
    """Where a text starts and ends, in pixels."""
    size = float(text.attrib.get("font-size", "12"))
    wide = text_width(text.text or "", size, "font-weight" in text.attrib)
    left = float(text.attrib["x"]) - (wide / 2 if text.attrib.get("text-anchor") == "middle" else 0)
    return left, left + wide


def _numbers(svg: str) -> list[Element]:
    return [text for text in _texts(svg) if "font-size" in text.attrib]


@pytest.mark.parametrize("language", LONG)
def test_no_text_passes_the_frame_and_none_covers_another(language: str) -> None:
    long = LONG[language]
    rows = [Row(f"{long} {i}", long, None, RAIL if i % 2 else None) for i in range(4)]
    svg = draw(long, rows, {True: long[:45], False: long[:30], None: long[:15]})
    height = float(ElementTree.fromstring(svg).attrib["viewBox"].split()[3])
    boxes = [(*_ends(text), float(text.attrib["y"])) for text in _texts(svg)]
    assert all(left >= 0 and right <= WIDTH and 12 <= y <= height for left, right, y in boxes)
    for i, (left, right, y) in enumerate(boxes):
        for other_left, other_right, other_y in boxes[i + 1 :]:
            assert right <= other_left or other_right <= left or abs(y - other_y) >= 12


def test_labels_are_whole_and_long_ones_make_the_picture_higher() -> None:
    drawn = [draw("t", [Row(what, "1", None, RAIL)]) for what in ("short", LONG["en"])]
    assert " ".join(text.text or "" for text in _texts(drawn[1])[1:3]) == LONG["en"]
    low, high = (float(ElementTree.fromstring(svg).attrib["viewBox"].split()[3]) for svg in drawn)
    assert high - low == 16


def test_numbers_stand_below_their_places() -> None:
    numbers = _numbers(draw("t", [Row("a", "b", True, RAIL)]))
    assert [(text.text, float(text.attrib["x"])) for text in numbers] == [
        ("0", 84.0), ("0.25", 120.0), ("0.31", 156.0), ("0.7", 228.0),
    ]  # fmt: skip


def test_a_number_that_would_touch_one_before_it_is_left_out() -> None:
    rail = Rail(50, 21, 94, 20, (22, 100), ((20, "0"), (22, "0.05"), (21, "0.02"), (94, "3.7")))
    assert [text.text for text in _numbers(draw("t", [Row("a", "b", True, rail)]))] == ["0", "3.7"]


def test_numbers_at_the_ends_of_a_rail_stay_below_it() -> None:
    rail = Rail(50, 0, 100, 50, (60, 100), ((0, "−1,234.5"), (100, "1,234.5")))
    first, last = map(_ends, _numbers(draw("t", [Row("a", "b", True, rail)])))
    assert (first[0], last[1]) == pytest.approx((12, 372))


def test_the_title_and_what_the_marks_mean_stand_above_the_effects() -> None:
    svg = draw("Effects", [Row("a", "b", True, RAIL)], LEGEND)
    assert [text.text for text in _texts(svg)[:5]] == ["Effects", "confirmed", "refuted", "undecided", "a"]
    assert [svg.count(shape) for shape in ('r="5" fill="#009e73"', 'fill="#d55e00"', 'fill="#767676"')] == [2, 1, 1]
    assert "confirmed" not in draw("Effects", [Row("a", "b", True, RAIL)])
