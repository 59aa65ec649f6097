"""A job in a process of its own, forked from a server that has imported the heavy libraries."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, process, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.printable import guard
from rlformer.runs import ledger, scratch
from rlformer.runs.interrupt import Interrupt
from rlformer.studies.executors.base import ENDS, Died, Event, Held, Job, Work
from rlformer.studies.executors.orphan import end_with_parent


def preload() -> list[str]:
    """The modules that the server of processes imports."""
    from rlformer.agents.learners import LEARNERS

    return [
        "rlformer.studies.executors.server",  # first
        "torch.utils.tensorboard",
        *sorted({module for kind in LEARNERS.values() for module in kind.modules if module}),
        "rlformer.studies.execute",
    ]


class Forked:
    """A job that runs in a process of its own, `threads` threads, beside so many others on this machine at most.

    environment: variables of the process alone.
    """

    def __init__(
        self, work: Work, job: Job, threads: int, beside: int, environment: Mapping[str, str] | None = None
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(preload())
        self.job = job
        self.connection, theirs = context.Pipe(duplex=False)
        variables = {**(environment or {}), ledger.SIDE_BY_SIDE: str(beside)}
        _ensure_server()
        self._worker = context.Process(target=_work, args=(work, job, theirs, threads, variables))
        self._worker.start()
        theirs.close()

    def next(self) -> Event:
        """What it says next, waited for; `Died` where its process ended without a word. An end is its last word."""
        event: Event
        try:
            event = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._worker.join()
            code = self._worker.exitcode
            hint = "; a script that calls compare needs `if __name__ == '__main__':` around it"
            event = Died(self.job.key, "failed", f"its process ended with exit code {code}{hint * (code == 1)}")
        if event.kind in ENDS or isinstance(event, Held):
            self.connection.close()
            self._worker.join()
        return event

    def stop(self) -> None:
        """Ask it to save what it has."""
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(self._worker.pid or 0, signal.SIGINT)

    def kill(self) -> None:
        """End it at once, with what it has started."""
        kill(self._worker)


def kill(worker: Any) -> None:
    """End a process with what it has started. worker: as `multiprocessing` or `subprocess` have it."""
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has no group of its own yet, or ended
        worker.kill()


def start_server(threads: int, root: Path) -> None:
    """Let the server of processes begin to import, for jobs of as many threads that follow below `root`."""
    context = multiprocessing.get_context("forkserver")
    with surroundings(threads, scratch.folder(root)):
        context.set_forkserver_preload(preload())
        _ensure_server()


def _ensure_server() -> None:
    """Start the server of processes, unless it runs, with Ctrl-C blocked, which would end it while it imports.

    What it forks inherits that.
    """
    resource_tracker.ensure_running()  # unblocks Ctrl-C when it starts, so that it must be there before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def surroundings(threads: int, folder: Path) -> Iterator[None]:
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


def _work(work: Work, job: Job, messages: Connection, threads: int, variables: Mapping[str, str]) -> None:
    """In the process of one job, which a terminal's Ctrl-C does not reach: the parent passes it on, once."""
    os.environ.update(variables)
    guard()  # what an environment prints
    os.setpgid(0, 0)  # not a session of its own, whose scheduling would ignore the niceness that the user chose
    end_with_parent()
    with Interrupt() as interrupt:
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, {signal.SIGINT}
        )  # see `_ensure_server`; Ray's processes block it too
        import torch

        torch.set_num_threads(threads)
        parent = multiprocessing.parent_process()

        def stop() -> bool:
            return interrupt.ever or parent is None or not parent.is_alive()

        def progress(done: int, total: int, note: str = "") -> None:
            with suppress(BrokenPipeError):  # the parent was killed: `stop` says so at the next step
                messages.send(Event(job.key, "progress", (done, total, note)))

        event = outcome(work, job, stop, progress)
        with suppress(BrokenPipeError):
            messages.send(event)


def outcome(work: Work, job: Job, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> Event:
    """Do the job here, and say how it ended."""
    try:
        return Event(job.key, "finished", work(job.payload, stop, progress))
    except files.Busy as busy:
        return Held(job.key, "waiting", str(busy), busy.path)
    except Interrupted:
        return Event(job.key, "interrupted")
    except InputError as error:
        return Event(job.key, "failed", str(error))
    except Exception as error:  # one failed run does not stop the rest; its record holds the error too
        return Event(job.key, "failed", f"{type(error).__name__}: {error}")
