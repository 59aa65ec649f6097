"""Jobs in the queue of SLURM, over submitit: an array of jobs at a time, each of which goes on where it was when it is
requeued.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError, MissingExtra
from rlformer.core.extras import missing_extra
from rlformer.studies.executors import lease, nodes
from rlformer.studies.executors.base import Died, Event, Executor, Request
from rlformer.studies.executors.remote import Remote
from rlformer.studies.executors.station import Call, attend

MINUTES = 240  # of a job before SLURM ends it, and it goes on in another, unless SBATCH_TIMELIMIT says otherwise
REQUEUES = 1000  # of a job: each goes on from its last checkpoint
SAVING_SECONDS = 120  # between the signal of SLURM and the end
_BESIDE = 100  # jobs at a time, where nobody says
_ARRAY = 500  # jobs of an array, at most: SLURM's own limit is often 1,000
_PAUSE_SECONDS = 0.5
_LAST_SECONDS = 10.0


@contextmanager
def opened(at: str | None, request: Request) -> Iterator[Executor]:
    """The queue of SLURM, and this process as the one driver of the study. at: a partition; None: the usual one.

    What else sbatch may be told is told by its own variables: SBATCH_TIMELIMIT, SBATCH_ACCOUNT, SBATCH_QOS, ... Raises
    InputError where no SLURM is here. Whether a node can work for this driver each job finds out when it begins.
    """
    if missing_extra("slurm"):
        raise MissingExtra("slurm", "--on slurm")
    with lease.held(request.folder, "slurm", request.tell) as held:
        yield over("slurm", at, request, held)


def over(cluster: str, partition: str | None, request: Request, held: lease.Lease) -> Executor:
    """The executor. cluster: of submitit: slurm, or local, which is processes of this machine, for tests."""
    jobs = Array(cluster, partition, held.session.work / "slurm", request)
    here = nodes.look(held.session, "driver")
    return Remote(jobs, held, here, request.threads, request.jobs or _BESIDE, request.jobs)


class Array:
    """Calls as arrays of jobs: a `remote.Cluster`. Tickets are names of jobs."""

    def __init__(self, cluster: str, partition: str | None, folder: Path, request: Request) -> None:
        self._cluster, self._partition, self._folder, self._request = cluster, partition, folder, request
        self._jobs: dict[str, Any] = {}
        self._executors = {0: self._executor(0)}  # by GPUs of a job; where no SLURM is here, that is told now

    def _executor(self, gpus: int) -> Any:
        import submitit

        try:
            made = submitit.AutoExecutor(self._folder, cluster=self._cluster, slurm_max_num_timeout=REQUEUES)
        except RuntimeError as error:
            raise InputError(
                f"--on slurm: no SLURM here ({error}): start the command where sbatch and srun are"
            ) from error
        minutes, threads = _minutes(os.environ.get("SBATCH_TIMELIMIT", "")) or MINUTES, self._request.threads
        made.update_parameters(name="rlformer", timeout_min=minutes, cpus_per_task=threads)
        if gpus:
            made.update_parameters(gpus_per_node=gpus)
        if self._cluster == "slurm":
            made.update_parameters(
                slurm_setup=[f"export OMP_NUM_THREADS={threads} PYTHONPATH={shlex.quote(_path())}"],
                slurm_signal_delay_s=SAVING_SECONDS,
                slurm_array_parallelism=self._request.jobs or _ARRAY,
                **({} if self._partition is None else {"slurm_partition": self._partition}),
            )
        return made

    def submit(self, calls: Sequence[Call]) -> Sequence[str]:
        """See `remote.Cluster`. Those that compute on a GPU are an array of their own."""
        tickets: dict[str, str] = {}
        try:
            for gpus in sorted({call.gpus for call in calls}):
                if gpus not in self._executors:
                    self._executors[gpus] = self._executor(gpus)
                alike = [call for call in calls if call.gpus == gpus]
                for first in range(0, len(alike), _ARRAY):
                    tickets |= self._array(self._executors[gpus], alike[first : first + _ARRAY])
        except InputError:
            self.kill(list(tickets.values()))  # nobody else knows of them
            raise
        return [tickets[call.name] for call in calls]

    def _array(self, executor: Any, calls: Sequence[Call]) -> Mapping[str, str]:
        """The tickets by the names of the calls."""
        with _variables(self._request.threads, self._partition):
            try:
                jobs = executor.map_array(Resumed(), calls)
            except Exception as error:  # of sbatch: a partition that is not there, a limit
                raise InputError(f"--on slurm: sbatch refused: {_line(error)}") from error
        self._jobs |= {job.job_id: job for job in jobs}
        return {call.name: job.job_id for call, job in zip(calls, jobs, strict=True)}

    def ended(self, tickets: Sequence[str], seconds: float) -> Sequence[tuple[str, Event]]:
        """See `remote.Cluster`."""
        until = time.monotonic() + seconds
        while True:
            found = [ticket for ticket in tickets if self._jobs[ticket].done()]
            if found or time.monotonic() >= until:
                return [(ticket, self._answer(ticket)) for ticket in found]
            time.sleep(_PAUSE_SECONDS / 2)

    def _answer(self, ticket: str) -> Event:
        job = self._jobs.pop(ticket)
        try:
            event: Event = job.result()
        except Exception as error:  # submitit's own, of a job without an answer
            trace = [line for line in str(error).splitlines() if re.match(r"\w*Error\b", line)]
            where = self._request.folder  # the job reads there what it should do
            lost = f"its job {ticket} ended without an answer (state {job.state}): does its node see {where}?"
            why = trace[-1] if trace else lost
            return Died(None, "failed", why)
        return event

    def withdraw(self, tickets: Sequence[str]) -> None:
        """See `remote.Cluster`."""
        self.kill(tickets)

    def kill(self, tickets: Sequence[str]) -> None:
        """See `remote.Cluster`."""
        for ticket in tickets:
            self._jobs[ticket].cancel(check=False)


class Resumed:
    """What a job of SLURM does: a call, which is saved and goes on in another one when its time is over."""

    def __call__(self, call: Call) -> Event:
        from submitit.core.job_environment import JobEnvironment

        warned = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
        requeue: Any = signal.getsignal(warned)
        heard = set[int]()
        for number in (warned, signal.SIGTERM):  # the second of a machine that is taken away at once
            signal.signal(number, lambda number, _: heard.add(number))
        event = attend(call, lambda: bool(heard))
        if heard and event.kind == "interrupted":
            _wait(lambda: warned in heard)
            if warned in heard and callable(requeue):
                requeue(warned, None)  # submitit's: it asks `checkpoint`, requeues the job and ends this process
        return event

    def checkpoint(self, call: Call) -> Any:
        """What the next job does: the same, from the checkpoint of the run."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, call)


