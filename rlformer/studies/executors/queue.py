"""Which jobs wait, which run, which have ended: the same for every executor."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.studies.executors.base import ENDS, Event, Held, Job


class Queue:
    """The jobs of a run of an executor: waiting, held by another process, running, ended."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._waiting = list(jobs)
        self._held: dict[Hashable, tuple[Job, Path]] = {}  # by key, each with the lock that it needs
        self._told = set[Hashable]()  # that they are held, once
        self._running: dict[Hashable, Job] = {}
        self._done, self._lost = set[Hashable](), set[Hashable]()

    @property
    def left(self) -> bool:
        """Whether any job has not ended."""
        return bool(self._waiting or self._running or self._held)

    def stop(self) -> None:
        """Begin no other job."""
        self._waiting.clear()
        self._held.clear()

    def skip(self) -> Iterator[Event]:
        """Leave out the jobs whose needs did not finish."""
        lost = [job for job in self._waiting if self._lost.intersection(job.needs)]
        self._leave(lost)
        for job in lost:
            self._lost.add(job.key)
            yield Event(job.key, "skipped", f"{' seed '.join(map(str, _first(job.needs)))} did not finish")

    def begin(self, at_most: int | None = None) -> list[Job]:
        """The jobs to start now, in their order: their needs are met, and so many run at a time at most.

        What another process let go of is first.
        """
        for job in [job for job, lock in self._held.values() if files.is_free(lock)]:
            del self._held[job.key]
            self._waiting.insert(0, job)
        ready = [job for job in self._waiting if self._done.issuperset(job.needs)]
        started = ready if at_most is None else ready[: max(0, at_most - len(self._running))]
        self._leave(started)
        self._running |= {job.key: job for job in started}
        return started

    def _leave(self, jobs: Sequence[Job]) -> None:
        """They wait no longer. In one go: there may be tens of thousands."""
        if jobs:
            keys = {job.key for job in jobs}
            self._waiting = [job for job in self._waiting if job.key not in keys]

    def again(self, key: Hashable) -> None:
        """Begin a running job once more, before the others."""
        self._waiting.insert(0, self._running.pop(key))

    def take(self, event: Event) -> bool:
        """Note what happened to a running job; whether it is news."""
        if isinstance(event, Held):
            self._held[event.key] = self._running.pop(event.key), event.lock
            if event.key in self._told:
                return False
            self._told.add(event.key)
        elif event.kind in ENDS:
            del self._running[event.key]
            (self._done if event.kind == "finished" else self._lost).add(event.key)
        return True


def _first(needs: tuple[Hashable, ...]) -> tuple[Any, ...]:
    return needs[0] if isinstance(needs[0], tuple) else needs[:1]
