"""A small line chart as one SVG: no script, readable without a style sheet, and printed as it is.

Inside a page its colours are the page's own (CSS variables); a file of its own has those written behind them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from rlformer.core import formats

WIDTH = 640
LINE = 16  # pixels from a line of text to the next
_LEFT, _LEGEND, _PLOT, _EDGE = 62, 180, 238, 8  # pixels; the legend stands at the right of the plot
_TEXT = 12.5
_APART, _SIDEWAYS = 6.0, 24.0  # pixels between neighbouring lines at one x, and from the first line to the last
# Okabe & Ito 2008, which colour-blind readers tell apart; a dash and a marker say the same without colours.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("", "6 3", "2 2", "8 3 2 3")
_MUTED, _GRID = "var(--muted, #767676)", "var(--grid, #d0d0d0)"
# Where a line of text may end: after spaces, and beside Chinese characters, but not before a closing mark.
_WIDE, _OPEN, _CLOSE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef", "（「『《“", "，。、；：！？）」』》”"
_PIECE = re.compile(rf"[{_OPEN}]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_CLOSE}]*\s*|\s+")


@dataclass(frozen=True)
class Mark:
    """A point, and the ends of its interval where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """Points that belong together, by increasing x."""

    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Axis:
    """What an axis shows."""

    title: str
    logarithmic: bool = False


@dataclass(frozen=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    start: float  # pixels of `low`
    end: float  # of `high`
    logarithmic: bool

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 1)


