"""Numbers as the page and the Markdown print them; what is missing is an en dash."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

MISSING = "–"
MINUS = "−"  # as wide as the plus sign


def number(value: float | None) -> str:
    """A return: one decimal from 10 on, two from 1 on, else three significant digits; no trailing zeros.

    >>> number(500.0), number(498.72), number(-73.456), number(0.45612), number(None)
    ('500', '498.7', '−73.5', '0.456', '–')
    """
    if value is None:
        return MISSING
    size = abs(value)
    digits = 0 if size >= 10_000 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    if 0 < size < 0.0995:
        digits = min(2 - math.floor(math.log10(size)), 12)
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("0", "-0") else text.replace("-", MINUS)


def signed(value: float) -> str:
    """A difference.

    >>> signed(3.14159), signed(-20)
    ('+3.14', '−20')
    """
    text = number(value)
    return text if text.startswith(MINUS) or text == "0" else f"+{text}"


def score(value: float | None) -> str:
    """A normalised score: two decimals.

    >>> score(0.978), score(-0.01)
    ('0.98', '−0.01')
    """
    return MISSING if value is None else f"{value:.2f}".replace("-", MINUS).replace(f"{MINUS}0.00", "0.00")


def percent(value: float | None) -> str:
    """A share.

    >>> percent(0.973)
    '97 %'
    """
    return MISSING if value is None else f"{100 * value:.0f} %"


def probability(value: float) -> str:
    """A probability that many resamples estimate; none of them proves 0 or 1.

    >>> probability(0.978), probability(1.0), probability(0.0)
    ('0.98', 'above 0.99', 'below 0.01')
    """
    if value > 0.99:
        return "above 0.99"
    return "below 0.01" if value < 0.01 else f"{value:.2f}"


def p_value(value: float) -> str:
    """The p-value of a test.

    >>> p_value(0.0000474), p_value(0.0138), p_value(1.0)
    ('below 0.001', '0.014', '1')
    """
    return "below 0.001" if value < 0.001 else f"{value:.2g}"


def count(value: float | None) -> str:
    """Steps, parameters or operations, to three digits.

    >>> count(0), count(812), count(31_744), count(1_200_000), count(499_999_999), count(3.1e16)
    ('0', '812', '31.7k', '1.2M', '500M', '31P')
    """
    if value is None:
        return MISSING
    for limit, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            scaled = value / limit
            digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
            text = f"{scaled:.{digits}f}"
            return (text.rstrip("0").rstrip(".") if "." in text else text) + unit
    return f"{value:.0f}"


def seconds(value: float | None) -> str:
    """A duration, to two or three digits.

    >>> seconds(0.034), seconds(9.42), seconds(95.2), seconds(1500), seconds(7500), seconds(400_000)
    ('0.03 s', '9.4 s', '95 s', '25 min', '2.1 h', '4.6 d')
    """
    if value is None:
        return MISSING
    if value < 600:
        return f"{value:.{2 if value < 1 else 1 if value < 9.95 else 0}f} s"
    if value < 7200:
        return f"{value / 60:.0f} min"
    return f"{value / 3600:.1f} h" if value < 172_800 else f"{value / 86400:.1f} d"


def milliseconds(value: float | None) -> str:
    """Milliseconds, two significant digits.

    >>> milliseconds(0.00052), milliseconds(0.0134)
    ('0.52', '13')
    """
    if value is None:
        return MISSING
    thousand = 1000 * value
    return f"{thousand:.0f}" if thousand >= 10 else f"{thousand:.2g}"


class Interval(Protocol):
    """A number between two ends, which are None where they are not known."""

    @property
    def low(self) -> float | None: ...

    @property
    def point(self) -> float | None: ...

    @property
    def high(self) -> float | None: ...


def interval(value: Interval | Mapping[str, float | None] | None) -> str:
    """The two ends, or an en dash.

    >>> interval({"low": -3.0, "point": 1.0, "high": 5.25}), interval(None)
    ('−3 to 5.25', '–')
    """
    if value is None:
        return MISSING
    low, _, high = _parts(value)
    return MISSING if low is None else f"{number(low)} to {number(high)}"


def estimate(value: Interval | Mapping[str, float | None] | None, unit: str) -> str:
    """A score ("z") or a return ("return"), with its interval where it has one.

    >>> estimate({"low": 0.91, "point": 0.95, "high": 0.99}, "z")
    '0.95 (0.91 to 0.99)'
    """
    if value is None:
        return MISSING
    show = score if unit == "z" else number
    low, point, high = _parts(value)
    return show(point) + ("" if low is None else f" ({show(low)} to {show(high)})")


def _parts(value: Interval | Mapping[str, float | None]) -> tuple[float | None, float | None, float | None]:
    if isinstance(value, Mapping):
        return value["low"], value["point"], value["high"]
    return value.low, value.point, value.high


def listed(names: Sequence[str], word: str = "and") -> str:
    """Names in a sentence.

    >>> listed(["bc"]), listed(["bc", "dt"]), listed(["bc", "dt", "ppo"], "or")
    ('bc', 'bc and dt', 'bc, dt or ppo')
    """
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def plural(count_: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "seed"), plural(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{count_} {noun}" + ("" if count_ == 1 else "s")
