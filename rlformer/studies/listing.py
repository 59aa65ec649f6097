"""A list of runs: what each is, how far it came, and what it scored; damaged ones are listed, not raised."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.runs.directory import RunDirectory

State = Literal["finished", "unfinished", "failed", "damaged"]


@dataclass(frozen=True)
class ListedRun:
    """One run directory; what is not known is None."""

    path: str
    env: str
    agent: str
    seed: int | None
    state: State
    score: float | None = None  # normalised, of the final evaluation
    mean_return: float | None = None  # of the same
    steps: int | None = None  # that are done, in the unit of its agent: environment or gradient steps
    total_steps: int | None = None  # that it was to make
    seconds: float | None = None  # of wall time
    problem: str | None = None  # why it failed, or what is damaged


def list_runs(folder: Path) -> list[ListedRun]:
    """Every run at or below the folder, by environment, agent and seed. Raises InputError where it is no folder."""
    if not folder.is_dir():
        below = Path("runs") / files.slug(str(folder))
        meant = f"; did you mean {below}?" if not folder.exists() and below.is_dir() else ""
        raise InputError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}{meant}")
    found = map(_listed, _directories(folder))
    return sorted(found, key=lambda run: (run.env, run.agent, -1 if run.seed is None else run.seed, run.path))


def find_runs(folder: Path) -> list[Path]:
    """The run directories at or below a folder that hold a record and a specification; none where it is no folder."""
    return [
        path for path in _directories(folder) if (path / "record.json").is_file() and (path / "spec.toml").is_file()
    ]


def _directories(folder: Path) -> Iterator[Path]:
    """Folders that hold a record or a specification of a run, those that were put aside among them."""
    for at, children, names in os.walk(folder):
        children.sort()
        if {"record.json", "spec.toml", "record.damaged.json"} & set(names):
            children.clear()  # nothing below a run is another run
            yield Path(at)


def _listed(path: Path) -> ListedRun:
    if (path / "record.damaged.json").is_file():
        return _damaged(path, "its record was damaged, and the run put aside")
    if not (path / "record.json").is_file():
        return _damaged(path, "record.json is lost")
    try:
        return _read(RunDirectory(path))
    except (InputError, OSError, TypeError, KeyError, ValueError, AttributeError) as error:
        return _damaged(path, " ".join(str(error).split()).replace(f"{path}{os.sep}", "") or type(error).__name__)


def _read(run: RunDirectory) -> ListedRun:
    record, spec = run.record, run.spec
    final = run.evaluations().get("final")
    mean = None if final is None else float(final.mean)
    states: dict[str, State] = {"finished": "finished", "failed": "failed"}
    done, total = record.progress.get("done"), record.progress.get("total")
    return ListedRun(
        path=str(run.path),
        env=str(record.env),
        agent=str(record.agent),
        seed=int(record.seed),
        state=states.get(record.status, "unfinished"),
        score=None if mean is None else spec.env.normalize(mean),
        mean_return=mean,
        steps=None if done is None else int(done),
        total_steps=None if total is None else int(total),
        seconds=None if "wall" not in record.times else float(record.times["wall"]),
        problem=record.error,
    )


def _damaged(path: Path, problem: str) -> ListedRun:
    """What the names of its folders tell: ENV/AGENT-HASH/seed-N."""
    env, agent, seed = (["?"] * 3 + [*path.parts])[-3:]
    digits = seed.partition(".")[0].removeprefix("seed-")
    number = int(digits) if digits.isdecimal() else None
    return ListedRun(str(path), env, agent.rpartition("-")[0] or agent, number, "damaged", problem=problem)
