"""Which colour of the style sheet an arm has, and which symbol its family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from rlformer.runs.spec import Family

COLOURS = 16  # of arms in the style sheet: the rungs of the ladder, then offline, online and hybrid agents, a spare
SPARE = 15  # of what has no arm
_RUNGS = 9  # of the ladder, ten apart in the cards
_FIRST: Mapping[str, tuple[int, ...]] = {"offline": (9,), "online": (10, 11, 12, 13), "hybrid": (14,)}
SYMBOLS: Mapping[Family, str] = {
    "online": "circle", "offline": "square", "sequence": "diamond", "hybrid": "triangle-up",
}  # fmt: skip


class Coloured(Protocol):
    """An arm as far as colours go."""

    @property
    def label(self) -> str: ...
    @property
    def rung(self) -> int: ...
    @property
    def family(self) -> str: ...


def symbol_of(family: str) -> str:
    """Plotly's name of the symbol; of what belongs to no family a hexagon."""
    return next((symbol for own, symbol in SYMBOLS.items() if own == family), "hexagon")


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
