"""Jobs side by side on this machine, one process each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path

from rlformer.core import files
from rlformer.core.errors import Interrupted
from rlformer.runs import scratch
from rlformer.runs.interrupt import Interrupt
from rlformer.studies.executors import lease
from rlformer.studies.executors.base import ENDS, Event, Executor, Held, Job, Request, Work
from rlformer.studies.executors.process import Forked, surroundings
from rlformer.studies.executors.queue import Queue


def side_by_side(threads: int) -> int:
    """How many jobs of so many threads this machine holds."""
    return max(1, (os.cpu_count() or 1) // threads)


@contextmanager
def opened(at: str | None, request: Request) -> Iterator[Executor]:
    """This machine. Several processes on one folder share its runs; not with a cluster's driver, and not where files
    cannot be locked: then the second one is refused, see `lease`.
    """
    here = LocalProcesses(request.jobs or side_by_side(request.threads), request.threads, request.root)
    files.writable_directory(request.root)
    if files.lockable(request.root):
        lease.check_free(request.folder)
        yield here
        return
    with lease.held(request.folder, "local", request.tell):
        yield here


class LocalProcesses:
    """At most `jobs` processes at a time on this machine, `threads` threads each.

    root: where what is temporary lies, by default the current folder's `runs`.
    """

    def __init__(self, jobs: int, threads: int = 1, root: Path = Path("runs")) -> None:
        self.beside, self._threads, self._root = jobs, threads, root

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """See `base.Executor`. Raises InputError where `root` cannot be written."""
        files.writable_directory(self._root)  # else what is temporary would go elsewhere
        with surroundings(self._threads, scratch.folder(self._root)), Interrupt() as interrupt:
            queue, beside = Queue(tasks), min(self.beside, len(tasks))
            running: dict[Connection, Forked] = {}
            try:
                while queue.left:
                    if interrupt.asked:
                        interrupt.asked = False
                        queue.stop()
                        for forked in running.values():
                            forked.stop()
                    yield from queue.skip()
                    for job in queue.begin(self.beside):
                        forked = Forked(work, job, self._threads, beside)
                        running[forked.connection] = forked
                        yield Event(job.key, "started")
                    yield from _hear(running, queue)
            finally:
                for forked in running.values():
                    forked.kill()
        if interrupt.ever:
            raise Interrupted


def _hear(running: dict[Connection, Forked], queue: Queue) -> Iterator[Event]:
    """What the running jobs say, if one does within half a second."""
    for connection in wait(list(running), timeout=0.5):
        assert isinstance(connection, Connection)
        event = running[connection].next()
        if event.kind in ENDS or isinstance(event, Held):
            del running[connection]
        if queue.take(event):
            yield event
