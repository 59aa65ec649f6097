"""Measurements of an earlier report, taken instead of being made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.formats import plural
from rlformer.core.records import SCHEMA
from rlformer.studies.claims.base import Cell, Claim, Entry, Measured, made_of

Known: TypeAlias = Mapping[tuple[Cell, int], Measured]  # by cell and seed


@dataclass(frozen=True)
class Taken:
    """What an earlier report tells of the claims that are asked for."""

    path: Path
    known: Known
    entries: int  # of the report

    @property
    def line(self) -> str:
        """In a sentence."""
        left = self.entries - len(self.known)
        why = "of other claims, seeds or values, or of a seed that the report does not hold whole"
        rest = f"; {left} are {why}" if left else ""
        return f"{self.path}: {plural(len(self.known), 'measurement')} taken{rest}"


def take(path: Path, asked: Sequence[Claim], quick: bool, seeds: int) -> Taken:
    """The measurements that a results.json holds of these claims, on the first `seeds` seeds.

    Both sides of an effect come from one machine: a measurement is taken where each claim that needs it finds all of
    its measurements of that seed, made of the same values as here. Raises InputError where the file is none of
    `rlformer claims`, or damaged.
    """
    entries = _entries(path)
    by_name = {(entry.cell, entry.seed): entry for entry in entries}
    users = dict[Cell, list[Sequence[Cell]]]()
    for cells in (claim.cells(quick) for claim in asked):
        for cell in cells:
            users.setdefault(cell, []).append(cells)
    identities = {cell: made_of(cell) for cell in users}

    def found(cell: Cell, seed: int) -> Measured | None:
        entry = by_name.get((cell.name, seed))
        return entry.measured if entry is not None and entry.made_of == identities[cell] else None

    held = {(cell, seed): one for cell in users for seed in range(seeds) if (one := found(cell, seed)) is not None}
    whole = {
        (cell, seed): one
        for (cell, seed), one in held.items()
        if all((other, seed) in held for cells in users[cell] for other in cells)
    }
    return Taken(path, whole, len(entries))


def _entries(path: Path) -> list[Entry]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; --from takes the results.json of a report of `rlformer claims`")
    found = files.read_json(path)
    if not isinstance(found.get("measured"), list) or "claims" not in found:
        raise InputError(f"{path}: not the results.json of a report of `rlformer claims`")
    if found.get("schema") != SCHEMA:
        raise InputError(f"{path}: of another version of rlformer (schema {found.get('schema')}, not {SCHEMA})")
    try:
        return [Entry.from_dict(one) for one in found["measured"]]
    except ValueError as error:
        raise InputError(f"{path}: damaged: {error} among 'measured'") from error
