"""Processes on one machine share the work; what a killed one leaves behind ends at once and is not in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import rlformer
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.runs import scratch
from rlformer.studies.executors.base import Event, Job
from rlformer.studies.executors.local import LocalProcesses
from rlformer.studies.executors.process import kill
from rlformer.studies.plan import plan
from rlformer.studies.study import Log, Study

ENV = "CartPole-v1"
PATIENCE = 120.0  # of tests on busy machines


def _locking(payload: tuple[Path, str], stop: Callable[[], bool], progress: object) -> str:
    folder, name = payload
    with files.locked(folder / f"{name}.lock", "run"):
        (folder / f"{name}.done").touch()
    return name


@pytest.mark.slow
def test_what_another_process_works_on_is_waited_for_and_the_rest_goes_on(tmp_path: Path) -> None:
    """`first` is held until `second` is done; what needs `first` comes behind it."""
    jobs = [
        Job("first", (tmp_path, "first")),
        Job("second", (tmp_path, "second")),
        Job("third", (tmp_path, "third"), needs=("first",)),
    ]
    holding = files.locked(tmp_path / "first.lock", "run")
    holding.__enter__()
    events: list[Event] = []
    for event in LocalProcesses(1, root=tmp_path).run(_locking, jobs):
        events.append(event)
        if (event.key, event.kind) == ("second", "finished"):
            holding.__exit__(None, None, None)
    assert [event.key for event in events if event.kind == "finished"] == ["second", "first", "third"]
    (waiting,) = [event for event in events if event.kind == "waiting"]
    assert waiting.key == "first"
    assert f"another process ({os.getpid()}) is working on this run" in waiting.value


_SLEEPER = """
import os, sys, time
from pathlib import Path
from rlformer.studies.executors.base import Job
from rlformer.studies.executors.local import LocalProcesses

def sleep(payload, stop, progress):
    Path(payload, str(os.getpid())).touch()
    time.sleep(600)  # it asks nobody whether it should stop, as an evaluation

if __name__ == "__main__":
    for _ in LocalProcesses(2, root=Path(sys.argv[1])).run(sleep, [Job(i, sys.argv[1]) for i in range(2)]):
        pass
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_an_orphan_ends_though_it_never_asks_and_nothing_temporary_stays(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(_SLEEPER)
    folder = tmp_path / "runs"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "sleeper.py", str(folder)], cwd=tmp_path, start_new_session=True)
    try:
        until = time.monotonic() + PATIENCE
        while len(pids := [int(path.name) for path in folder.glob("[0-9]*")]) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    until = time.monotonic() + PATIENCE
    while any(map(_alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.02)
    while list(folder.glob(".scratch*")):  # the server of processes has removed it at its own end
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_folder_of_runs_is_made_before_anything_temporary_is(tmp_path: Path) -> None:
    assert list(LocalProcesses(1, root=tmp_path / "runs").run(_locking, [])) == []
    assert (tmp_path / "runs").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="there is a file where a folder is needed"):
        list(LocalProcesses(1, root=tmp_path / "file").run(_locking, []))


def test_a_worker_is_ended_with_what_it_has_started() -> None:
    shell = ["sh", "-c", "sleep 600 & echo $!; wait"]
    with subprocess.Popen(shell, start_new_session=True, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        kill(worker)
    until = time.monotonic() + PATIENCE
    while _alive(child):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_made", {})
    monkeypatch.setattr(scratch, "_SOCKET_ROOM", 10_000)  # below the folder of a test, whose path is long
    dead = tmp_path / f".scratch.{os.uname().nodename}.{2**22 + 7}.tmp"
    (dead / "pymp-x").mkdir(parents=True)
    elsewhere = tmp_path / ".scratch.another-machine.7.tmp"
    elsewhere.mkdir()
    made = scratch.folder(tmp_path)
    assert made.parent == tmp_path
    assert made.is_dir()
    assert not dead.exists()
    assert elsewhere.exists()
    assert scratch.folder(tmp_path / "other") == made  # one a process
    made.rmdir()


COMPARE = [
    *["compare", ENV, "--arms", "random,bc,ppo", "--seeds", "2", "--jobs", "1"],
    *["--set", "ppo.steps=2048", "--set", "ppo.n_epochs=1"],
    *["--set", "bc.gradient_steps=40", "--set", "bc.width=16", "--set", "bc.layers=1"],
]


def _start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "rlformer", *words],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(rlformer.__file__).parents[1])},
    )


@pytest.mark.slow
def test_two_comparisons_share_the_work_and_say_the_same(tmp_path: Path) -> None:
    both = [_start(tmp_path, *COMPARE, "--out", f"page-{i}") for i in range(2)]
    said = [process.communicate(timeout=PATIENCE * 4)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    results = [json.loads((tmp_path / f"page-{i}" / "results.json").read_text()) for i in range(2)]
    for found in results:  # what to type next names the page's own folder
        assert all("--out page-" in step["command"] for step in found["environments"][0]["verdict"].pop("next"))
    assert results[0]["environments"] == results[1]["environments"]
    assert len(list(tmp_path.glob("runs/*/*/seed-*"))) == 6
    assert not list(tmp_path.glob("runs/.*"))


@pytest.mark.slow
def test_the_same_command_goes_on_right_after_a_kill(tmp_path: Path) -> None:
    first = _start(tmp_path, *COMPARE)
    until = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("runs/*/*/seed-*/record.json")):
        assert time.monotonic() < until
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    again = _start(tmp_path, *COMPARE)
    error = again.communicate(timeout=PATIENCE * 4)[1].decode()
    assert again.returncode == 0, error
    assert not list(tmp_path.glob("runs/.*"))


def test_a_log_that_cannot_be_cut_as_asked_is_told_before_anything_is_trained(workspace: Path) -> None:
    log = rlformer.collect("random", env=ENV, out=workspace / "log", episodes=5)
    study = Study(ENV, arms=("random", "bc"), seeds=1)
    for prefix in ("mid", "0.5", "100"):
        with pytest.raises(InputError, match="does not record"):
            plan(study.with_values({"log.prefix": prefix}), dataset=log)
    with pytest.raises(InputError, match=r"a share of 0\.001 of the log holds 1 whole episodes: two at least"):
        plan(study.with_values({"grid.budgets": [0.001, 1.0], "grid.arms": ["bc"]}), dataset=log)
    made = Study(ENV, arms=("bc", "ppo"), seeds=1, overrides={"ppo": ("steps=4096",)}, log=Log(prefix="5000"))
    with pytest.raises(InputError, match=r"log\.prefix: 5000 steps of a training of 4096"):
        plan(made)
    assert not (workspace / "runs").exists()