def draw(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """The SVG. lines: each with a point at least; on a logarithmic axis all values are positive.

    Raises ValueError where there is nothing to draw.
    """
    marks = [mark for line in lines for mark in line.marks]
    if not marks:
        raise ValueError("a chart without a point")
    xs = sorted({mark.x for mark in marks})
    ys = [value for mark in marks for value in (mark.y, mark.low, mark.high) if value is not None]
    if y.logarithmic:
        ys = [value for value in ys if value > 0]
    over = wrapped(y.title, WIDTH - 2 * _EDGE, _TEXT)
    right, top = WIDTH - _LEGEND, LINE * len(over) + 14
    floor, middle = top + _PLOT, (_LEFT + right) / 2
    under = wrapped(x.title, 2 * (middle - _EDGE), _TEXT)
    across = _Scale(*_ends(xs, x.logarithmic, 0.05), _LEFT, right, x.logarithmic)
    up = _Scale(*_ends(ys, y.logarithmic, 0.06), floor, top, y.logarithmic)
    ticks = xs if len(xs) <= 8 else steps(across.low, across.high, x.logarithmic)
    parts = [_text(_EDGE, LINE * (i + 1), words, "start") for i, words in enumerate(over)]
    parts.append(_grid(steps(up.low, up.high, y.logarithmic), up, right))
    frame = f'width="{right - _LEFT}" height="{_PLOT}" fill="none" style="stroke:{_GRID}"'
    parts.append(f'<rect x="{_LEFT}" y="{top}" {frame}/>')
    parts += [_text(across(tick), floor + 17, formats.number(tick), "middle") for tick in ticks]
    parts += [_text(middle, floor + 38 + LINE * i, words, "middle") for i, words in enumerate(under)]
    key = top + 12
    for i, (line, shift) in enumerate(zip(lines, _shifts(lines, across), strict=True)):
        label = wrapped(line.label, _LEGEND - 47 - _EDGE, _TEXT)
        parts += [_drawn(line, i, shift, across, up), _named(label, i, right + 14, key)]
        key += LINE * len(label) + 4
    height = max(floor + 30 + LINE * len(under), key)
    said = escape(f"{title}: {'; '.join(map(_said, lines))}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{said}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="{_TEXT}">{"".join(parts)}</svg>'
    )


def text_width(said: str, size: float, bold: bool = False) -> float:
    """How many pixels a line of text takes at most, in Arial or the wider DejaVu Sans; Chinese characters are square.

    >>> text_width("ill", 10), text_width("回报", 10)
    (12.6, 20.0)
    """
    return round(size * sum(_ems(character, 1.13 if bold else 1.0) for character in said), 1)


def _ems(character: str, weight: float) -> float:
    """weight: how much wider than usual characters are; Chinese ones are not."""
    if unicodedata.east_asian_width(character) in "WFA":
        return 1.0
    if character in "mwMW@%+=<>~−":
        return weight
    if character in " !'(),./:;I[]fijlrt|":
        return 0.42 * weight
    return (0.8 if character.isupper() else 0.65) * weight


def wrapped(said: str, room: float, size: float, bold: bool = False) -> list[str]:
    """The lines of a text, none of them wider than `room` pixels by `text_width`.

    >>> wrapped("input times 10", 60, 10), wrapped("得分（满分 1）", 40, 10)
    (['input', 'times 10'], ['得分（满', '分 1）'])
    """
    lines = [""]
    for piece in _PIECE.findall(said):
        whole = text_width(piece.rstrip(), size, bold) <= room
        for part in (piece,) if whole else piece:
            if lines[-1] and text_width((lines[-1] + part).rstrip(), size, bold) > room:
                lines.append("")
            lines[-1] += part
    return [line.strip() for line in lines]


def steps(low: float, high: float, logarithmic: bool = False) -> list[float]:
    """Round numbers from low to high, about five; on a logarithmic axis powers of ten, with 2 and 5 on a short one.

    >>> steps(0.0, 1.03), steps(0.2, 30.0, logarithmic=True)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0])
    """
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        between = (1, 2, 5) if len(powers) <= 4 else (1,)
        found = [float(f"{step}e{power}") for power in powers for step in between]
        if len(found) > 20:  # a tick every few powers of ten
            found = found[:: math.ceil(len(found) / 8)]
        return [value for value in found if low <= value <= high]
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(step * power for step in (1, 2, 5, 10) if step * power >= 0.75 * rough)
    first = math.ceil(low / size - 1e-9)
    return [round(i * size, 12) for i in range(first, math.floor(high / size + 1e-9) + 1)]


def _ends(values: Sequence[float], logarithmic: bool, pad: float) -> tuple[float, float]:
    """From the lowest to the highest, and some room."""
    low, high = min(values), max(values)
    if logarithmic:
        room = max((high / low) ** pad, 1.05)
        return low / room, high * room
    room = pad * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def _grid(ticks: Sequence[float], up: _Scale, right: float) -> str:
    lines = (
        f'<line x1="{_LEFT}" x2="{right}" y1="{up(tick)}" y2="{up(tick)}" style="stroke:{_GRID}"/>'
        + _text(_LEFT - 7, up(tick) + 4, formats.number(tick), "end")
        for tick in ticks
    )
    return "".join(lines)


def _text(x: float, y: float, said: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" style="fill:{_MUTED}" {more}>{escape(said)}</text>'


def _colour(i: int) -> str:
    return _COLOURS[i % len(_COLOURS)]


def _stroke(i: int) -> str:
    dash = _DASHES[i % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'fill="none" stroke="{_colour(i)}" stroke-width="2"{dashed}'


def _marker(i: int, x: float, y: float) -> str:
    fill = f'fill="{_colour(i)}"'
    shapes = (
        f'<circle cx="{x}" cy="{y}" r="4" {fill}/>',
        f'<rect x="{x - 4:g}" y="{y - 4:g}" width="8" height="8" {fill}/>',
        f'<path d="M{x:g} {y - 5:g}l5 9h-10z" {fill}/>',
        f'<path d="M{x:g} {y - 5:g}l5 5l-5 5l-5-5z" {fill}/>',
    )
    return shapes[i % len(shapes)]


def _shifts(lines: Sequence[Line], across: _Scale) -> list[float]:
    """How many pixels the marks of each line move sideways, so that intervals at one x do not hide each other.

    All stay nearer to their own x than to the next. Without intervals nothing moves.
    """
    between = len(lines) - 1
    if not between or all(mark.low is None for line in lines for mark in line.marks):
        return [0.0] * len(lines)
    places = sorted({across(mark.x) for line in lines for mark in line.marks})
    nearest = min((b - a for a, b in pairwise(places)), default=math.inf)
    step = min(_APART, _SIDEWAYS / between, nearest / 2 / between)
    return [round(step * (i - between / 2), 1) for i in range(len(lines))]


def _drawn(line: Line, i: int, shift: float, across: _Scale, up: _Scale) -> str:
    where = [(round(across(mark.x) + shift, 1), up(mark.y)) for mark in line.marks]
    path = " ".join(f"{x},{y}" for x, y in where)
    intervals = "".join(
        _interval(x, mark.low, mark.high, i, up)
        for mark, (x, _) in zip(line.marks, where, strict=True)
        if mark.low is not None and mark.high is not None
    )
    return f'<polyline points="{path}" {_stroke(i)}/>{intervals}{"".join(_marker(i, *at) for at in where)}'


def _interval(x: float, low: float, high: float, i: int, up: _Scale) -> str:
    """From low to high; an arrowhead on the axis says that it reaches further, as one to 0 on a logarithmic axis."""
    floor, stroke = up(max(low, up.low)), f'stroke="{_colour(i)}" stroke-width="1.2"'
    more = f'<path d="M{x - 3:g} {floor - 5:g}l3 5l3-5" fill="none" {stroke}/>' if low < up.low else ""
    return f'<line x1="{x}" x2="{x}" y1="{floor}" y2="{up(high)}" {stroke}/>{more}'


def _named(label: Sequence[str], i: int, x: float, y: float) -> str:
    sample = f'<line x1="{x}" x2="{x + 26}" y1="{y - 4}" y2="{y - 4}" {_stroke(i)}/>{_marker(i, x + 13, y - 4)}'
    return sample + "".join(_text(x + 33, y + LINE * at, words, "start") for at, words in enumerate(label))


def _said(line: Line) -> str:
    return f"{line.label}: " + ", ".join(f"{formats.number(m.y)} at {formats.number(m.x)}" for m in line.marks)
