"""Which colour of the style sheet an arm has, and which symbol its family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

COLOURS = 16  # of arms in the style sheet: the rungs of the ladder, then offline and online agents, spares
SPARE = 15  # of what has no arm
_RUNGS = 9  # of the ladder, ten apart in the cards
_FIRST = {"offline": (9,), "online": (10, 11, 12, 13)}
_SYMBOLS = {"online": "circle", "offline": "square", "sequence": "diamond"}


class Coloured(Protocol):
    """An arm as far as colours go."""

    @property
    def label(self) -> str: ...
    @property
    def rung(self) -> int: ...
    @property
    def family(self) -> str: ...


def symbol_of(family: str) -> str:
    """Plotly's name of the symbol."""
    return _SYMBOLS.get(family, "hexagon")


def slots(arms: Iterable[Coloured]) -> dict[str, int]:
    """A colour number for each label; one that occurs on several environments has the same on all of them."""
    given: dict[str, int] = {}
    for arm in arms:
        if arm.label in given:
            continue
        free = [slot for slot in (*_own(arm), *reversed(range(COLOURS))) if slot not in given.values()]
        given[arm.label] = free[0] if free else len(given) % COLOURS
    return given


def _own(arm: Coloured) -> tuple[int, ...]:
    """The colours that are an arm's before others': that of its rung, or those of its family."""
    rung, between = divmod(arm.rung, 10)
    return (rung - 1,) if not between and 1 <= rung <= _RUNGS else _FIRST.get(arm.family, ())
