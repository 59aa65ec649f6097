"""Run a plan over processes; the same plan continues what was interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

from rlformer.runs.hooks import Hooks
from rlformer.runs.missing import MissingRun
from rlformer.studies.executors import Executor
from rlformer.studies.executors.local import Event, LocalProcesses
from rlformer.studies.plan import Plan, PlannedLog, PlannedRun


@dataclass(frozen=True)
class Failure:
    """A run that did not finish."""

    run: PlannedRun
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a plan."""

    runs: tuple[Path, ...]  # in the order of the plan, failed ones with a record among them
    failures: tuple[Failure, ...]  # all that did not finish
    missing: tuple[MissingRun, ...]  # those of them that have no record


def execute(plan: Plan, executor: Executor, listen: Callable[[Event], None] = lambda event: None) -> Outcome:
    """Run a plan; a failed run does not stop the rest.

    Raises Interrupted on Ctrl-C; the same plan continues.
    """
    found: dict[Hashable, Path] = {}
    reasons: dict[Hashable, str] = {}
    listen(Event(None, "planned", len(plan.jobs)))
    for event in executor.run(_work, plan.jobs):
        if event.kind == "finished":
            found[event.key] = event.value
        elif event.kind in ("failed", "skipped"):
            reasons[event.key] = str(event.value)
        listen(event)
    runs = [(job.key, job.payload) for job in plan.jobs if isinstance(job.payload, PlannedRun)]
    for key, run in runs:  # a failed run may have a record too
        if key in reasons and (directory := run.directory()) is not None:
            found[key] = directory.path
    missing = [
        MissingRun(plan.env.name, run.spec.agent.name, run.seed, reasons[key], run.name, run.recipe)
        for key, run in runs
        if key in reasons and key not in found
    ]
    return Outcome(
        tuple(found[key] for key, _ in runs if key in found),
        tuple(Failure(run, reasons[key]) for key, run in runs if key in reasons),
        tuple(missing),
    )


def local(jobs: int | None = None, threads: int = 1, root: Path = Path("runs")) -> Executor:
    """This machine. jobs: runs side by side; by default one a core. root: of the runs."""
    return LocalProcesses(jobs or side_by_side(threads), threads, root)


def side_by_side(threads: int) -> int:
    """How many runs of so many threads this machine holds."""
    return max(1, (os.cpu_count() or 1) // threads)


def _work(
    payload: PlannedRun | PlannedLog, stop: Callable[[], bool], progress: Callable[[int, int, str], None]
) -> Path:
    """In a process of its own: one run, or one log that others wait for."""
    hooks = Hooks(stop, progress, waits=False)  # the executor does, and lets others go first
    return payload.train(hooks) if isinstance(payload, PlannedRun) else payload.make(hooks)
