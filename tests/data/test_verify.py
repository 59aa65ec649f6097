"""A dataset is what was written, or one line names the file that is not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data import folder, verify
from rlformer.data.arrays import ARRAYS
from rlformer.data.dataset import Dataset, DatasetInfo
from rlformer.data.folder import LOCK, load, set_aside_damaged
from rlformer.data.writer import DatasetWriter

INFO = DatasetInfo("E", Spaces.plain((2,), ActionSpec("discrete", (3,))))
FILES = [f"{name}.npy" for name in ARRAYS]


def written(path: Path, episodes: int = 3) -> Dataset:
    rng = np.random.default_rng(0)
    with DatasetWriter(path, INFO) as writer:
        for i in range(episodes):
            steps = i + 2
            observations = rng.standard_normal((steps + 1, 2)).astype(np.float32)
            episode = Episode(observations, rng.integers(0, 3, steps), rng.random(steps), True, False, seed=i)
            writer.add(episode, behaviour_steps=10 * i)
        return writer.finish()


def flip(path: Path, at: int = -3) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [*FILES, "dataset.json"])
def test_one_changed_byte_is_found_out_and_its_file_named(tmp_path: Path, name: str) -> None:
    written(tmp_path / "log")
    if name == "dataset.json":
        text = (tmp_path / "log" / name).read_text()
        (tmp_path / "log" / name).write_text(text.replace('"env": "E"', '"env": "F"'))
    else:
        flip(tmp_path / "log" / name)
    with pytest.raises(InputError) as error:
        load(tmp_path / "log")
    assert str(tmp_path / "log" / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [*FILES, "dataset.json"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_is_one_line(tmp_path: Path, name: str, kept: float) -> None:
    written(tmp_path / "log")
    path = tmp_path / "log" / name
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError) as error:
        load(tmp_path / "log")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where it was written, nor where a copy was found right before."""
    read: list[Path] = []
    monkeypatch.setattr(verify, "verify", lambda folder, *rest: read.append(folder))
    written(tmp_path / "log")
    shutil.copytree(tmp_path / "log", tmp_path / "copy")
    load(tmp_path / "log")
    assert read == []
    load(tmp_path / "copy")
    assert not (tmp_path / "copy" / verify.STAMP).exists()  # who only looks writes nothing
    load(tmp_path / "copy", remember=True)
    load(tmp_path / "copy")
    assert read == 2 * [tmp_path / "copy"]
    load(tmp_path / "copy", verify=True)
    assert len(read) == 3


def test_a_change_that_hides_its_time_is_found_by_verifying(tmp_path: Path) -> None:
    written(tmp_path / "log")
    path = tmp_path / "log/rewards.npy"
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InputError, match=r"rewards\.npy: damaged: its content is not what was written"):
        load(tmp_path / "log", verify=True)


def _action(arrays: dict[str, np.ndarray]) -> None:
    arrays["actions"][1] = 7


def _reward(arrays: dict[str, np.ndarray]) -> None:
    arrays["rewards"][2] = np.nan


def _observation(arrays: dict[str, np.ndarray]) -> None:
    arrays["observations"][0, 1] = np.inf


def _flag(arrays: dict[str, np.ndarray]) -> None:
    arrays["episodes"]["terminated"].view(np.uint8)[:] = 7


def _length(arrays: dict[str, np.ndarray]) -> None:
    arrays["episodes"]["length"][:2] = 0, 5


def _seed(arrays: dict[str, np.ndarray]) -> None:
    arrays["episodes"]["seed"][0] = -5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_action, r"actions.npy: damaged: row 1 lies outside of discrete \[3\]"),
        (_reward, "rewards.npy: damaged: row 2 is not finite"),
        (_observation, "observations.npy: damaged: row 0 is not finite"),
        (_flag, "episodes.npy: damaged: 'terminated' is neither true nor false"),
        (_length, "episodes.npy: damaged: episode 0 has no steps"),
        (_seed, "episodes.npy: damaged: a negative seed"),
    ],
)
def test_values_that_no_episode_has_are_found_though_every_digest_fits(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], said: str
) -> None:
    written(tmp_path / "log")
    folder = tmp_path / "log"
    arrays = {name: np.load(folder / f"{name}.npy") for name in ARRAYS}
    change(arrays)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    about = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**about, "digests": verify.digests(folder, about)}))
    with pytest.raises(InputError, match=said):
        load(folder)


