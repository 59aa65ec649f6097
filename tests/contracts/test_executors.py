"""Every executor of the registry keeps the same contract: order, needs, failures, skips, progress, stopping, deaths."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rlformer.core.errors import InputError, Interrupted
from rlformer.core.extras import EXTRAS, missing_extra
from rlformer.studies import executors
from rlformer.studies.executors import EXECUTORS, Place, lease
from rlformer.studies.executors.base import Event, Executor, Job, Request

PATIENCE = 300.0  # on busy machines
Opened = Callable[[Path], AbstractContextManager[Executor]]


def _on_this_machine(folder: Path) -> AbstractContextManager[Executor]:
    return executors.opened(Place("local"), Request(folder, folder, jobs=1))


def _on_ray(folder: Path) -> AbstractContextManager[Executor]:
    return executors.opened(Place("ray"), Request(folder, folder, jobs=1))


@contextmanager
def _in_processes_of_submitit(folder: Path) -> Iterator[Executor]:
    """As SLURM, whose jobs are processes of this machine."""
    from rlformer.studies.executors import slurm

    request = Request(folder, folder, jobs=1)
    with lease.held(folder, "slurm", request.tell) as held:
        yield slurm.over("local", None, request, held)


TESTED: dict[str, Opened] = {"local": _on_this_machine, "ray": _on_ray, "slurm": _in_processes_of_submitit}


def test_every_executor_is_tested() -> None:
    assert set(TESTED) == set(EXECUTORS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of whoever starts the Ray of all tests, who says nothing of tokens."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[None]:
    """One Ray for all tests."""
    ray = pytest.importorskip("ray")
    from rlformer.studies.executors.ray_cluster import started

    with ExitStack() as stack:
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        patched.setenv("HOME", str(home))
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
            patched.delenv(name, raising=False)
        try:
            stack.enter_context(started(ray, 2, log_to_driver=False, logging_level="CRITICAL"))
        except InputError as error:  # little shared memory, no loopback: what of this machine Ray lacks
            pytest.skip(str(error))
        yield


@pytest.fixture(params=sorted(TESTED))
def opened(request: pytest.FixtureRequest) -> Opened:
    if request.param in EXTRAS and missing_extra(request.param):
        pytest.skip(f"the extra {request.param} is not installed")
    if request.param == "ray":
        request.getfixturevalue("cluster")
    found: Opened = TESTED[request.param]
    return found


def _work(payload: tuple[str, Path], stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> Any:
    """What a job does: its name says it."""
    name, folder = payload
    with (folder / "order").open("a") as file:
        file.write(name + "\n")
    if name == "fails":
        raise ValueError("it does not work")
    if name == "is refused":
        raise InputError("no such thing")
    if name == "tells":
        progress(1, 2, "half")
        time.sleep(3)  # until somebody looked
    if name in ("sleeps", "dies once"):
        (folder / name).write_text(str(os.getpid()))
        if name == "sleeps" or len((folder / "order").read_text().splitlines()) == 1:
            while not stop():
                time.sleep(0.05)
            (folder / "saved").touch()
            raise Interrupted
    return os.environ["OMP_NUM_THREADS"], os.getcwd()


def _jobs(folder: Path, *names: str, **needs: str) -> list[Job]:
    return [Job((name, 0), (name, folder), tuple((need, 0) for need in needs.get(name, "").split())) for name in names]


def _all(executor: Executor, jobs: list[Job]) -> list[Event]:
    return list(executor.run(_work, jobs))


def _kinds(events: list[Event], *kinds: str) -> list[tuple[str, str]]:
    return [(event.key[0], event.kind) for event in events if event.kind in kinds]  # type: ignore[index]


@pytest.mark.slow
def test_order_needs_failures_and_skips(opened: Opened, workspace: Path) -> None:
    """`second` needs `tells`; what needs a failed job is skipped, and what needs that one too; the rest goes on."""
    names = ("second", "tells", "fails", "lost", "last", "is refused")
    jobs = _jobs(workspace, *names, second="tells", lost="fails", last="lost")
    with opened(workspace / "runs") as executor:
        events = _all(executor, jobs)
        assert _all(executor, []) == []
    assert (workspace / "order").read_text().split("\n")[:4] == ["tells", "second", "fails", "is refused"]
    ends = dict(_kinds(events, "finished", "failed", "skipped"))
    assert ends == {
        "tells": "finished", "second": "finished", "fails": "failed", "is refused": "failed", "lost": "skipped",
        "last": "skipped",
    }  # fmt: skip
    told = {event.key[0]: event.value for event in events if event.kind in ("failed", "skipped")}  # type: ignore[index]
    assert told == {
        "fails": "ValueError: it does not work", "is refused": "no such thing", "lost": "fails seed 0 did not finish",
        "last": "lost seed 0 did not finish",
    }  # fmt: skip
    assert [event.value for event in events if event.kind == "progress"][-1] == (1, 2, "half")
    own = _kinds(events, "started", "progress", "finished")
    assert own.index(("tells", "started")) < own.index(("tells", "progress")) < own.index(("tells", "finished"))
    assert {event.value for event in events if event.kind == "finished"} == {("1", str(workspace))}
    assert not list((workspace / "runs").iterdir())  # nothing of the driver stays


@pytest.mark.slow
def test_stopping_saves_what_runs_and_begins_nothing_else(opened: Opened, workspace: Path) -> None:
    """As Ctrl-C while a job waits."""
    thread = threading.Thread(target=_interrupt_once, args=(workspace / "sleeps",))
    thread.start()
    events: list[Event] = []
    with opened(workspace / "runs") as executor, pytest.raises(Interrupted):
        events.extend(executor.run(_work, _jobs(workspace, "sleeps", "waits")))
    thread.join()
    assert (workspace / "saved").exists()
    assert (workspace / "order").read_text() == "sleeps\n"
    assert not list((workspace / "runs").iterdir())


@pytest.mark.slow
def test_what_waits_in_the_queue_of_ray_is_taken_back(workspace: Path, cluster: None) -> None:
    """The first job has all cores of the cluster."""
    thread = threading.Thread(target=_interrupt_once, args=(workspace / "sleeps",))
    thread.start()
    events: list[Event] = []
    request = Request(workspace / "runs", workspace / "runs", threads=2)
    with executors.opened(Place("ray"), request) as executor, pytest.raises(Interrupted):
        events.extend(executor.run(_work, _jobs(workspace, "sleeps", "waits")))
    thread.join()
    assert (workspace / "saved").exists()
    assert (workspace / "order").read_text() == "sleeps\n"
    assert sorted(_kinds(events, "interrupted")) == [("sleeps", "interrupted"), ("waits", "interrupted")]


def _interrupt_once(file: Path) -> None:
    _wait_for(lambda: file.exists() and bool(file.read_text()))
    os.kill(os.getpid(), signal.SIGINT)


def _wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_process_fails_here_and_begins_again_elsewhere(
    opened: Opened, workspace: Path, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["opened"]
    thread = threading.Thread(target=_kill_once, args=(workspace / "dies once",))
    thread.start()
    with opened(workspace / "runs") as executor:
        events = _all(executor, _jobs(workspace, "dies once", "goes on"))
    thread.join()
    ends = dict(_kinds(events, "finished", "failed"))
    assert ends == {"dies once": "finished" if EXECUTORS[kind].own_machines else "failed", "goes on": "finished"}
    (told,) = [event for event in events if event.kind in ("failed", "again")]
    assert told.value == "its process ended with exit code -9"


def _kill_once(file: Path) -> None:
    _wait_for(lambda: file.exists() and bool(file.read_text()))
    os.kill(int(file.read_text()), signal.SIGKILL)


@pytest.mark.slow
def test_a_job_that_slurm_takes_away_saves_and_goes_on_in_the_next(workspace: Path) -> None:
    """The signal before the end of its time, as submitit hands it on: the job asks to be queued again."""
    pytest.importorskip("submitit")
    thread = threading.Thread(target=_warn_once, args=(workspace / "dies once",))
    thread.start()
    with _in_processes_of_submitit(workspace / "runs") as executor:
        events = _all(executor, _jobs(workspace, "dies once"))
    thread.join()
    assert (workspace / "saved").exists()
    assert (workspace / "order").read_text() == "dies once\ndies once\n"
    assert _kinds(events, "finished", "failed", "again") == [("dies once", "finished")]


def _warn_once(file: Path) -> None:
    """Its parent is forked by the process of submitit's job, whose command names a folder of the driver."""
    _wait_for(lambda: file.exists() and bool(file.read_text()))
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"submitit.core._submit" in command and str(file.parent).encode() in b" ".join(command):
            os.kill(int(folder.name), signal.SIGUSR2)


