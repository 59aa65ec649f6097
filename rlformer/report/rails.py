"""Effects under one another as one SVG: each on a rail of its own, with its interval, 0 and its margin.

Effects of different units share no axis; each rail holds its own effect, 0 and margin, with their numbers below it, and
the text beside it says how much they are. Colours as in `chart`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rlformer.report.chart import LINE, text_width, wrapped

WIDTH = 760
_LEFT, _RAIL, _BESIDE, _APART = 12, 360, 388, 12  # pixels; texts beside rails start at _BESIDE, rows are _APART
_TEXT, _SMALL = 12, 10  # font sizes; the small one is of the numbers below rails
_MUTED = "var(--muted, #767676)"
_BAND, _LINE = "var(--grid, #d0d0d0)", "var(--grid, #a8a8a8)"


@dataclass(frozen=True)
class Rail:
    """An effect: positions from 0 to 100."""

    point: float
    low: float
    high: float
    zero: float
    band: tuple[float, float]  # what was claimed: within the margins, or above the one
    ticks: tuple[tuple[float, str], ...] = ()  # numbers below it, the most important first


@dataclass(frozen=True)
class Row:
    """What stands above a rail, and beside it."""

    what: str
    said: str
    confirmed: bool | None  # None: neither this nor refuted
    rail: Rail | None  # None: not measured


_COLOURS = {True: "#009e73", False: "#d55e00", None: "#767676"}  # Okabe & Ito 2008
_SHAPES = {True: "circle", False: "square", None: "diamond"}  # which say the same without colours


def draw(title: str, rows: Sequence[Row], legend: Mapping[bool | None, str] | None = None) -> str:
    """The SVG. legend: what each value of `Row.confirmed` means, in words.

    Texts take as many lines as they need. A number below a rail that would touch one before it is left out.
    Raises ValueError where there is nothing to draw.
    """
    if not rows:
        raise ValueError("no effect to draw")
    body, bottom = _lines(wrapped(title, WIDTH - 2 * _LEFT, _TEXT), _LEFT, 4)
    if legend:
        key, bottom = _legend(legend, bottom + 2)
        body += key
    for row in rows:
        drawn, bottom = _row(row, bottom + _APART)
        body += drawn
    return (  # no label: its own texts say all of it
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 8}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="{_TEXT}" style="fill:{_MUTED}">{body}</svg>'
    )


def _lines(lines: Sequence[str], x: float, top: int, more: str = "") -> tuple[str, int]:
    """Lines of text below one another, and where they end."""
    drawn = (f'<text x="{x:g}" y="{top + LINE * i + 12}"{more}>{escape(line)}</text>' for i, line in enumerate(lines))
    return "".join(drawn), top + LINE * len(lines)


def _legend(legend: Mapping[bool | None, str], top: int) -> tuple[str, int]:
    """The marks with their words, beside one another where there is room; and where they end."""
    drawn, x = "", float(_LEFT)
    for confirmed, words in legend.items():
        width = 16 + text_width(words, _TEXT)
        if x > _LEFT and x + width > WIDTH - _LEFT:
            x, top = float(_LEFT), top + LINE
        drawn += _mark(_SHAPES[confirmed], x + 6, top + 8, _COLOURS[confirmed]) + _lines([words], x + 16, top)[0]
        x += width + 20
    return drawn, top + LINE


def _row(row: Row, top: int) -> tuple[str, int]:
    """A row, and where it ends."""
    above, bottom = _lines(wrapped(row.what, WIDTH - 2 * _LEFT, _TEXT), _LEFT, top)
    said = wrapped(row.said, WIDTH - _LEFT - _BESIDE, _TEXT, bold=True)
    beside, low = _lines(said, _BESIDE, bottom + 4, ' font-weight="bold"')
    if row.rail is None:
        return above + beside, low
    middle = bottom + 12
    numbers = _numbers(row.rail, middle + 8)
    ends = middle + (22 if numbers else 9)
    return above + beside + _rail(row.rail, row.confirmed, middle) + numbers, max(low, ends)


def _at(share: float) -> float:
    return round(_LEFT + _RAIL * share / 100, 1)


def _rail(rail: Rail, confirmed: bool | None, y: int) -> str:
    colour, width = _COLOURS[confirmed], round(_at(rail.band[1]) - _at(rail.band[0]), 1)
    return (
        f'<rect x="{_at(rail.band[0])}" y="{y - 8}" width="{width}" height="16" '
        f'style="fill:{_BAND}" fill-opacity="0.6"/>'
        f'<line x1="{_at(0)}" x2="{_at(100)}" y1="{y}" y2="{y}" style="stroke:{_LINE}"/>'
        f'<line x1="{_at(rail.zero)}" x2="{_at(rail.zero)}" y1="{y - 9}" y2="{y + 9}" style="stroke:{_MUTED}" '
        'stroke-dasharray="2 2"/>'
        f'<line x1="{_at(rail.low)}" x2="{_at(rail.high)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
        + _mark(_SHAPES[confirmed], _at(rail.point), y, colour)
    )


def _numbers(rail: Rail, top: int) -> str:
    """The ticks that have room, each below its place and within the rail."""
    ticks, texts, taken = "", "", list[tuple[float, float]]()
    for share, words in rail.ticks:
        x, half = _at(share), text_width(words, _SMALL) / 2
        middle = min(max(x, _LEFT + half), _LEFT + _RAIL - half)
        if all(middle + half + 4 <= start or middle - half - 4 >= end for start, end in taken):
            taken.append((middle - half, middle + half))
            ticks += f"M{x} {top}v4"
            texts += f'<text x="{middle:g}" y="{top + 13}">{escape(words)}</text>'
    if not texts:
        return ""
    return f'<path d="{ticks}" style="stroke:{_MUTED}"/><g text-anchor="middle" font-size="{_SMALL}">{texts}</g>'


def _mark(shape: str, x: float, y: int, colour: str) -> str:
    if shape == "circle":
        return f'<circle cx="{x:g}" cy="{y}" r="5" fill="{colour}"/>'
    if shape == "square":
        return f'<rect x="{x - 4.5:g}" y="{y - 4.5:g}" width="9" height="9" fill="{colour}"/>'
    return f'<path d="M{x:g} {y - 6}l6 6l-6 6l-6-6z" fill="{colour}"/>'
