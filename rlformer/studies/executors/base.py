"""What all executors share: jobs, what happens to them, and the protocol."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Progress = Callable[[int, int, str], None]
Work = Callable[[Any, Callable[[], bool], Progress], Any]  # (payload, stop, progress) -> a picklable answer

EventKind = Literal[
    "planned", "started", "progress", "waiting", "again", "finished", "failed", "interrupted", "skipped",
    "left out", "chosen", "more", "told",
]  # fmt: skip
ENDS: tuple[EventKind, ...] = ("finished", "failed", "interrupted")


@dataclass(frozen=True)
class Event:
    """What happened to one job, or to all of them: so many are planned, somebody was chosen to go on, so many more."""

    key: Hashable
    kind: EventKind
    value: Any = None  # the answer, the reason, (done, total, note), words, or how many


@dataclass(frozen=True)
class Held(Event):
    """Another process works on it: waiting until it lets go of the lock."""

    lock: Path = Path()


@dataclass(frozen=True)
class Died(Event):
    """Its process ended without a word, which says nothing of the job."""


@dataclass(frozen=True)
class Refused:
    """What work answers whose input was wrong: why, for the user."""

    reason: str


@dataclass(frozen=True)
class Job:
    """`key` names it, `payload` is handed to the work, `needs` are keys that must have finished before."""

    key: Hashable
    payload: Any
    needs: tuple[Hashable, ...] = ()
    gpus: int = 0  # that it computes on, where an executor hands them out


class Executor(Protocol):
    """Runs jobs, each as `work(payload, stop, progress)` in a process of its own."""

    beside: int  # jobs at a time, at most, as far as is known

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """Run every job and yield what happens; a job whose needs failed is skipped, the rest goes on.

        A job on which another process works waits for that one. Ctrl-C asks the running jobs to save what they have,
        waits for them, and raises Interrupted; a second one ends them at once.
        """


@dataclass(frozen=True)
class Request:
    """What an executor is opened for."""

    folder: Path  # that the jobs work in: on a cluster one driver at a time
    root: Path  # of the runs; all machines see it
    jobs: int | None = None  # at a time, at most; None: as many as fit
    threads: int = 1  # of a job
    tell: Callable[[str], None] = lambda text: None  # hears remarks