@pytest.mark.slow
def test_a_machine_that_cannot_work_for_the_driver_ends_the_study(
    workspace: Path, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of torch, as the driver sees it: told by the probe, before any job."""
    from rlformer.studies.executors import nodes

    versions = dict(nodes.versions())
    monkeypatch.setattr(nodes, "versions", lambda: {**versions, "torch": "0.1"})
    told = rf"has other versions .*torch {re.escape(versions['torch'])} instead of 0\.1.*pip install"
    with pytest.raises(InputError, match=told), _on_ray(workspace / "runs"):
        pass
    assert not list((workspace / "runs").iterdir())


@pytest.mark.slow
def test_a_ray_of_this_machine_leaves_nothing_at_home_and_who_has_not_its_token_is_told_so(
    workspace: Path, cluster: None, home: Path
) -> None:
    """One line, on the cluster's own token; Ray's twenty are not shown."""
    import ray

    assert not list(home.iterdir())
    port = ray.get_runtime_context().gcs_address.rpartition(":")[2]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    command = [sys.executable, "-m", "rlformer", "compare", "CartPole-v1", "--on", f"ray:127.0.0.1:{port}"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert answer.returncode == 2
    assert answer.stderr == (
        f"error: ray:127.0.0.1:{port}: the cluster asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to "
        "what ray get-auth-token shows on its head\n"
    )
    assert not list((workspace / "runs/CartPole-v1").iterdir())
