"""What a machine of a cluster does for a driver: one job, in a process of its own, watched and told of.

It imports little itself: the process is forked from a server that has imported the rest, and serves several jobs.
"""

from __future__ import annotations

import json
import os
import pickle
import platform
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError
from rlformer.runs.interrupt import Interrupt
from rlformer.studies.executors import nodes
from rlformer.studies.executors.base import ENDS, Event, Held, Job, Progress
from rlformer.studies.executors.lease import Session, Watch, asks_to_stop
from rlformer.studies.executors.nodes import Node

_TOLD_SECONDS = 1.0  # at most so often


@dataclass(frozen=True)
class Call:
    """A job as it is sent to a machine. No name in it is looked up there: its payload is whole."""

    key: Hashable
    data: bytes  # the pickled work and payload
    session: Session
    name: str  # of the file that tells how far it is
    here: Node  # the driver
    threads: int
    jobs: int  # of the study, so that no more share a machine
    folder: str  # the driver's, where it exists there too
    path: tuple[str, ...]  # the driver's path of modules, behind the machine's own
    gpus: int = 0

    @property
    def told(self) -> Path:
        """The file that tells how far it is."""
        return self.session.work / f"{self.name}.json"


@dataclass(frozen=True)
class Unfit(Event):
    """The machine cannot work for this driver: why, in one line."""


@dataclass(frozen=True)
class Pickled:
    """An answer that only the driver opens."""

    data: bytes


def call_of(job: Job, work: Any, session: Session, name: str, here: Node, threads: int, jobs: int) -> Call:
    """The call of a job, for whoever sees the same files."""
    data = pickle.dumps((work, job.payload))
    path = tuple(os.path.abspath(entry) for entry in sys.path)
    return Call(job.key, data, session, name, here, threads, jobs, os.getcwd(), path, job.gpus)


def attend(call: Call, leave: Callable[[], bool] = lambda: False) -> Event:
    """Do one job here. leave: whether this machine must be left, so that the job should save what it has."""
    watch = Watch(call.session)
    _move(call)
    there = nodes.look(call.session, f"{call.name}.node")
    try:
        nodes.check(call.session, call.here, there)
    except InputError as error:
        asked = asks_to_stop(call.session)  # then it is no fault of this machine; one that has ended hears nothing
        return Event(call.key, "interrupted") if asked else Unfit(call.key, "failed", str(error))
    if watch.stop() or leave():
        return Event(call.key, "interrupted")
    with Interrupt() as interrupt:
        return _watched(call, lambda: interrupt.ever or watch.stop() or leave())


def _watched(call: Call, stop: Callable[[], bool]) -> Event:
    from rlformer.studies.executors.process import Forked

    cores = os.cpu_count() or 1
    beside = max(1, min(call.jobs, cores // call.threads))
    gpus = {name: os.environ[name] for name in ("CUDA_VISIBLE_DEVICES",) if name in os.environ}
    os.environ["OMP_NUM_THREADS"] = str(call.threads)  # of the server, which imports numpy
    with _no_main():
        forked = Forked(_unpacked, Job(call.key, call.data), call.threads, beside, gpus)
    told, asked, over = -_TOLD_SECONDS, False, False
    _tell(call, 0, 0, "")
    try:
        while True:
            if not asked and stop():
                asked = True
                forked.stop()
            if not wait([forked.connection], timeout=0.25):
                continue
            event = forked.next()
            if event.kind in ENDS or isinstance(event, Held):
                over = True
                return event
            if event.kind == "progress" and time.monotonic() - told >= _TOLD_SECONDS:
                told = time.monotonic()
                _tell(call, *event.value)
    finally:
        if not over:
            forked.kill()


def _unpacked(data: bytes, stop: Callable[[], bool], progress: Progress) -> Pickled:
    """In the process of the job."""
    work, payload = pickle.loads(data)
    return Pickled(pickle.dumps(work(payload, stop, progress)))


def _tell(call: Call, done: int, total: int, note: str) -> None:
    """How far it is; where the disk is full, nobody hears it."""
    temporary = call.told.with_suffix(".tmp")
    with suppress(OSError):
        temporary.write_text(json.dumps([done, total, note, platform.node(), os.getpid()]), encoding="utf-8")
        temporary.replace(call.told)


def _move(call: Call) -> None:
    """To where the driver stands, with its path of modules behind this machine's own."""
    if os.path.isdir(call.folder):
        os.chdir(call.folder)
    sys.path += [entry for entry in call.path if entry not in sys.path and os.path.exists(entry)]


@contextmanager
def _no_main() -> Iterator[None]:
    """The process need not import the program that this one runs, which is the cluster's."""
    main = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {name: main.pop(name) for name in ("__file__", "__spec__") if name in main}
    try:
        main["__spec__"] = None
        yield
    finally:
        main.pop("__spec__", None)
        main.update(hidden)
