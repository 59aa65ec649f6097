"""Logs in shards: collected side by side, joined of logs that exist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import rlformer
from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.data.dataset import Dataset
from rlformer.data.folder import LOCK, load
from rlformer.studies import executors
from rlformer.studies.executors import lease
from rlformer.studies.executors.base import Event, Held, Job, Request, Work
from rlformer.studies.executors.process import outcome
from tests.support.make_sequences import SPACES
from tests.support.make_sequences import log as random_log


class Here:
    """Runs jobs in this process, the last one first."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.ran: list[object] = []
        self._stop_after = stop_after

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        for job in reversed(tasks):
            if len(self.ran) == self._stop_after:
                raise Interrupted
            self.ran.append(job.key)
            yield Event(job.key, "started")
            yield Event(job.key, "finished", work(job.payload, lambda: False, lambda done, total, note: None))


def collected(out: Path, shards: int | None = 3, on: Here | None = None, **size: int) -> Dataset:
    return rlformer.collect(
        "random",
        env="CartPole-v1",
        out=out,
        shards=shards,
        on=on or ("local" if shards is None else Here()),
        **(size or {"episodes": 8}),
    )


def assert_same_episodes(one: Dataset, other: Dataset) -> None:
    for episode, twin in zip(one, other, strict=True):
        for name, value in vars(episode).items():
            np.testing.assert_array_equal(value, getattr(twin, name))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of change of each file below a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Collecting


def test_shards_of_episodes_are_the_log_in_one_piece(tmp_path: Path) -> None:
    one, log = collected(tmp_path / "one", None), collected(tmp_path / "log")
    assert [shard.num_episodes for shard in log.shards] == [2, 3, 3]
    assert_same_episodes(one, log)
    assert log.upstream_env_steps == one.upstream_env_steps == one.num_steps
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [
        *(f"shard-000{i}" for i in range(3)),
        "shards.json",
    ]


def test_shards_of_steps_have_seeds_of_their_own(tmp_path: Path) -> None:
    log = collected(tmp_path / "log", 4, steps=201)
    assert len({episode.seed for episode in log}) == len(log)
    for shard, steps in zip(log.shards, (50, 50, 50, 51), strict=True):
        assert steps <= shard.num_steps < steps + shard.lengths[-1]
    assert log.num_steps >= 201


