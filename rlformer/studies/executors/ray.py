"""Jobs on a Ray cluster, a task each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rlformer.core.errors import InputError, MissingExtra
from rlformer.core.extras import missing_extra
from rlformer.studies.executors import lease, nodes
from rlformer.studies.executors.base import Died, Event, Executor, Request
from rlformer.studies.executors.lease import Session
from rlformer.studies.executors.nodes import Node
from rlformer.studies.executors.ray_cluster import connected, line
from rlformer.studies.executors.remote import Remote
from rlformer.studies.executors.station import Call, attend

_PROBE_SECONDS = 120.0


@contextmanager
def opened(at: str | None, request: Request) -> Iterator[Executor]:
    """A Ray cluster, and this process as the one driver of the study.

    at: HOST:PORT, `auto` for the cluster that runs on this machine, `local` for one of its own; None: the one that the
    program is connected to, or that RAY_ADDRESS names, else one of its own. Raises InputError where none is there, or
    where a node cannot work for this driver: see `nodes.check`.
    """
    if missing_extra("ray"):
        raise MissingExtra("ray", "--on ray")
    import ray

    with (
        lease.held(request.folder, "ray", request.tell) as held,
        _quiet(ray),
        connected(ray, at, request) as variables,
    ):
        here = nodes.look(held.session, "driver")
        there = _alive(ray, request.threads)
        _probe(ray, there, held.session, here, variables)
        room = sum(int(node["Resources"]["CPU"] // request.threads) for node in there)
        beside = room if request.jobs is None else min(room, request.jobs)
        tasks = Tasks(ray, request.threads, variables)
        yield Remote(tasks, held, here, request.threads, beside, request.jobs)


class Tasks:
    """A task a call: a `remote.Cluster`. Tickets are references of Ray."""

    def __init__(self, ray: Any, threads: int, variables: Mapping[str, str]) -> None:
        self._ray = ray
        environment = {"env_vars": {**variables, "OMP_NUM_THREADS": str(threads)}}
        # Each run is a fresh process, which the task forks; a task that dies is sent again by the driver.
        self._attend = ray.remote(num_cpus=threads, max_retries=0, runtime_env=environment)(attend)

    def submit(self, calls: Sequence[Call]) -> Sequence[Any]:
        """See `remote.Cluster`."""
        if any(call.gpus for call in calls) and not self._ray.cluster_resources().get("GPU"):
            raise InputError("--device cuda: no node of the Ray cluster has a GPU: ray status shows them")
        return [self._attend.options(num_gpus=call.gpus).remote(call) for call in calls]

    def ended(self, tickets: Sequence[Any], seconds: float) -> Sequence[tuple[Any, Event]]:
        """See `remote.Cluster`."""
        wait = self._ray.wait
        if not wait(list(tickets), num_returns=1, timeout=seconds)[0]:
            return []
        done, _ = wait(list(tickets), num_returns=len(tickets), timeout=0)
        return [(ticket, self._answer(ticket)) for ticket in done]

    def _answer(self, ticket: Any) -> Event:
        errors = self._ray.exceptions
        try:
            event: Event = self._ray.get(ticket)
        except errors.TaskCancelledError:
            return Event(None, "interrupted")
        except errors.RayTaskError as error:
            if isinstance(error.cause, KeyboardInterrupt):
                return Event(None, "interrupted")
            return Event(None, "failed", line(error.cause or error))
        except errors.NodeDiedError:
            return Died(None, "failed", "its node died")
        except errors.OutOfMemoryError:
            return Died(None, "failed", "its node ran out of memory, and Ray ended it")
        except errors.RayError as error:
            crashed = isinstance(error, errors.WorkerCrashedError)
            return Died(None, "failed", "its worker died" if crashed else line(error))
        return event

    def withdraw(self, tickets: Sequence[Any]) -> None:
        """See `remote.Cluster`. One that has just begun takes it as Ctrl-C, and saves."""
        for ticket in tickets:
            self._ray.cancel(ticket, force=False)

    def kill(self, tickets: Sequence[Any]) -> None:
        """See `remote.Cluster`."""
        for ticket in tickets:
            self._ray.cancel(ticket, force=True)


@contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """What Ray would print on standard output, pages of it where a node dies; the events of the runs tell of that."""
    worker, name = ray._private.worker, "print_to_stdstream"
    before = getattr(worker, name, None)
    setattr(worker, name, lambda *_, **__: None)
    try:
        yield
    finally:
        setattr(worker, name, before)


def _alive(ray: Any, threads: int) -> Sequence[Mapping[str, Any]]:
    """The nodes that have room for a job. Raises InputError where there are none."""
    found = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= threads]
    if not found:
        raise InputError(f"no node of the Ray cluster has {threads} CPUs for a run (threads): ray status shows them")
    return found


def _probe(
    ray: Any, there: Sequence[Mapping[str, Any]], session: Session, here: Node, variables: Mapping[str, str]
) -> None:
    """Ask every node whether it can work for this driver. Raises InputError, with what to do, where one cannot."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0, runtime_env={"env_vars": dict(variables)})(nodes.look)
    asked = {}
    for node in there:
        name, strategy = f"node-{node['NodeID']}", NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked[look.options(scheduling_strategy=strategy).remote(session, name)] = (node, name)
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_PROBE_SECONDS)
    for ticket in [*answered, *silent]:
        node, name = asked[ticket]
        try:
            nodes.check(session, here, ray.get(ticket, timeout=0.1), name)
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            lacks = "rlformer" in str(cause) and "No module" in str(cause)
            what = "cannot import rlformer: install the same version there" if lacks else f"no answer: {line(cause)}"
            raise InputError(f"node {node['NodeManagerHostname']}: {what}") from error
