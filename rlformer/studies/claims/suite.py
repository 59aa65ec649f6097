"""All cells of the chosen claims on all seeds, over processes; the same call continues. Then their answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rlformer.core.errors import InputError
from rlformer.runs.hooks import Hooks
from rlformer.studies import executors
from rlformer.studies.claims.answer import ClaimAnswer, answer
from rlformer.studies.claims.base import Cell, Claim, Entry, Measured, read, write
from rlformer.studies.claims.forecast import foresee
from rlformer.studies.claims.rows import chosen
from rlformer.studies.claims.taken import Taken
from rlformer.studies.executors import Place
from rlformer.studies.executors.base import Event, Job, Request

PROFILES: Mapping[str, int] = {"quick": 1, "full": 5}  # seeds


@dataclass(frozen=True)
class Unmeasured:
    """A cell that was not measured on a seed."""

    cell: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Answers:
    """What was found on all claims."""

    profile: str
    seeds: int
    claims: tuple[ClaimAnswer, ...]
    failures: tuple[Unmeasured, ...]
    hours: float  # of CPU, of all measurements
    measured: tuple[Entry, ...] = ()


def claims(
    *,
    only: str | None = None,
    profile: str = "quick",
    seeds: int | None = None,
    root: Path = Path("runs/claims"),
    taken: Taken | None = None,
    jobs: int | None = None,
    on: Place = Place(),  # noqa: B008 - frozen
    listen: Callable[[Event], None] = lambda event: None,
) -> Answers:
    """Measure every cell of the claims and answer them; what was measured below `root` is not measured again.

    only: names with commas between. profile: quick, the smallest experiment of each on one seed, or full, all on five.
    taken: of an earlier report, for these claims and seeds; they are used where `root` has none.
    jobs: as for `diagnose`. Cells that take time run alone, behind all others. A failed one does not stop the rest.
    Raises InputError for what the caller can mend, Interrupted on Ctrl-C.
    """
    asked, count = plan(only, profile, seeds)
    quick, root = profile == "quick", root.absolute()
    cells = list(dict.fromkeys(cell for claim in asked for cell in claim.cells(quick)))
    at_once = jobs or on.usual_jobs
    if taken is not None:
        listen(Event(None, "told", taken.line))
        for (cell, seed), one in taken.known.items():
            if read(cell, seed, root) is None:
                write(cell, seed, root, one)
    ahead = foresee(asked, profile, count, root, at_once or 1)  # a damaged file is told before anything is measured
    listen(Event(None, "told", ahead.line()))
    failures: list[Unmeasured] = []
    together = [cell for cell in cells if not cell.alone]
    apart = [cell for cell in cells if cell.alone]
    todo = [_jobs(some, count, root) for some in (together, apart)]
    plans = [(work, many) for work, many in zip(todo, (at_once, 1), strict=True) if work]
    for number, (work, many) in enumerate(plans):
        request = Request(root, root, many, 1, lambda text: listen(Event(None, "told", text)))
        with executors.opened(on, request) as there:
            if not number:
                listen(Event(None, "planned", sum(map(len, todo))))
            for event in there.run(_measure, work):
                if event.kind in ("failed", "skipped"):
                    failures.append(_lost(event))
                listen(event)
    return answers(asked, profile, count, root, failures)


def _lost(event: Event) -> Unmeasured:
    name, seed = cast(tuple[str, int], event.key)
    return Unmeasured(name, seed, str(event.value))


def plan(only: str | None, profile: str, seeds: int | None) -> tuple[tuple[Claim, ...], int]:
    """The claims, and how many seeds. Raises InputError for an unknown name or profile."""
    if profile not in PROFILES:
        raise InputError(f"unknown profile '{profile}'; valid: {', '.join(PROFILES)}")
    return chosen(only), PROFILES[profile] if seeds is None else seeds


def answers(
    asked: Sequence[Claim], profile: str, seeds: int, root: Path, failures: Sequence[Unmeasured] = ()
) -> Answers:
    """The answers to claims, from what was measured below `root`."""
    quick = profile == "quick"
    cells = list(dict.fromkeys(cell for claim in asked for cell in claim.cells(quick)))
    found = {cell: {seed: read(cell, seed, root) for seed in range(seeds)} for cell in cells}
    entries = [
        Entry.of(cell, seed, one) for cell, by_seed in found.items() for seed, one in by_seed.items() if one is not None
    ]
    numbers = {
        cell: {seed: one.numbers for seed, one in by_seed.items() if one is not None} for cell, by_seed in found.items()
    }
    hours = sum(entry.measured.seconds for entry in entries) / 3600
    return Answers(
        profile,
        seeds,
        tuple(answer(claim, numbers, quick) for claim in asked),
        tuple(failures),
        hours,
        tuple(entries),
    )


@dataclass(frozen=True)
class _Work:
    """What a process does."""

    cell: Cell
    seed: int
    root: Path


def _jobs(cells: Sequence[Cell], seeds: int, root: Path) -> list[Job]:
    """What is left, a seed after the other, so that an interrupted experiment holds whole seeds."""
    left = [(cell, seed) for seed in range(seeds) for cell in cells if read(cell, seed, root) is None]
    known = set(left)
    return [
        Job(
            (cell.name, seed),
            _Work(cell, seed, root),
            tuple((need.name, seed) for need in cell.needs if (need, seed) in known),
        )
        for cell, seed in left
    ]


def _measure(work: _Work, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> None:
    """In a process of its own: one cell on one seed."""
    if read(work.cell, work.seed, work.root) is not None:  # sent again by an executor whose machine died
        return
    start = time.process_time()
    numbers = work.cell.measure(work.seed, work.root, Hooks(stop, progress, waits=True))
    write(work.cell, work.seed, work.root, Measured(numbers, time.process_time() - start))
