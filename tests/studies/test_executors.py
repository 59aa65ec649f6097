"""What `--on` takes, one driver a study, what a machine must have, and whose seconds are compared."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import rlformer
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.studies import executors, specify
from rlformer.studies.executors import Place, lease, nodes
from rlformer.studies.executors.base import Died, Event, Held, Job, Request
from rlformer.studies.executors.lease import Session, Watch
from rlformer.studies.executors.nodes import Node
from rlformer.studies.executors.queue import Queue


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rya", "--on rya: unknown executor 'rya'; did you mean 'ray'?"),
        ("", r"--on : unknown executor ''; valid: local, ray, slurm"),
        ("local:4", "--on local:4: nothing follows local"),
        ("ray:", "--on ray:: ray:ADDRESS"),
        ("slurm: gpu", "--on slurm: gpu: slurm:PARTITION"),
    ],
)
def test_what_names_no_executor_is_told_before_anything(workspace: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        rlformer.compare("CartPole-v1", on=text)
    assert not list(workspace.iterdir())


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("nowhere", "no address: ray:HOST:PORT"),
        ("10.0.0.1:", "no address: ray:HOST:PORT"),
        ("10.0.0.1:99999", "no address: ray:HOST:PORT"),
        ("ray://10.0.0.1:10001", "a client of Ray sees no nodes: give HOST:PORT"),
    ],
)
def test_what_is_no_address_of_ray_is_told(tmp_path: Path, at: str, told: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=told), executors.opened(Place("ray", at), Request(tmp_path, tmp_path)):
        pass
    assert not list(tmp_path.iterdir())


def test_an_address_where_no_ray_is_answers_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = Place("ray", f"127.0.0.1:{port}")
    with (
        pytest.raises(InputError, match="no Ray cluster responds there"),
        executors.opened(place, Request(tmp_path, tmp_path)),
    ):
        pass


def _open(on: str, folder: Path, root: Path | None = None) -> None:
    """Open an executor, and close it."""
    with executors.opened(Place.parse(on), Request(folder, root or folder)):
        pass


def _hold(folder: Path, on: str, tell: Callable[[str], None] = print) -> None:
    """Take a lease, and give it back."""
    with lease.held(folder, on, tell):
        pass


@pytest.mark.parametrize(("name", "extra"), [("ray", "ray"), ("slurm", "slurm")])
def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str) -> None:
    monkeypatch.setattr("rlformer.core.extras.find_spec", lambda module: None)
    with pytest.raises(InputError, match=rf"pip install 'rlformer\[{extra}\]'"):
        _open(name, tmp_path)


def test_without_slurm_here_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with (
        pytest.raises(InputError, match="no SLURM here"),
        executors.opened(Place("slurm"), Request(tmp_path, tmp_path)),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_second_driver_is_refused_while_the_first_lives_and_a_local_one_too(tmp_path: Path) -> None:
    told: list[str] = []
    with lease.held(tmp_path, "ray", told.append):
        with pytest.raises(InputError, match=rf"another driver works here \(on .*, process {os.getpid()}"):
            _hold(tmp_path, "slurm")
        with pytest.raises(InputError, match="another driver works here"):
            _open("local", tmp_path)
    assert not list(tmp_path.iterdir())
    with lease.held(tmp_path, "ray", told.append):
        pass
    assert told == []


def _left(folder: Path, **changes: object) -> Path:
    """The lease of a driver that was killed."""
    sign = {"token": "0" * 16, "host": "other", "machine": "other", "pid": 1, "on": "ray", "beat": 3, "stop": False}
    path = folder / lease.NAME
    path.write_text(json.dumps({**sign, **changes}))
    (folder / f".driver-{'0' * 16}").mkdir()
    return path


def test_the_place_of_a_dead_process_of_this_machine_is_free_at_once(tmp_path: Path) -> None:
    told: list[str] = []
    _left(tmp_path, machine=lease._machine(), pid=2**22 + 7)
    with lease.held(tmp_path, "ray", told.append):
        assert not (tmp_path / f".driver-{'0' * 16}").exists()
    assert len(told) == 1
    assert "this command takes over" in told[0]


def test_the_place_of_another_host_is_free_after_a_minute_without_a_sign_of_life(tmp_path: Path) -> None:
    told: list[str] = []
    path = _left(tmp_path)
    with pytest.raises(InputError, match="on other, process 1, --on ray"), lease.held(tmp_path, "ray", told.append):
        pass
    past = time.time() - lease.EXPIRED_SECONDS - 5
    os.utime(path, (past, past))
    with lease.held(tmp_path, "ray", told.append):
        pass
    assert len(told) == 1


def test_a_driver_that_was_taken_over_ends_and_leaves_the_place_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEWED_SECONDS", 0.02)
    with lease.held(tmp_path, "ray", print) as held:
        watch = Watch(held.session)
        assert not watch.stop()
        held.check()
        path = _left(tmp_path)
        until = time.monotonic() + 60
        while not held._lost:
            assert time.monotonic() < until
            time.sleep(0.01)
        with pytest.raises(InputError, match="another driver has taken its place"):
            held.check()
        monkeypatch.setattr(lease, "_LOOKING_SECONDS", 0.0)
        assert watch.stop()  # so does whoever works for it
    assert json.loads(path.read_text())["host"] == "other"


def test_a_lease_that_cannot_be_read_for_a_moment_is_not_lost(tmp_path: Path) -> None:
    """As on a network that is away: a folder in place of the file cannot be read either."""
    with lease.held(tmp_path, "ray", print) as held:
        path = tmp_path / lease.NAME
        text = path.read_text()
        path.unlink()
        path.mkdir()
        held.stop()
        held.check()
        path.rmdir()
        path.write_text(text)
        held.stop()
        held.check()
        assert json.loads(path.read_text())["stop"]


def test_a_lease_whose_folder_cannot_be_made_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "a")
    (tmp_path / ".driver-a").touch()
    with pytest.raises(InputError, match=r"\.driver-a: cannot be written: File exists"):
        _hold(tmp_path, "ray")
    assert [path.name for path in tmp_path.iterdir()] == [".driver-a"]


def test_workers_stop_when_their_driver_asks_or_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_LOOKING_SECONDS", 0.0)
    with lease.held(tmp_path, "ray", print) as held:
        first, second = Watch(held.session), Watch(held.session)
        assert not first.stop()
        held.stop()
        assert first.stop()
    assert second.stop()
    with lease.held(tmp_path, "ray", print) as held:
        monkeypatch.setattr(lease, "ORPHANED_SECONDS", -1.0)
        assert Watch(held.session).stop()  # silent for too long


def test_workers_stop_when_their_driver_asks_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_json", full)
    with lease.held(tmp_path, "ray", print) as held:
        before, after = Watch(held.session), Watch(held.session)
        assert not before.stop()
        held.stop()
        assert after.stop()
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_locked_one_local_driver_has_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert not files.lockable(tmp_path)
    with files.locked(tmp_path / "lock", "run"):
        assert files.is_free(tmp_path / "lock")
    request = Request(tmp_path / "study", tmp_path)
    held = executors.opened(Place("local"), request)
    with held, pytest.raises(InputError, match="another driver works here"):
        _open("local", request.folder, request.root)


def _nodes(tmp_path: Path) -> tuple[Session, Node]:
    session = Session(tmp_path, "a")
    session.work.mkdir()
    session.nonce.write_text("a")
    return session, nodes.look(session, "here")


def test_a_machine_must_see_and_write_the_driver_s_folder_and_have_its_versions(tmp_path: Path) -> None:
    session, here = _nodes(tmp_path)
    nodes.check(session, here, here, "here")
    for change, told in [
        ({"reads": False}, "node there does not see the driver's folder .*: give a folder .* that all nodes share"),
        (
            {"refused": "Read-only file system"},
            r"node there cannot write into .* \(Read-only file system\): give a folder",
        ),
        ({"refused": "a full disk"}, r"node there cannot write into .* \(a full disk\): make room there"),
        ({"versions": {**here.versions, "torch": "0.1"}}, r"torch 0\.1 instead of .*: install the same"),
        ({"versions": {**here.versions, "rlformer's code": "b"}}, "rlformer's code b instead of"),
    ]:
        with pytest.raises(InputError, match=told):
            nodes.check(session, here, replace(here, host="there", **change))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="does not reach the driver"):
        nodes.check(session, here, here, "nowhere")
    other = Session(tmp_path / "other", "a")  # a folder of the same name elsewhere
    assert not nodes.look(other, "x").reads


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, here = _nodes(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    there = nodes.look(session, "there")
    with pytest.raises(InputError, match=r"cannot write into .* \(a full disk\): make room there"):
        nodes.check(session, here, there)


def test_elsewhere_a_gpu_is_handed_out_and_not_looked_for_here() -> None:
    assert specify.devices({}, "cuda", elsewhere=True) == {}
    with pytest.raises(InputError, match="--device cuda:1: where runs are made on other machines, cuda gives each"):
        specify.devices({}, "cuda:1", elsewhere=True)


def test_a_queue_begins_what_was_let_go_of_first_and_again_what_died(tmp_path: Path) -> None:
    queue = Queue([Job("a", None), Job("b", None), Job("c", None, ("a",))])
    assert [job.key for job in queue.begin(1)] == ["a"]
    assert queue.begin(1) == []
    assert queue.take(Held("a", "waiting", "", tmp_path / "free"))
    assert [job.key for job in queue.begin(1)] == ["a"]
    assert not queue.take(Held("a", "waiting", "", tmp_path / "free"))  # told once
    assert [job.key for job in queue.begin()] == ["a", "b"]
    queue.again("b")
    assert [job.key for job in queue.begin()] == ["b"]
    queue.take(Died("a", "failed", "gone"))
    assert [(event.key, event.kind, event.value) for event in queue.skip()] == [("c", "skipped", "a did not finish")]
    queue.take(Event("b", "finished"))
    assert not queue.left


@pytest.mark.skipif(os.geteuid() == 0 or sys.platform != "linux", reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"), lease.held(tmp_path, "ray", print):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.slow
def test_ctrl_c_while_the_server_of_processes_imports_ends_nothing(tmp_path: Path) -> None:
    """A terminal sends it to the whole group; the driver asks the runs to save, and they do."""
    code = """
import os, signal, sys
from multiprocessing import forkserver
from pathlib import Path
from rlformer.studies.executors.base import Job
from rlformer.studies.executors.process import Forked, start_server, surroundings
from tests.studies.test_executors import answered

start_server(1, Path(sys.argv[1]))
os.kill(vars(forkserver)["_forkserver"]._forkserver_pid, signal.SIGINT)
with surroundings(1, Path(sys.argv[1])):
    print(Forked(answered, Job("a", 41), 1, 1).next())
"""
    root = Path(__file__).resolve().parents[2]
    where = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=where, cwd=root, check=False
    )
    assert (done.stdout, done.stderr) == (f"{Event('a', 'finished', 42)}\n", "")


def answered(payload: int, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> int:
    """A job that says it can be stopped, and is not asked to."""
    assert not stop()
    return payload + 1
