"""The parts of an explanation, in the order in which they are made. A new one is a file, and a line here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.explain.parts import attributions, controllability, deletion, effects, pictures, surrogate
from rlformer.explain.parts.attributions import Attributions
from rlformer.explain.parts.base import Explanation, Made, Part, PartCost
from rlformer.explain.parts.controllability import Controllability
from rlformer.explain.parts.deletion import Deletion
from rlformer.explain.parts.effects import Effects
from rlformer.explain.parts.pictures import Pictures
from rlformer.explain.parts.surrogate import Surrogate

__all__ = [
    "PARTS",
    "Attributions",
    "Controllability",
    "Deletion",
    "Effects",
    "Explanation",
    "Made",
    "Part",
    "PartCost",
    "Pictures",
    "Surrogate",
    "read",
    "read_part",
]

PARTS: dict[str, Part[Any]] = {
    part.name: part
    for part in (
        effects.PART,
        attributions.PART,
        deletion.PART,
        surrogate.PART,
        controllability.PART,
        pictures.PART,
    )
}


def read(folder: Path) -> Explanation:
    """The parts in a folder that can be read; one that is torn, or of another version, is as if it were not there."""
    there = {name: read_part(folder, part) for name, part in PARTS.items()}
    return Explanation({name: made for name, made in there.items() if made is not None})


def read_part(folder: Path, part: Part[Any]) -> Made[Any] | None:
    """One part, or None where it cannot be read."""
    try:
        return part.from_dict(files.read_json(folder / f"{part.name}.json"))
    except (InputError, ValueError):
        return None
