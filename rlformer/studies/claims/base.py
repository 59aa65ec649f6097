"""What a claim is: a statement, the experiment that tests it, and the effects that it predicts, declared beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA
from rlformer.runs.hooks import Hooks

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
    def foreseen(self) -> float:
        """CPU seconds that it takes on one seed, about."""

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """Its numbers. root: where runs and logs lie; what lies there already is not made again."""


@dataclass(frozen=True)
class Effect:
    """What a claim predicts of two cells: `more` has more of a quantity than `less`, or as much.

    margin: the smallest effect that matters, 0 or more. "greater" holds where the effect is surely above it, "alike"
    where it surely lies within it on both sides (two one-sided tests, Schuirmann 1987).
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


def result_path(cell: Cell, seed: int, root: Path) -> Path:
    """Where the numbers of a cell lie."""
    return root / "cells" / files.slug(cell.name) / f"seed-{seed}.json"


@dataclass(frozen=True)
class Measured:
    """What a cell found, and how long it took."""

    numbers: Numbers
    seconds: float  # of CPU


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def read(cell: Cell, seed: int, root: Path) -> Measured | None:
    """What a cell found; None where it was not measured yet. Raises InputError where the file is damaged."""
    path = result_path(cell, seed, root)
    if not path.is_file():
        return None
    damaged = InputError(f"{path}: damaged: delete it, and the same command measures it again")
    try:
        found = files.read_json(path)
    except InputError as error:
        raise damaged from error
    if not isinstance(found, dict):
        raise damaged
    numbers = found.get("numbers")
    about = (found.get("schema"), found.get("cell"), found.get("seed"))
    if about != (SCHEMA, cell.name, seed) or not isinstance(numbers, dict) or not numbers:
        raise damaged
    if not all(map(_is_number, (found.get("seconds"), *numbers.values()))):
        raise damaged
    return Measured({str(key): float(value) for key, value in numbers.items()}, float(found["seconds"]))


def write(cell: Cell, seed: int, root: Path, numbers: Numbers, seconds: float) -> None:
    """Keep what a cell found, and the CPU seconds that it took."""
    path = result_path(cell, seed, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"schema": SCHEMA, "cell": cell.name, "seed": seed, "seconds": round(seconds, 3), "numbers": dict(numbers)}
    files.write_json(path, found)
