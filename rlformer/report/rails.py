"""Effects under one another as one SVG: each on a rail of its own, with its interval, 0 and its margin.

Effects of different units share no axis; each rail holds its own effect, 0 and margin, and the text beside it says how
much they are. Colours as in `chart`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
_ROW, _LEFT, _RAIL, _TEXT = 44, 12, 360, 12  # pixels
_MUTED = "var(--muted, #767676)"
_BAND, _LINE = "var(--grid, #d0d0d0)", "var(--grid, #a8a8a8)"


@dataclass(frozen=True)
class Rail:
    """An effect: positions from 0 to 100."""

    point: float
    low: float
    high: float
    zero: float
    band: tuple[float, float]  # in which an effect is "alike", or what lies at and below the margin


@dataclass(frozen=True)
class Row:
    """What stands above a rail, and beside it."""

    what: str
    said: str
    confirmed: bool | None  # None: neither this nor refuted
    rail: Rail | None  # None: not measured


_COLOURS = {True: "#009e73", False: "#d55e00", None: "#767676"}  # Okabe & Ito 2008
_SHAPES = {True: "circle", False: "square", None: "diamond"}  # which say the same without colours


def draw(title: str, rows: Sequence[Row]) -> str:
    """The SVG. Raises ValueError where there is nothing to draw."""
    if not rows:
        raise ValueError("no effect to draw")
    height = _ROW * len(rows) + 8
    body = "".join(_row(row, 4 + _ROW * i) for i, row in enumerate(rows))
    said = escape(f"{title}: " + "; ".join(f"{row.what}: {row.said}" for row in rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{said}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="{_TEXT}">{body}</svg>'
    )


def _row(row: Row, top: int) -> str:
    text = f'<text x="{_LEFT}" y="{top + 13}" style="fill:{_MUTED}">{escape(row.what)}</text>'
    middle = top + 28
    beside = (
        f'<text x="{_LEFT + _RAIL + 16}" y="{middle + 4}" style="fill:{_MUTED}" font-weight="bold">'
        f"{escape(row.said)}</text>"
    )
    return text + beside + ("" if row.rail is None else _rail(row.rail, row.confirmed, middle))


def _rail(rail: Rail, confirmed: bool | None, y: int) -> str:
    def at(share: float) -> float:
        return round(_LEFT + _RAIL * share / 100, 1)

    colour = _COLOURS[confirmed]
    return (
        f'<rect x="{at(rail.band[0])}" y="{y - 8}" width="{round(at(rail.band[1]) - at(rail.band[0]), 1)}" height="16" '
        f'style="fill:{_BAND}" fill-opacity="0.6"/>'
        f'<line x1="{at(0)}" x2="{at(100)}" y1="{y}" y2="{y}" style="stroke:{_LINE}"/>'
        f'<line x1="{at(rail.zero)}" x2="{at(rail.zero)}" y1="{y - 9}" y2="{y + 9}" style="stroke:{_MUTED}" '
        'stroke-dasharray="2 2"/>'
        f'<line x1="{at(rail.low)}" x2="{at(rail.high)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
        + _mark(_SHAPES[confirmed], at(rail.point), y, colour)
    )


def _mark(shape: str, x: float, y: int, colour: str) -> str:
    if shape == "circle":
        return f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>'
    if shape == "square":
        return f'<rect x="{x - 4.5:g}" y="{y - 4.5:g}" width="9" height="9" fill="{colour}"/>'
    return f'<path d="M{x:g} {y - 6}l6 6l-6 6l-6-6z" fill="{colour}"/>'
