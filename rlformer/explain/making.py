"""Makes the parts of an explanation, each a JSON file of its own: an interrupted one goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.errors import Interrupted, unknown
from rlformer.explain.case import Case
from rlformer.explain.material import Material
from rlformer.explain.parts import PARTS, Explanation, Made, Part, PartCost, read_part, write_part


def make(
    case: Case,
    folder: Path,
    *,
    only: Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    stop: Callable[[], bool] = lambda: False,
) -> Explanation:
    """Make the parts that are not in the folder yet, and return all that were asked for.

    Raises InputError for a policy that scores no actions, an unknown part, or a folder that cannot be written;
    Interrupted between two parts where `stop` says so.
    """
    asked = tuple(PARTS) if only is None else tuple(only)
    for name in asked:
        if name not in PARTS:
            raise unknown("part", name, PARTS)
    wanted = [part for part in PARTS.values() if part.name in asked or any(part.name in _needs(a) for a in asked)]
    files.writable_directory(folder)
    with files.locked(folder / "lock", "explanation"):
        files.clear(folder)
        material, made = Material(case), dict[str, Made[Any]]()
        for number, part in enumerate(wanted):
            if stop():
                raise Interrupted
            progress(number, len(wanted), part.name)
            there = read_part(folder, part)
            if there is None or there.settings != _settings(case, part):
                there = _make(material, part, Explanation(made))
                write_part(folder, there)
            made[part.name] = there
        progress(len(wanted), len(wanted), "")
    return Explanation({name: part for name, part in made.items() if name in asked})


def _needs(name: str) -> set[str]:
    """The parts that a part reads, and those that these read."""
    reads = PARTS[name].reads
    return {*reads, *(need for other in reads for need in _needs(other))}


def _settings(case: Case, part: Part[Any]) -> dict[str, Any]:
    return {"version": part.version, **case.settings}


def _make(material: Material, part: Part[Any], made: Explanation) -> Made[Any]:
    start, cpu, steps = time.perf_counter(), time.process_time(), material.env_steps
    content = part.make(material, made)
    cost = PartCost(
        round(time.perf_counter() - start, 3), round(time.process_time() - cpu, 3), material.env_steps - steps
    )
    return Made(part.name, content, cost, _settings(material.case, part))
