"""Runs side by side, one process each, forked from a server that has imported the heavy libraries."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from rlformer.agents.learners import LEARNERS
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.printable import guard
from rlformer.runs.interrupt import Interrupt

Progress = Callable[[int, int, str], None]
Work = Callable[[Any, Callable[[], bool], Progress], Any]  # (job, stop, progress) -> a picklable answer

PRELOAD = [
    "torch.utils.tensorboard",
    "torch._dynamo",  # which the first optimiser of a process would import: 1.2 s
    *sorted({kind.implementation.partition(":")[0] for kind in LEARNERS.values()}),
    "rlformer.studies.plan",
]
_ENDS = ("finished", "failed", "interrupted")


EventKind = Literal["planned", "started", "progress", "finished", "failed", "interrupted", "skipped"]


@dataclass(frozen=True)
class Event:
    """What happened to one job, or to all of them: planned."""

    key: Hashable
    kind: EventKind
    value: Any = None  # the answer, the reason, (done, total, note), or how many


@dataclass(frozen=True)
class Job:
    """`key` names it, `payload` is handed to the work, `needs` are keys that must have finished before."""

    key: Hashable
    payload: Any
    needs: tuple[Hashable, ...] = ()


class LocalProcesses:
    """At most `jobs` processes at a time on this machine, `threads` threads each."""

    def __init__(self, jobs: int, threads: int = 1) -> None:
        self._jobs, self._threads = jobs, threads

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """Run every job and yield what happens; a job whose needs failed is skipped, the rest goes on.

        Ctrl-C asks the running jobs to save what they have, waits for them, and raises Interrupted; a second one
        ends them at once.
        """
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        running: dict[Connection, tuple[Job, Any]] = {}
        waiting, done, lost = list(tasks), set[Hashable](), set[Hashable]()
        with _pinned(self._threads), Interrupt() as interrupt:
            try:
                while waiting or running:
                    if interrupt.asked:
                        interrupt.asked = False
                        waiting.clear()
                        for _, process in running.values():
                            with suppress(ProcessLookupError):  # it ended meanwhile
                                os.kill(process.pid, signal.SIGINT)
                    for job in [j for j in waiting if lost.intersection(j.needs)]:
                        waiting.remove(job)
                        lost.add(job.key)
                        yield Event(job.key, "skipped", f"{' seed '.join(map(str, _first(job.needs)))} did not finish")
                    for job in [j for j in waiting if done.issuperset(j.needs)][: self._jobs - len(running)]:
                        waiting.remove(job)
                        ours, theirs = context.Pipe(duplex=False)
                        process = context.Process(target=_work, args=(work, job, theirs, self._threads))
                        process.start()
                        theirs.close()
                        running[ours] = (job, process)
                        yield Event(job.key, "started")
                    for connection in wait(list(running), timeout=0.5):
                        assert isinstance(connection, Connection)
                        job, process = running[connection]
                        event = _next(connection, job, process)
                        if event.kind in _ENDS:
                            del running[connection]
                            connection.close()
                            process.join()
                            (done if event.kind == "finished" else lost).add(job.key)
                        yield event
            finally:
                for _, process in running.values():
                    process.kill()
        if interrupt.ever:
            raise Interrupted


def _first(needs: tuple[Hashable, ...]) -> tuple[Any, ...]:
    return needs[0] if isinstance(needs[0], tuple) else needs[:1]


def _next(connection: Connection, job: Job, process: Any) -> Event:
    """The next event of a job; its failure, where the process died without a word."""
    try:
        return connection.recv()
    except EOFError:
        process.join()
        hint = "; a script that calls compare needs `if __name__ == '__main__':` around it"
        return Event(
            job.key, "failed", f"its process ended with exit code {process.exitcode}{hint * (process.exitcode == 1)}"
        )


@contextmanager
def _pinned(threads: int) -> Iterator[None]:
    """numpy's libraries read the variable when the server of processes imports them, once a Python process."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _work(work: Work, job: Job, messages: Connection, threads: int) -> None:
    """In the process of one job, which a terminal's Ctrl-C does not reach: the parent passes it on, once."""
    guard()  # what an environment prints
    os.setpgid(0, 0)  # not a session of its own, whose scheduling would ignore the niceness that the user chose
    with Interrupt() as interrupt:
        import torch

        torch.set_num_threads(threads)
        parent = multiprocessing.parent_process()

        def stop() -> bool:
            return interrupt.ever or parent is None or not parent.is_alive()

        def progress(done: int, total: int, note: str = "") -> None:
            with suppress(BrokenPipeError):  # the parent was killed: `stop` says so at the next step
                messages.send(Event(job.key, "progress", (done, total, note)))

        try:
            event = Event(job.key, "finished", work(job.payload, stop, progress))
        except Interrupted:
            event = Event(job.key, "interrupted")
        except InputError as error:
            event = Event(job.key, "failed", str(error))
        except Exception as error:  # one failed run does not stop the rest; its record holds the error too
            event = Event(job.key, "failed", f"{type(error).__name__}: {error}")
        with suppress(BrokenPipeError):
            messages.send(event)