@pytest.mark.slow
def test_what_shards_hold_does_not_depend_on_how_many_are_made_at_a_time(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "rlformer",
        "collect",
        "random",
        "--env",
        "CartPole-v1",
        "--episodes",
        "8",
        "--json",
    ]
    told = [
        json.loads(
            subprocess.run(
                [*command, "--episodes", "8", "--shards", "3", "--jobs", str(jobs), "--out", str(tmp_path / f"{jobs}")],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for jobs in (1, 2)
    ]
    assert told[0]["hash"] == told[1]["hash"] == collected(tmp_path / "here").hash


def test_the_same_command_leaves_a_finished_log_alone(tmp_path: Path) -> None:
    collected(tmp_path / "log")
    before, here = contents(tmp_path / "log"), Here()
    collected(tmp_path / "log", on=here)
    assert here.ran == []
    assert contents(tmp_path / "log") == before


def test_what_was_interrupted_goes_on_and_keeps_finished_shards(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        collected(tmp_path / "log", on=Here(stop_after=1))
    with pytest.raises(InputError, match="unfinished dataset; run the command that makes it again"):
        load(tmp_path / "log")
    before = contents(tmp_path / "log" / "shard-0002")
    log = collected(tmp_path / "log")
    assert contents(tmp_path / "log" / "shard-0002") == before
    assert log.hash == collected(tmp_path / "other").hash


@pytest.mark.parametrize("damage", ["lost", "torn"])
def test_a_damaged_shard_is_made_anew_and_no_other(tmp_path: Path, damage: str) -> None:
    log = collected(tmp_path / "log")
    before = contents(tmp_path / "log" / "shard-0000")
    if damage == "lost":
        shutil.rmtree(tmp_path / "log" / "shard-0001")
    else:
        path = tmp_path / "log" / "shard-0001" / "rewards.npy"
        path.write_bytes(path.read_bytes()[:-8])
    again = collected(tmp_path / "log")
    assert again.hash == log.hash
    assert contents(tmp_path / "log" / "shard-0000") == before


def test_other_settings_do_not_touch_what_is_there(tmp_path: Path) -> None:
    collected(tmp_path / "log")
    for changes in ({"shards": 2}, {"shards": 3, "episodes": 9}):
        with pytest.raises(InputError, match="choose another --out or remove it"):
            collected(tmp_path / "log", **changes)
    with pytest.raises(InputError, match="choose another --out or remove it"):
        collected(tmp_path / "log", None)
    assert len(load(tmp_path / "log")) == 8
    collected(tmp_path / "one", None)
    with pytest.raises(InputError, match="there is already a dataset"):
        collected(tmp_path / "one")


def test_each_log_has_a_driver_of_its_own_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs in one folder are collected side by side, on a cluster too."""
    asked: list[Request] = []

    @contextmanager
    def opened(place: executors.Place, request: Request) -> Iterator[Here]:
        asked.append(request)
        with lease.held(request.folder, place.name, print):
            yield Here()

    monkeypatch.setattr("rlformer.api.policies.opened", opened)
    with lease.held(tmp_path, "ray", print):
        rlformer.collect("random", env="CartPole-v1", out=tmp_path / "log", episodes=2, shards=2, on="ray")
    assert [request.folder for request in asked] == [tmp_path / "log"]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["shard-0000", "shard-0001", "shards.json"]


def test_a_shard_on_which_another_process_works_is_waited_for(tmp_path: Path) -> None:
    """As one that a driver left behind which was killed."""

    class Busy(Here):
        def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
            lock = files.writable_directory(tasks[0].payload.folder) / LOCK
            with files.locked(lock, "dataset"):
                event = outcome(work, tasks[0], lambda: False, lambda done, total, note: None)
            assert event == Held(tasks[0].key, "waiting", event.value, lock)
            yield from super().run(work, tasks)

    assert len(collected(tmp_path / "log", on=Busy())) == 8


def test_more_shards_than_episodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="--shards 9: each shard needs at least one episode or step, and only 8 are asked for"
    ):
        collected(tmp_path / "log", 9)
    with pytest.raises(InputError, match="--shards: a whole number from 1"):
        collected(tmp_path / "log", 0)
    with pytest.raises(InputError, match=r"--jobs: .*--shards N"):
        rlformer.collect("random", env="CartPole-v1", episodes=8, jobs=2, out=tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    with pytest.raises(InputError, match="there is a file where a folder is needed"):
        collected(tmp_path / "log")


@pytest.mark.slow
def test_a_killed_command_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rlformer", "collect", "random", "--env", "CartPole-v1", "--episodes", "3000"]
    command += ["--shards", "6", "--jobs", "1", "--out", str(tmp_path / "log")]
    killed = subprocess.Popen(command, start_new_session=True)
    while not (tmp_path / "log" / "shard-0001").is_dir():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    while os.path.exists(f"/proc/{killed.pid}"):
        time.sleep(0.01)
    assert not (tmp_path / "log" / "shards.json").exists()
    time.sleep(2)  # workers end within a second of their parent
    subprocess.run(command, check=True, capture_output=True)
    log = load(tmp_path / "log", verify=True)
    assert len(log) == 3000
    assert len({episode.seed for episode in log}) == 3000


# Joining


def made(path: Path, seed: int) -> Path:
    """A random log with three episodes, in one piece."""
    rlformer.collect("random", env="CartPole-v1", episodes=3, seed=seed, out=path)
    return path


def foreign(path: Path, seed: int) -> Path:
    """An NPZ of another program."""
    log = random_log(SPACES["discrete"], (4, 6), seed)
    ends = np.zeros(10, bool)
    ends[[3, 9]] = True
    rows = np.concatenate([np.asarray(episode.observations)[:-1] for episode in log])
    np.savez(path, observations=rows, actions=log.actions, rewards=log.rewards, terminals=ends)
    return path


def test_datasets_are_joined_where_they_lie(tmp_path: Path) -> None:
    parts = [made(tmp_path / f"{seed}", seed) for seed in range(2)]
    log = rlformer.join(parts, tmp_path / "log")
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["shards.json"]
    assert_same_episodes(load(parts[0]), log.select(np.arange(3), "first"))
    assert log.upstream_env_steps == log.num_steps
    shutil.copytree(tmp_path, tmp_path.parent / "moved", dirs_exist_ok=True)  # together they may move
    assert load(tmp_path.parent / "moved" / "log").hash == log.hash


def test_logs_of_others_are_imported_once(tmp_path: Path) -> None:
    parts = [foreign(tmp_path / f"{seed}.npz", seed) for seed in range(2)]
    log = rlformer.join(parts, tmp_path / "log")
    assert (len(log), log.num_steps) == (4, 20)
    before = contents(tmp_path / "log")
    assert rlformer.join(parts, tmp_path / "log").hash == log.hash
    assert contents(tmp_path / "log") == before


def test_shards_of_a_part_are_listed_themselves(tmp_path: Path) -> None:
    inner = rlformer.join([made(tmp_path / "0", 0), made(tmp_path / "1", 1)], tmp_path / "inner")
    log = rlformer.join([made(tmp_path / "2", 2), tmp_path / "inner"], tmp_path / "log")
    assert len(log.shards) == 3
    assert len(inner.shards) == 2


def test_what_cannot_be_joined_leaves_nothing(tmp_path: Path) -> None:
    log, npz = made(tmp_path / "a", 0), foreign(tmp_path / "b.npz", 0)
    wrong = [
        ([], "nothing to join"),
        ([log, log], "a shard twice"),
        ([npz, npz], "a shard twice"),
        ([log, npz], "does not belong to one log with"),
        ([tmp_path / "nowhere"], "no such file or folder"),
    ]
    for parts, message in wrong:
        with pytest.raises(InputError, match=message):
            rlformer.join(parts, tmp_path / "log")
        assert not (tmp_path / "log").exists()
    with pytest.raises(InputError, match="reward_column has no effect"):
        rlformer.join([log], tmp_path / "log", reward_column=1)
    with pytest.raises(InputError, match=r"actions are|observations have"):
        rlformer.join([log], tmp_path / "log", env="Acrobot-v1")


def test_another_joined_log_is_left_alone(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", 0), made(tmp_path / "b", 1)
    rlformer.join([a, b], tmp_path / "log")
    with pytest.raises(InputError, match="already a log of other parts"):
        rlformer.join([b, a], tmp_path / "log")
    with pytest.raises(InputError, match="there is already a dataset"):
        rlformer.join([b], tmp_path / "a")
