"""The driver's side of a cluster: the same queue as on this machine, and a second try where a machine dies."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rlformer.core.errors import InputError, Interrupted
from rlformer.runs.interrupt import Interrupt
from rlformer.studies.executors.base import Died, Event, Job, Work
from rlformer.studies.executors.lease import Lease
from rlformer.studies.executors.nodes import Node
from rlformer.studies.executors.queue import Queue
from rlformer.studies.executors.station import Call, Pickled, Unfit, call_of

TRIES = 5  # of a job whose machine dies again and again
_LOOKING_SECONDS = 1.0  # at what the running jobs tell
_LOOKS = 200  # of them a second, at most


class Cluster(Protocol):
    """Where calls are sent. A ticket is what it knows a call by."""

    def submit(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Send calls, and return a ticket for each."""

    def ended(self, tickets: Sequence[Any], seconds: float) -> Sequence[tuple[Any, Event]]:
        """Those that have ended, waited for so long at most, with what `station.attend` answered, or `Died`."""

    def withdraw(self, tickets: Sequence[Any]) -> None:
        """Take back calls that have not begun."""

    def kill(self, tickets: Sequence[Any]) -> None:
        """End calls at once."""


@dataclass(frozen=True)
class _Sent:
    """A call on its way."""

    job: Job
    call: Call
    ticket: Any
    begun: bool = False
    said: tuple[int, int, str] | None = None


class Remote:
    """Runs jobs on a cluster for the driver that holds the lease; see `base.Executor`.

    A job whose machine or process dies begins again, from its last checkpoint, up to `TRIES` times.
    """

    def __init__(
        self, cluster: Cluster, lease: Lease, here: Node, threads: int, beside: int, at_most: int | None = None
    ) -> None:
        self.beside, self._at_most = beside, at_most
        self._cluster, self._lease, self._here, self._threads = cluster, lease, here, threads
        self._count = 0  # of calls, so that each has a name of its own

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """See `base.Executor`. Raises InputError where a machine cannot work for this driver, once the others have
        saved what they have; or where another driver took the study over.
        """
        with Interrupt() as interrupt:
            state = _State(self._cluster, tasks)
            try:
                while state.queue.left:
                    self._lease.check()
                    if interrupt.asked or (state.unfit is not None and not state.stopped):
                        interrupt.asked = False
                        self._lease.stop()
                        state.stop()
                    yield from state.queue.skip()
                    self._start(work, state)
                    yield from state.hear()
            finally:
                state.kill()
        if state.unfit is not None:
            raise InputError(state.unfit)
        if interrupt.ever:
            raise Interrupted

    def _start(self, work: Work, state: _State) -> None:
        jobs, calls = state.queue.begin(self._at_most), list[Call]()
        for job in jobs:
            self._count += 1
            session = self._lease.session
            calls.append(call_of(job, work, session, f"job-{self._count}", self._here, self._threads, state.total))
        state.send(jobs, calls)


class _State:
    """The jobs of a run: those that wait, and those that were sent."""

    def __init__(self, cluster: Cluster, tasks: Sequence[Job]) -> None:
        self.queue, self.total = Queue(tasks), len(tasks)
        self.stopped = False
        self.unfit: str | None = None  # why a machine cannot work for this driver
        self._cluster = cluster
        self._sent: dict[Any, _Sent] = {}  # by ticket
        self._tries: dict[Hashable, int] = {}
        self._looked = 0.0

    def send(self, jobs: Sequence[Job], calls: Sequence[Call]) -> None:
        """Send the calls of jobs."""
        if calls:
            for job, call, ticket in zip(jobs, calls, self._cluster.submit(calls), strict=True):
                self._sent[ticket] = _Sent(job, call, ticket)

    def stop(self) -> None:
        """Begin no other job; what runs is asked by the lease."""
        self.stopped = True
        self.queue.stop()
        self._look_at_all()
        self._cluster.withdraw([ticket for ticket, sent in self._sent.items() if not sent.begun])

    def hear(self) -> Iterator[Event]:
        """What happened within half a second."""
        if not self._sent:
            time.sleep(0.2)  # all that is left is held by other processes
            return
        found = self._cluster.ended(list(self._sent), 0.5)
        yield from self._look()
        for ticket, event in found:
            sent = self._sent.pop(ticket)
            if not sent.begun and not isinstance(event, Unfit):
                yield Event(sent.job.key, "started")
            yield from self._end(sent.job, event)

    def _end(self, job: Job, event: Event) -> Iterator[Event]:
        event = replace(event, key=job.key)
        lost = isinstance(event, Died) or event.kind == "interrupted"
        tries = self._tries[job.key] = self._tries.get(job.key, 0) + lost
        if isinstance(event, Unfit):
            if not self.stopped:  # else it may only have begun too late
                self.unfit = self.unfit or str(event.value)
            event = Event(job.key, "interrupted")
        elif lost and self.stopped:
            event = Event(job.key, "interrupted")
        elif lost and tries < TRIES:  # nobody asked it to stop
            self.queue.again(job.key)
            yield Event(job.key, "again", event.value or "its machine was taken away")
            return
        elif lost:
            event = Event(job.key, "failed", f"{event.value or 'its machine was taken away'}, {tries} times")
        if isinstance(event.value, Pickled):
            event = replace(event, value=pickle.loads(event.value.data))
        if self.queue.take(event):
            yield event

    def _look(self) -> Iterator[Event]:
        """How far the running jobs are, about once a second; of very many less often."""
        if time.monotonic() - self._looked < max(_LOOKING_SECONDS, len(self._sent) / _LOOKS):
            return
        for sent, begins in self._look_at_all():
            if begins:
                yield Event(sent.job.key, "started")
            if sent.said is not None and sent.said[1]:
                yield Event(sent.job.key, "progress", sent.said)

    def _look_at_all(self) -> list[tuple[_Sent, bool]]:
        """Those that have something new to tell, and whether it is that they began."""
        self._looked, news = time.monotonic(), []
        for ticket, sent in self._sent.items():
            said = _said(sent.call)
            if said is not None and said != sent.said:
                self._sent[ticket] = replace(sent, begun=True, said=said)
                news.append((self._sent[ticket], not sent.begun))
        return news

    def kill(self) -> None:
        """End all that was sent."""
        if self._sent:
            self._cluster.kill(list(self._sent))


def _said(call: Call) -> tuple[int, int, str] | None:
    with suppress(OSError, ValueError):
        done, total, note, *_ = json.loads(call.told.read_text(encoding="utf-8"))
        return done, total, note
    return None
