"""Which colour of the style sheet an arm has, and which symbol its family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlformer.evaluator.judge.arms import LADDER

COLOURS = 16  # of arms in the style sheet: the rungs of the ladder, then offline and online agents, spares
SPARE = 15  # of what has no arm
SYMBOLS = {"online": "circle", "offline": "square", "sequence": "diamond"}
_FIRST = {"offline": (9,), "online": (10, 11, 12, 13)}


def slots(environments: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """A colour number for each arm's label, the same on every environment."""
    given: dict[str, int] = {}
    for arm in (arm for environment in environments for arm in environment["arms"]):
        if arm["label"] in given:
            continue
        own = (LADDER.index(arm["agent"]),) if arm["agent"] in LADDER else _FIRST.get(arm["family"], ())
        free = [slot for slot in (*own, *reversed(range(COLOURS))) if slot not in given.values()]
        given[arm["label"]] = free[0] if free else len(given) % COLOURS
    return given
