"""What a value may be: the type and the bounds of a card's key, declared once by who uses it.

A value outside of them is refused, never clamped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rlformer.core.errors import InputError

_SHOWN = 60  # characters of a wrong value in a message


@dataclass(frozen=True)
class Range:
    """The values that a key takes. Made by the functions below.

    "auto" is of stable-baselines3: the word, auto_X with a first value X, or a number, all in quotes.
    """

    kind: Literal["whole", "real", "flag", "text", "sizes", "auto"]
    low: float = -math.inf
    high: float = math.inf
    above: bool = False  # whether `low` itself is none of them
    below: bool = False  # whether `high` itself is none of them
    choices: tuple[str, ...] = ()  # of text; none: any
    scheduled: bool = False  # whether a table { start = ..., end = ... } of such numbers may stand for it
    least: int = 1  # how long a list is at least
    most: int = 16  # and at most

    @property
    def words(self) -> str:
        """In the words of a message.

        >>> whole(1, 64).words, whole(1, 1).words, real(0, 1, above=True).words, one_of("tanh", "relu").words
        ('a whole number from 1 to 64', 'only 1', 'a number above 0 and at most 1', 'one of tanh, relu')
        """
        if self.kind == "flag":
            return "true or false"
        if self.kind == "text":
            return f"one of {', '.join(self.choices)}" if self.choices else "a string"
        if self.kind == "auto":
            return '"auto", "auto_0.1" or a number in quotes'
        low, high = _short(self.low), _short(self.high)
        bounds = f"from {low} to {high}"
        if self.above or self.below:
            bounds = f"{'above' if self.above else 'at least'} {low} and {'below' if self.below else 'at most'} {high}"
        if self.kind == "sizes":
            return f"a list of {self.least} to {self.most} sizes of layers, such as [64, 64], each {bounds}"
        if self.low == self.high:
            return f"only {low}"
        return f"a {'whole ' * (self.kind == 'whole')}number {bounds}"

    def check(self, key: str, value: Any) -> None:
        """Raise InputError, which begins with the key, where the value is none of these.

        >>> whole(1, 64).check("layers", 100_000_000)
        Traceback (most recent call last):
        ...
        rlformer.core.errors.InputError: layers: a whole number from 1 to 64, got 100000000
        """
        if isinstance(value, Mapping) and self.scheduled:
            if set(value) != {"start", "end"}:
                raise InputError(f"{key}: a schedule has 'start' and 'end', got {shown(value)}")
            for end, number in value.items():
                replace(self, scheduled=False).check(f"{key}.{end}", number)
        elif not self._holds(value):
            raise InputError(f"{key}: {self.words}, got {shown(value)}")

    def _holds(self, value: Any) -> bool:
        if self.kind == "flag":
            return isinstance(value, bool)
        if self.kind == "text":
            return isinstance(value, str) and (value in self.choices if self.choices else bool(value))
        if self.kind == "auto":
            return isinstance(value, str) and _is_auto(value)
        if self.kind == "sizes":
            return (
                isinstance(value, (list, tuple))
                and self.least <= len(value) <= self.most
                and all(map(self._within, value))
            )
        return self._within(value)

    def _within(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.kind != "real" else (int, float)):
            return False
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)  # NaN is neither


def whole(low: int, high: int) -> Range:
    """Whole numbers, both ends included."""
    return Range("whole", low, high)


def real(low: float, high: float, *, above: bool = False, below: bool = False, scheduled: bool = False) -> Range:
    """Finite numbers. above, below: without the end itself."""
    return Range("real", low, high, above, below, scheduled=scheduled)


def one_of(*choices: str) -> Range:
    """One of these words."""
    return Range("text", choices=choices)


def sizes(high: int, *, none: bool = False) -> Range:
    """The sizes of the layers of a network, from 1 to `high`. none: whether there may be no layer."""
    return Range("sizes", 1, high, least=0 if none else 1)


FLAG, TEXT, AUTO = Range("flag"), Range("text"), Range("auto")


def check(values: Mapping[str, Any], ranges: Mapping[str, Range]) -> None:
    """Raise InputError for the first value that lies outside of its range; those without one are passed over."""
    for key, value in values.items():
        if key in ranges:
            ranges[key].check(key, value)


def shown(value: object) -> str:
    """A value as a message repeats it: one line, and not all of what somebody pasted.

    >>> shown(1e8), shown("x" * 99)[-8:]
    ('100000000.0', 'xxxx ...')
    """
    try:
        text = " ".join(repr(value).split())
    except (RecursionError, ValueError):  # nested without end; a whole number of thousands of digits
        return f"a {type(value).__name__} too large to be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def _short(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() and abs(number) < 1e16 else f"{number:g}"


def _is_auto(text: str) -> bool:
    if text == "auto":
        return True
    try:
        number = float(text.removeprefix("auto_"))
    except ValueError:
        return False
    return math.isfinite(number) and (number > 0 or not text.startswith("auto_"))
