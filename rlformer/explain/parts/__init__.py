"""The parts of an explanation, in the order in which they are made. A new one is a file, and a line here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.explain.parts import (
    attributions,
    controllability,
    deletion,
    effects,
    maps,
    patching,
    pictures,
    probes,
    surrogate,
)
from rlformer.explain.parts.attributions import Attributions
from rlformer.explain.parts.base import Explanation, Made, Part, PartCost
from rlformer.explain.parts.controllability import Controllability
from rlformer.explain.parts.deletion import Deletion
from rlformer.explain.parts.effects import Effects
from rlformer.explain.parts.maps import Maps
from rlformer.explain.parts.patching import Patching
from rlformer.explain.parts.pictures import Pictures
from rlformer.explain.parts.probes import Probes
from rlformer.explain.parts.surrogate import Surrogate

__all__ = [
    "PARTS",
    "Attributions",
    "Controllability",
    "Deletion",
    "Effects",
    "Explanation",
    "Made",
    "Maps",
    "Part",
    "PartCost",
    "Patching",
    "Pictures",
    "Probes",
    "Surrogate",
    "damaged",
    "read",
    "read_part",
    "write_part",
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
        maps.PART,
        probes.PART,
        patching.PART,
    )
}


def read(folder: Path) -> Explanation:
    """The parts in a folder that can be read; one that is torn, or of another version, is as if it were not there."""
    there = {name: read_part(folder, part) for name, part in PARTS.items()}
    return Explanation({name: made for name, made in there.items() if made is not None and _of_today(made)})


def _of_today(made: Made[Any]) -> bool:
    """Whether it was made by the method of its part as it is now."""
    version = PARTS[made.part].version
    return bool(made.settings.get("version", version) == version)


def damaged(folder: Path) -> dict[str, str]:
    """The files of a folder that have the name of a part and hold none, each with what is wrong."""
    found = {}
    for name, part in PARTS.items():
        path = folder / f"{name}.json"
        if path.exists():
            try:
                _read(path, part)
            except (InputError, ValueError) as error:
                found[path.name] = " ".join(str(error).split())
    return found


def read_part(folder: Path, part: Part[Any]) -> Made[Any] | None:
    """One part, or None where it cannot be read."""
    try:
        return _read(folder / f"{part.name}.json", part)
    except (InputError, ValueError):
        return None


def write_part(folder: Path, made: Made[Any]) -> None:
    """Keep a part, with a digest of what it holds."""
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))  # as it will be read
    files.write_json(folder / f"{made.part}.json", {**data, "digest": _digest(data)})


def _read(path: Path, part: Part[Any]) -> Made[Any]:
    """Raises InputError or ValueError where the file is torn, was changed or holds something else."""
    data = files.read_json(path)
    made = part.from_dict(data)
    if "digest" in data and data["digest"] != _digest(data):
        raise ValueError("its content is not what was written")
    return made


def _digest(data: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in data.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]
