"""Anybody's scores: a CSV file of algorithm, task, run, score in; typed results out."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlformer.core import formats
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA
from rlformer.core.spaces import Array
from rlformer.evaluator.as_json import rounded
from rlformer.evaluator.judge import aggregates
from rlformer.evaluator.judge.findings import Lack, Resamples, ScoresEvidence

COLUMNS = ("algorithm", "task", "run", "score")
MOST_ALGORITHMS = 100


@dataclass(frozen=True)
class Row:
    """One run: its score is taken as it is, normalised already."""

    algorithm: str
    task: str
    run: str
    score: float


def read(path: Path) -> list[Row]:
    """The rows of a CSV file whose first line names COLUMNS, in any order; further columns are ignored.

    Raises InputError, with the line and the column, where the file is not of that form or holds a run twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _rows(path, file)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error


def _rows(path: Path, file: Iterable[str]) -> list[Row]:
    lines = csv.reader(file)
    head = [name.strip().lower() for name in next(lines, [])]
    for name in COLUMNS:
        if head.count(name) != 1:
            found = f"no column '{name}'" if name not in head else f"column '{name}' appears {head.count(name)} times"
            raise InputError(f"{path}, line 1: {found}; needed: {', '.join(COLUMNS)}")
    rows: list[Row] = []
    seen: dict[tuple[str, str, str], int] = {}
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}, line {lines.line_num}"
        if len(cells) < len(head):
            raise InputError(f"{where}: {len(cells)} columns, but the first line names {len(head)}")
        values = {name: cells[head.index(name)].strip() for name in COLUMNS}
        for name, value in values.items():
            if not value:
                raise InputError(f"{where}, column {name}: is empty")
        row = Row(values["algorithm"], values["task"], values["run"], _number(values["score"], where))
        key = (row.algorithm, row.task, row.run)
        if key in seen:
            what = f"run '{row.run}' of '{row.algorithm}' on '{row.task}'"
            raise InputError(f"{where}, column run: {what} is already in line {seen[key]}")
        seen[key] = lines.line_num
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: no row below the first line")
    return rows


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}, column score: expected a number, got '{text}'")
    return value


def collect(rows: Sequence[Row], source: str) -> ScoresEvidence:
    """What the scores show. Algorithms and tasks stand in the order of their first rows.

    Where an algorithm lacks a task, everything is computed on the tasks that all of them have: on different tasks the
    same aggregate would say different things. Raises InputError where there is no such task.
    """
    table: dict[str, dict[str, list[float]]] = {}
    tasks = list(dict.fromkeys(row.task for row in rows))
    for row in rows:
        table.setdefault(row.algorithm, {}).setdefault(row.task, []).append(row.score)
    if len(table) > MOST_ALGORITHMS:
        raise InputError(f"{source}: {len(table)} algorithms; {MOST_ALGORITHMS} at most can be compared pair by pair")
    common = [task for task in tasks if all(task in own for own in table.values())]
    missing = [Lack(name, task) for name, own in table.items() for task in tasks if task not in own]
    if not common:
        lacking = list(dict.fromkeys(lack.algorithm for lack in missing))[:3]
        gaps = "; ".join(f"{name} lacks {formats.listed(lacks(missing, name))}" for name in lacking)
        raise InputError(f"{source}: no task has scores of every algorithm, so nothing can be compared: {gaps}")
    scores: dict[str, list[Array]] = {name: [np.array(own[task]) for task in common] for name, own in table.items()}
    return rounded(
        ScoresEvidence(
            schema=SCHEMA,
            source=source,
            algorithms=tuple(table),
            tasks=tuple(tasks),
            common_tasks=tuple(common),
            missing=tuple(missing),
            runs={name: {task: len(own.get(task, ())) for task in tasks} for name, own in table.items()},
            resamples=Resamples(aggregates.RESAMPLES, aggregates.BAND_RESAMPLES),
            aggregates=aggregates.aggregate(scores),
            profiles=aggregates.profiles(scores),
            improvement=aggregates.improvements(scores),
            scores={name: {task: tuple(values) for task, values in own.items()} for name, own in table.items()},
        )
    )


def lacks(missing: Sequence[Lack], algorithm: str) -> list[str]:
    """The tasks on which an algorithm has no score."""
    return [lack.task for lack in missing if lack.algorithm == algorithm]