def _wait(heard: Callable[[], bool]) -> None:
    """For the signal that asks to be requeued, which may come behind the one that ends; or to be ended."""
    until = time.monotonic() + _LAST_SECONDS
    while not heard() and time.monotonic() < until:
        time.sleep(0.1)


@contextmanager
def _variables(threads: int, partition: str | None) -> Iterator[None]:
    """What sbatch, and a process of this machine, should see: a partition that was typed is the one that counts."""
    before = dict(os.environ)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["PYTHONPATH"] = _path()
    if partition is not None:
        os.environ.pop("SBATCH_PARTITION", None)
    try:
        yield
    finally:
        _restore(before)


def _restore(before: Mapping[str, str]) -> None:
    for name in ("OMP_NUM_THREADS", "PYTHONPATH", "SBATCH_PARTITION"):
        if name in before:
            os.environ[name] = before[name]
        else:
            os.environ.pop(name, None)


def _minutes(text: str) -> int | None:
    """Of a time limit as sbatch takes it; None of anything else.

    >>> _minutes("90"), _minutes("1:30:00"), _minutes("1-12"), _minutes("soon")
    (90, 90, 2160, None)
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if found is None:
        return None
    days, *parts = (None if part is None else int(part) for part in found.groups())
    first, second, third = parts
    assert first is not None
    if days is not None:  # D-H[:M[:S]]
        return 1440 * days + 60 * first + (second or 0)
    if third is not None:  # H:M:S
        return 60 * first + (second or 0)
    return first  # M[:S]


def _path() -> str:
    """The driver's path of modules: a checkout is found there too."""
    return os.pathsep.join(os.path.abspath(entry) for entry in sys.path)


def _line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return " ".join((lines[-1] if lines else type(error).__name__).split())
