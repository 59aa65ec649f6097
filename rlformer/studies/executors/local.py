"""Runs side by side, one process each, forked from a server that has imported the heavy libraries."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from rlformer.agents.learners import LEARNERS
from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.printable import guard
from rlformer.runs import ledger, scratch
from rlformer.runs.interrupt import Interrupt
from rlformer.studies.executors.orphan import end_with_parent

Progress = Callable[[int, int, str], None]
Work = Callable[[Any, Callable[[], bool], Progress], Any]  # (job, stop, progress) -> a picklable answer

PRELOAD = [
    "rlformer.studies.executors.server",  # first
    "torch.utils.tensorboard",
    *sorted({module for kind in LEARNERS.values() for module in kind.modules if module}),
    "rlformer.studies.execute",
]
_ENDS = ("finished", "failed", "interrupted")


EventKind = Literal[
    "planned", "started", "progress", "waiting", "finished", "failed", "interrupted", "skipped",
    "left out", "chosen", "more",
]  # fmt: skip


@dataclass(frozen=True)
class Event:
    """What happened to one job, or to all of them: so many are planned, somebody was chosen to go on, so many more."""

    key: Hashable
    kind: EventKind
    value: Any = None  # the answer, the reason, (done, total, note), words, or how many


@dataclass(frozen=True)
class _Held(Event):
    """Another process of this machine works on it: waiting until it lets go of the lock."""

    lock: Path = Path()


@dataclass(frozen=True)
class Job:
    """`key` names it, `payload` is handed to the work, `needs` are keys that must have finished before."""

    key: Hashable
    payload: Any
    needs: tuple[Hashable, ...] = ()


class LocalProcesses:
    """At most `jobs` processes at a time on this machine, `threads` threads each.

    root: where what is temporary lies, by default the current folder's `runs`.
    """

    def __init__(self, jobs: int, threads: int = 1, root: Path = Path("runs")) -> None:
        self._jobs, self._threads, self._root = jobs, threads, root

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """Run every job and yield what happens; a job whose needs failed is skipped, the rest goes on.

        A job on which another process works already waits for that one, and the others go on meanwhile. Ctrl-C asks the
        running jobs to save what they have, waits for them, and raises Interrupted; a second one ends them at once.
        Raises InputError where `root` cannot be written.
        """
        files.writable_directory(self._root)  # else what is temporary would go elsewhere
        with _surroundings(self._threads, scratch.folder(self._root)), Interrupt() as interrupt:
            state = _State(self._jobs, self._threads, work, list(tasks))
            try:
                while state.left:
                    if interrupt.asked:
                        interrupt.asked = False
                        state.stop()
                    yield from state.skip()
                    yield from state.start()
                    yield from state.hear()
            finally:
                state.kill()
        if interrupt.ever:
            raise Interrupted


def start_server(threads: int, root: Path) -> None:
    """Let the server of processes begin to import, for a run of `LocalProcesses` of as many threads that follows."""
    context = multiprocessing.get_context("forkserver")
    with _surroundings(threads, scratch.folder(root)):
        context.set_forkserver_preload(PRELOAD)
        forkserver.ensure_running()


class _State:
    """The jobs of a run of `LocalProcesses`: waiting, held by another process, running, ended."""

    def __init__(self, jobs: int, threads: int, work: Work, waiting: list[Job]) -> None:
        self._jobs, self._threads, self._work, self._waiting = jobs, threads, work, waiting
        self._beside = min(jobs, len(waiting))  # at a time, at most
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD)
        self._running: dict[Connection, tuple[Job, Any]] = {}
        self._held: dict[Hashable, tuple[Job, Path]] = {}  # by key, each with the lock that it needs
        self._told = set[Hashable]()  # waiting, once
        self._done, self._lost = set[Hashable](), set[Hashable]()

    @property
    def left(self) -> bool:
        """Whether any job has not ended."""
        return bool(self._waiting or self._running or self._held)

    def stop(self) -> None:
        """Begin no other job, and ask those that run to save what they have."""
        self._waiting.clear()
        self._held.clear()
        for _, worker in self._running.values():
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(worker.pid, signal.SIGINT)

    def skip(self) -> Iterator[Event]:
        """Leave out the jobs whose needs did not finish."""
        for job in [job for job in self._waiting if self._lost.intersection(job.needs)]:
            self._waiting.remove(job)
            self._lost.add(job.key)
            yield Event(job.key, "skipped", f"{' seed '.join(map(str, _first(job.needs)))} did not finish")

    def start(self) -> Iterator[Event]:
        """Start as many of those whose needs are met as there is room for; what another process let go of is first."""
        for job in [job for job, lock in self._held.values() if files.is_free(lock)]:
            del self._held[job.key]
            self._waiting.insert(0, job)
        ready = [job for job in self._waiting if self._done.issuperset(job.needs)]
        for job in ready[: self._jobs - len(self._running)]:
            self._waiting.remove(job)
            ours, theirs = self._context.Pipe(duplex=False)
            worker = self._context.Process(target=_work, args=(self._work, job, theirs, self._threads, self._beside))
            worker.start()
            theirs.close()
            self._running[ours] = (job, worker)
            yield Event(job.key, "started")

    def hear(self) -> Iterator[Event]:
        """What the running jobs say, if one does within half a second."""
        for connection in wait(list(self._running), timeout=0.5):
            assert isinstance(connection, Connection)
            job, worker = self._running[connection]
            event = _next(connection, job, worker)
            if event.kind in _ENDS or isinstance(event, _Held):
                del self._running[connection]
                connection.close()
                worker.join()
            if isinstance(event, _Held):
                self._held[job.key] = job, event.lock
                if job.key in self._told:
                    continue
                self._told.add(job.key)
            elif event.kind in _ENDS:
                (self._done if event.kind == "finished" else self._lost).add(job.key)
            yield event

    def kill(self) -> None:
        """End all that runs, with what it has started."""
        for _, worker in self._running.values():
            try:
                os.killpg(worker.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has no group of its own yet, or ended
                worker.kill()


def _first(needs: tuple[Hashable, ...]) -> tuple[Any, ...]:
    return needs[0] if isinstance(needs[0], tuple) else needs[:1]


def _next(connection: Connection, job: Job, worker: Any) -> Event:
    """The next event of a job; its failure, where the process died without a word."""
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        worker.join()
        hint = "; a script that calls compare needs `if __name__ == '__main__':` around it"
        return Event(
            job.key, "failed", f"its process ended with exit code {worker.exitcode}{hint * (worker.exitcode == 1)}"
        )


@contextmanager
def _surroundings(threads: int, folder: Path) -> Iterator[None]:
    """What the server of processes hands down to all of them. It reads the variables when it starts, once a process.

    numpy's libraries take the number of threads when they are imported; what is temporary goes into `folder`.
    """
    set_here = {
        "OMP_NUM_THREADS": str(threads),
        "TMPDIR": str(folder),
        "TORCHINDUCTOR_CACHE_DIR": str(folder),  # torch makes it, though nothing here is compiled
        scratch.VARIABLE: str(folder),
    }
    before = {name: os.environ.get(name) for name in set_here}
    directory, tempfile.tempdir = tempfile.tempdir, str(folder)
    _forget_lost_server()
    os.environ.update(set_here)
    try:
        yield
    finally:
        tempfile.tempdir = directory
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _forget_lost_server() -> None:
    """Where somebody removed the folder of the server's socket, another server is started."""
    config: dict[str, Any] = vars(process.current_process()).get("_config", {})
    there = config.get("tempdir")
    if there is not None and not os.path.isdir(there):
        config.pop("tempdir")
        vars(forkserver)["_forkserver"]._stop()


