"""The driver of a cluster, with a cluster that answers as it is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from rlformer.core.errors import InputError
from rlformer.studies.executors import lease, nodes
from rlformer.studies.executors.base import Died, Event, Held, Job
from rlformer.studies.executors.remote import TRIES, Remote
from rlformer.studies.executors.station import Call, Unfit, attend, call_of


class Told:
    """Answers each call at once with the next of these events."""

    def __init__(self, *answers: Event) -> None:
        self._answers, self.sent, self.killed = list(answers), 0, list[int]()

    def submit(self, calls: Sequence[Call]) -> Sequence[int]:
        first, self.sent = self.sent, self.sent + len(calls)
        return list(range(first, self.sent))

    def ended(self, tickets: Sequence[int], seconds: float) -> Sequence[tuple[int, Event]]:
        return [(ticket, self._answers[ticket]) for ticket in tickets]

    def withdraw(self, tickets: Sequence[int]) -> None:
        assert not tickets

    def kill(self, tickets: Sequence[int]) -> None:
        self.killed += tickets


def _run(folder: Path, cluster: Told, *jobs: Job) -> list[tuple[str, object]]:
    """What is told of it."""
    with lease.held(folder, "ray", print) as held:
        executor = Remote(cluster, held, nodes.look(held.session, "driver"), threads=1, beside=1, at_most=1)
        return [(event.kind, event.value) for event in executor.run(print, jobs)]


DIED = Died(None, "failed", "its node died")


def test_a_job_that_waited_for_another_process_has_not_died(tmp_path: Path) -> None:
    """Only deaths are tries."""
    waits = [Held(None, "waiting", "held", tmp_path / "free")] * (TRIES + 1)
    cluster = Told(*waits, DIED, Event(None, "finished", "done"))
    told = _run(tmp_path, cluster, Job("a", None))
    assert [each for each in told if each[0] not in ("started", "waiting")] == [
        ("again", "its node died"),
        ("finished", "done"),
    ]
    assert cluster.sent == TRIES + 3


def test_a_job_that_always_dies_fails_and_says_how_often(tmp_path: Path) -> None:
    cluster = Told(*[DIED] * TRIES)
    told = _run(tmp_path, cluster, Job("a", None))
    assert told[-1] == ("failed", f"its node died, {TRIES} times")
    assert cluster.sent == TRIES
    assert cluster.killed == []


def test_a_machine_that_cannot_work_ends_the_study_and_no_other_job_begins(tmp_path: Path) -> None:
    cluster = Told(Unfit(None, "failed", "node b has other versions"))
    with pytest.raises(InputError, match="node b has other versions"):
        _run(tmp_path, cluster, Job("a", None), Job("b", None))
    assert cluster.sent == 1


def _call(session: lease.Session, here: nodes.Node) -> Call:
    return call_of(Job("a", None), print, session, "job-1", here, threads=1, jobs=1)


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    """As one that joined the cluster after the probe. It has not been taken away, so that no try would help."""
    with lease.held(tmp_path / "here", "ray", print) as held:
        here = nodes.look(held.session, "driver")
        event = attend(_call(lease.Session(tmp_path / "elsewhere", held.session.token), here))
    assert isinstance(event, Unfit)
    assert "does not see the driver's folder" in event.value


def test_a_call_that_begins_when_the_driver_stops_is_no_fault_of_its_machine(tmp_path: Path) -> None:
    with lease.held(tmp_path, "ray", print) as held:
        here = nodes.look(held.session, "driver")
        held.stop()
        event = attend(_call(held.session, here))
    assert event == Event("a", "interrupted")
