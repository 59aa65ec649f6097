"""Runs side by side, one process each, forked from a server that has imported the heavy libraries."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlformer.errors import InputError, Interrupted
from rlformer.runs.interrupt import Interrupt

Progress = Callable[[int, int, str], None]
Work = Callable[[Any, Callable[[], bool], Progress], Any]  # (job, stop, progress) -> a picklable answer

_PRELOAD = [
    "torch.utils.tensorboard",
    "rlformer.learners.sb3_training",
    "rlformer.learners.sequence",
    "rlformer.experiment",
]


@dataclass(frozen=True)
class Event:
    """What happened to one job: started, progress, finished, failed, interrupted, skipped; or to all: planned."""

    key: Hashable
    kind: str
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

        Ctrl-C asks the running jobs to save what they have, waits for them, and raises Interrupted.
        """
        os.environ["OMP_NUM_THREADS"] = str(self._threads)  # read by numpy's libraries when the server imports them
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOAD)
        messages = context.Queue()
        running: dict[Hashable, Any] = {}
        waiting, done, lost = list(tasks), set[Hashable](), set[Hashable]()
        with Interrupt() as interrupt:
            while waiting or running:
                if interrupt.asked:
                    waiting.clear()
                    for process in running.values():
                        if process.is_alive():
                            os.kill(process.pid, signal.SIGINT)
                    interrupt.asked = False
                for job in [j for j in waiting if lost.intersection(j.needs)]:
                    waiting.remove(job)
                    lost.add(job.key)
                    yield Event(job.key, "skipped", "what it needs did not finish")
                for job in [j for j in waiting if done.issuperset(j.needs)][: self._jobs - len(running)]:
                    waiting.remove(job)
                    process = context.Process(target=_work, args=(work, job, messages, self._threads))
                    process.start()
                    running[job.key] = process
                    yield Event(job.key, "started")
                for event in _drain(messages, running):
                    if event.kind in ("finished", "failed", "interrupted"):
                        running.pop(event.key).join()
                        (done if event.kind == "finished" else lost).add(event.key)
                    yield event
        if interrupt.ever:
            raise Interrupted


def _drain(messages: Any, running: dict[Hashable, Any]) -> Iterator[Event]:
    """Events that arrived within half a second, and one for each process that died without a word."""
    try:
        event = messages.get(timeout=0.5)
        while True:
            if event.key in running:
                yield event
            event = messages.get_nowait()
    except queue.Empty:
        pass
    for key, process in list(running.items()):
        if not process.is_alive():
            time.sleep(0.05)  # its last words may still be in the pipe
            if messages.empty():
                yield Event(key, "failed", f"its process ended with exit code {process.exitcode}")


def _work(work: Work, job: Job, messages: Any, threads: int) -> None:
    """In the process of one job."""
    import torch

    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()
    with Interrupt() as interrupt:

        def stop() -> bool:
            return interrupt.ever or parent is None or not parent.is_alive()

        def progress(done: int, total: int, note: str) -> None:
            messages.put(Event(job.key, "progress", (done, total, note)))

        try:
            messages.put(Event(job.key, "finished", work(job.payload, stop, progress)))
        except Interrupted:
            messages.put(Event(job.key, "interrupted"))
        except InputError as error:
            messages.put(Event(job.key, "failed", str(error)))
        except Exception as error:  # one failed run does not stop the rest; its record holds the error too
            messages.put(Event(job.key, "failed", f"{type(error).__name__}: {error}"))