def test_a_dataset_of_before_has_one_hash_of_all_its_arrays(tmp_path: Path) -> None:
    hash_ = written(tmp_path / "log").hash
    about = json.loads((tmp_path / "log/dataset.json").read_text())
    del about["digests"], about["stamp"]
    (tmp_path / "log/dataset.json").write_text(json.dumps(about))
    assert load(tmp_path / "log").hash == hash_
    flip(tmp_path / "log/actions.npy", -8)
    with pytest.raises(InputError, match="is not what was written"):
        load(tmp_path / "log")


@pytest.mark.parametrize(
    "left",
    [[], [".probe-1"], [".lock"], [".lock", ".progress.json.elsewhere.7.tmp"], [".lock", ".progress.json.{me}.tmp"]],
)
def test_what_a_writer_left_that_was_killed_at_its_start_is_not_in_the_way(tmp_path: Path, left: list[str]) -> None:
    (tmp_path / "log").mkdir()
    dead = 2**22 + 7  # no process has this number
    for name in left:
        (tmp_path / "log" / name.format(me=f"{os.uname().nodename}.{dead}").replace("-1", f"-{dead}")).touch()
    assert len(written(tmp_path / "log")) == 3
    there = {path.name for path in (tmp_path / "log").iterdir()}
    assert there - {".progress.json.elsewhere.7.tmp"} == {*FILES, "dataset.json"}  # another machine's may be in use


def test_a_folder_with_anything_else_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "notes.txt").touch()
    with pytest.raises(InputError, match="not empty and holds no dataset"):
        DatasetWriter(tmp_path / "log", INFO)


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_steps", "9"), ("num_steps", -1), ("sums", []), ("state", None), ("num_episodes", 1.5), ("spaces", 3)],
)
def test_a_damaged_progress_is_one_line(tmp_path: Path, key: str, value: object) -> None:
    _begun(tmp_path / "log")
    path = tmp_path / "log/progress.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(InputError) as error:
        DatasetWriter(tmp_path / "log", INFO)
    assert str(tmp_path / "log") in str(error.value)


def test_a_changed_byte_of_an_unfinished_log_is_found_out(tmp_path: Path) -> None:
    _begun(tmp_path / "log")
    flip(tmp_path / "log/rewards.npy")
    with pytest.raises(InputError, match=r"rewards\.npy: damaged: its content is not what was written; remove"):
        DatasetWriter(tmp_path / "log", INFO)


def test_a_damaged_dataset_is_put_aside_and_a_whole_one_is_not(tmp_path: Path) -> None:
    written(tmp_path / "log")
    set_aside_damaged(tmp_path / "log")
    assert (tmp_path / "log/dataset.json").is_file()
    for number in (1, 2):
        flip(tmp_path / "log/rewards.npy")
        set_aside_damaged(tmp_path / "log")
        assert not (tmp_path / "log").exists()
        assert (tmp_path / f"log.damaged-{number}/rewards.npy").is_file()
        written(tmp_path / "log")


def test_a_damaged_dataset_is_put_aside_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "log")
    flip(tmp_path / "log/rewards.npy")
    with files.locked(tmp_path / "log" / LOCK, "dataset"), pytest.raises(files.Busy):
        set_aside_damaged(tmp_path / "log")
    looks = iter([True, False])  # another process had made it anew before this one held the lock
    monkeypatch.setattr(folder, "_is_damaged", lambda path: next(looks))
    set_aside_damaged(tmp_path / "log")
    assert (tmp_path / "log/rewards.npy").is_file()


def _begun(path: Path) -> None:
    episode = Episode(np.zeros((3, 2), np.float32), np.zeros(2, np.int64), np.ones(2), True, False)
    with DatasetWriter(path, INFO) as writer:
        writer.add(episode)
        writer.commit()


def test_garbage_in_place_of_an_array_is_not_advised_to_be_unpickled(tmp_path: Path) -> None:
    written(tmp_path / "log")
    (tmp_path / "log/rewards.npy").write_bytes(b"[1, 2]")
    with pytest.raises(InputError, match=r"rewards\.npy: damaged: not a numpy array; restore it from an intact copy"):
        load(tmp_path / "log")
