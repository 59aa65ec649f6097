"""What a claim is: a statement, the experiment that tests it, and the effects that it predicts, declared beforehand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA
from rlformer.runs.hooks import Hooks
from rlformer.runs.spec import RunSpec

Numbers: TypeAlias = Mapping[str, float]  # what a cell found, by quantity
Says: TypeAlias = Literal["greater", "alike"]
Measure: TypeAlias = Literal["difference", "log2 ratio"]


@dataclass(frozen=True)
class Text:
    """A sentence in both languages of the page."""

    en: str
    zh: str


class Cell(Protocol):
    """One measurement of an experiment, made once for each seed. Frozen, so that equal cells are made once."""

    @property
    def name(self) -> str:
        """In words; another for every other cell."""

    @property
    def alone(self) -> bool:
        """Whether it takes time, so that nothing else may run beside it."""

    @property
    def needs(self) -> tuple[Cell, ...]:
        """What must have been measured before."""

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """What it trains, resolved, without the logs that it reads: other values are another measurement."""

    @property
    def foreseen(self) -> float:
        """CPU seconds that it takes on one seed, about."""

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """Its numbers. root: where runs and logs lie; what lies there already is not made again."""


@dataclass(frozen=True)
class Effect:
    """What a claim predicts of two cells: `more` has more of a quantity than `less`, or as much.

    margin: the smallest effect that matters, 0 or more. "greater" holds where the effect is surely above it, "alike"
    where it surely lies within it on both sides (two one-sided tests, Schuirmann 1987). never: the `steps_to_loss` of
    a training that never came to its loss; a seed on which neither did says nothing of the two.
    """

    what: Text  # in words, what is compared
    more: Cell
    less: Cell
    quantity: str
    says: Says
    margin: float
    unit: str
    measure: Measure = "difference"
    quick: bool = False  # whether it belongs to the smallest experiment
    never: float | None = None


@dataclass(frozen=True)
class Point:
    """A number of a cell, and where it stands in a picture."""

    at: float
    cell: Cell
    quantity: str


@dataclass(frozen=True)
class Curve:
    """Points that belong together, by increasing `at`."""

    label: Text
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Picture:
    """What a claim shows beside its effects: quantities of cells against what was varied. It decides nothing."""

    title: Text
    x: Text
    y: Text
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All that it shows."""
        return tuple(point.cell for curve in self.curves for point in curve.points)


@dataclass(frozen=True)
class Claim:
    """One statement, and all that its answer hangs on."""

    name: str
    number: str  # of the article's statements
    statement: Text
    experiment: Text
    effects: tuple[Effect, ...]
    code: tuple[str, ...]  # the files that do it
    caveat: Text | None = None  # what the experiment cannot show
    pictures: tuple[Picture, ...] = ()
    where: Text | None = None  # what the answer is bound to, said beside it

    def chosen(self, quick: bool) -> tuple[Effect, ...]:
        """Those of the smallest experiment, or all."""
        return tuple(effect for effect in self.effects if effect.quick or not quick)

    def cells(self, quick: bool) -> tuple[Cell, ...]:
        """Each once, behind what it needs. The smallest experiment makes none for a picture alone."""
        asked = [cell for effect in self.chosen(quick) for cell in (effect.more, effect.less)]
        asked += [cell for picture in self.pictures if not quick for cell in picture.cells]
        return tuple(dict.fromkeys(cell for each in asked for cell in _behind(each)))


def _behind(cell: Cell) -> Iterator[Cell]:
    for need in cell.needs:
        yield from _behind(need)
    yield cell


def made_of(cell: Cell) -> str:
    """Ten hex digits over what a cell is, and over all values of what it trains: a card that changed gives others."""
    return hashlib.sha256("\n".join([cell.name, *(spec.hash for spec in cell.specs)]).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Measured:
    """What a cell found, and how long it took."""

    numbers: Numbers
    seconds: float  # of CPU


@dataclass(frozen=True)
class Entry:
    """A measurement as files hold it."""

    cell: str
    seed: int
    made_of: str
    measured: Measured

    @classmethod
    def of(cls, cell: Cell, seed: int, measured: Measured) -> Entry:
        """Of a cell."""
        return cls(cell.name, seed, made_of(cell), measured)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        numbers, seconds = dict(self.measured.numbers), round(self.measured.seconds, 3)
        return {"cell": self.cell, "seed": self.seed, "made_of": self.made_of, "seconds": seconds, "numbers": numbers}

    @classmethod
    def from_dict(cls, found: object) -> Entry:
        """The opposite. Raises ValueError for anything else."""
        match found:
            case {
                "cell": str(cell),
                "seed": int(seed),
                "made_of": str(made),
                "seconds": seconds,
                "numbers": dict(numbers),
            }:
                if numbers and all(map(_is_number, (seconds, *numbers.values()))):
                    given = {str(key): float(value) for key, value in numbers.items()}
                    return cls(cell, seed, made, Measured(given, float(seconds)))
        raise ValueError("not a measurement")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def result_path(cell: Cell, seed: int, root: Path) -> Path:
    """Where the numbers of a cell lie."""
    return root / "cells" / files.slug(cell.name) / f"seed-{seed}.json"


def read(cell: Cell, seed: int, root: Path) -> Measured | None:
    """What a cell found; None where it was not measured yet, or of other values. Raises InputError where the file is
    damaged.
    """
    path = result_path(cell, seed, root)
    if not path.is_file():
        return None
    damaged = InputError(f"{path}: damaged: delete it, and the same command measures it again")
    try:
        found = files.read_json(path)
        entry = Entry.from_dict(found)
    except (InputError, ValueError) as error:
        raise damaged from error
    if (found.get("schema"), entry.cell, entry.seed) != (SCHEMA, cell.name, seed):
        raise damaged
    return entry.measured if entry.made_of == made_of(cell) else None


def write(cell: Cell, seed: int, root: Path, measured: Measured) -> None:
    """Keep what a cell found, and the CPU seconds that it took."""
    path = result_path(cell, seed, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, {"schema": SCHEMA, **Entry.of(cell, seed, measured).to_dict()})