def _work(work: Work, job: Job, messages: Connection, threads: int, beside: int) -> None:
    """In the process of one job, which a terminal's Ctrl-C does not reach: the parent passes it on, once."""
    os.environ[ledger.SIDE_BY_SIDE] = str(beside)
    guard()  # what an environment prints
    os.setpgid(0, 0)  # not a session of its own, whose scheduling would ignore the niceness that the user chose
    end_with_parent()
    with Interrupt() as interrupt:
        import torch

        torch.set_num_threads(threads)
        parent = multiprocessing.parent_process()

        def stop() -> bool:
            return interrupt.ever or parent is None or not parent.is_alive()

        def progress(done: int, total: int, note: str = "") -> None:
            with suppress(BrokenPipeError):  # the parent was killed: `stop` says so at the next step
                messages.send(Event(job.key, "progress", (done, total, note)))

        event: Event
        try:
            event = Event(job.key, "finished", work(job.payload, stop, progress))
        except files.Busy as busy:
            event = _Held(job.key, "waiting", str(busy), busy.path)
        except Interrupted:
            event = Event(job.key, "interrupted")
        except InputError as error:
            event = Event(job.key, "failed", str(error))
        except Exception as error:  # one failed run does not stop the rest; its record holds the error too
            event = Event(job.key, "failed", f"{type(error).__name__}: {error}")
        with suppress(BrokenPipeError):
            messages.send(event)
