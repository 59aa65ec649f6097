"""A small line chart as one SVG: no script, readable without a style sheet, and printed as it is.

Inside a page its colours are the page's own (CSS variables); a file of its own has those written behind them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rlformer.core import formats

WIDTH, HEIGHT = 640, 300
_LEFT, _TOP, _BOTTOM, _LEGEND = 62, 16, 46, 180  # around the plot; the legend stands at its right
# Okabe & Ito 2008, which colour-blind readers tell apart; a dash and a marker say the same without colours.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("", "6 3", "2 2", "8 3 2 3")
_MUTED, _GRID = "var(--muted, #767676)", "var(--grid, #d0d0d0)"


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
    right, floor = WIDTH - _LEGEND, HEIGHT - _BOTTOM
    across = _Scale(*_ends(xs, x.logarithmic, 0.04), _LEFT, right, x.logarithmic)
    up = _Scale(*_ends(ys, y.logarithmic, 0.06), floor, _TOP, y.logarithmic)
    ticks = xs if len(xs) <= 8 else steps(across.low, across.high, x.logarithmic)
    parts = [_grid(steps(up.low, up.high, y.logarithmic), up, right)]
    parts += [_text(across(tick), floor + 17, formats.number(tick), "middle") for tick in ticks]
    parts.append(_text((_LEFT + right) / 2, HEIGHT - 8, x.title, "middle"))
    turned = f'transform="rotate(-90 14 {(_TOP + floor) / 2})"'
    parts.append(_text(14, (_TOP + floor) / 2, y.title, "middle", turned))
    for i, line in enumerate(lines):
        parts.append(_drawn(line, i, across, up))
        parts.append(_named(line, i, right + 14, _TOP + 12 + 20 * i))
    said = escape(f"{title}: {'; '.join(map(_said, lines))}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12.5">{"".join(parts)}</svg>'
    )


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


def _drawn(line: Line, i: int, across: _Scale, up: _Scale) -> str:
    def height(value: float) -> float:
        return up(max(value, up.low))  # an interval may reach beyond a logarithmic axis

    where = [(across(mark.x), up(mark.y)) for mark in line.marks]
    path = " ".join(f"{x},{y}" for x, y in where)
    intervals = "".join(
        f'<line x1="{across(mark.x)}" x2="{across(mark.x)}" y1="{height(mark.low)}" y2="{height(mark.high)}" '
        f'stroke="{_colour(i)}" stroke-width="1.2"/>'
        for mark in line.marks
        if mark.low is not None and mark.high is not None
    )
    return f'<polyline points="{path}" {_stroke(i)}/>{intervals}{"".join(_marker(i, *at) for at in where)}'


def _named(line: Line, i: int, x: float, y: float) -> str:
    sample = f'<line x1="{x}" x2="{x + 26}" y1="{y - 4}" y2="{y - 4}" {_stroke(i)}/>{_marker(i, x + 13, y - 4)}'
    return sample + _text(x + 33, y, line.label, "start")


def _said(line: Line) -> str:
    return f"{line.label}: " + ", ".join(f"{formats.number(m.y)} at {formats.number(m.x)}" for m in line.marks)
