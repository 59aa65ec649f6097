"""The dataset: what is written is read back, views list the same numbers, and nothing unsound gets in."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rlformer
from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec, Part, Spaces
from rlformer.data.checks import INFERRED, check_spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.folder import load
from rlformer.data.writer import DatasetWriter

INFO = DatasetInfo(env=None, spaces=Spaces.plain((2,), ActionSpec("discrete", nvec=(3,))))
BOX = replace(INFO, spaces=Spaces.plain((2,), ActionSpec("box", low=(-1.0, -1.0), high=(1.0, 1.0))))


def episode(length: int, seed: int, terminated: bool = True) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        observations=rng.normal(size=(length + 1, 2)).astype(np.float32),
        actions=rng.integers(0, 3, length),
        rewards=rng.normal(size=length),
        terminated=terminated,
        truncated=not terminated,
        seed=seed,
    )


EPISODES = [episode(4, 10), episode(1, 11, terminated=False), episode(6, 12), episode(3, 13)]


def written(path: Path, episodes: list[Episode] = EPISODES, info: DatasetInfo = INFO) -> Dataset:
    """Each episode is said to have ended 100 training steps after the one before."""
    with DatasetWriter(path, info) as writer:
        for i, one in enumerate(episodes):
            writer.add(one, behaviour_steps=100 * (i + 1))
        return writer.finish()


def assert_same(one: Episode, other: Episode) -> None:
    for name in ("observations", "actions", "rewards"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.terminated, one.truncated, one.seed) == (other.terminated, other.truncated, other.seed)


# Reading back


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    dataset = written(tmp_path / "log")
    assert (dataset.num_episodes, dataset.num_steps) == (4, 14)
    for before, after in zip(EPISODES, dataset, strict=True):
        assert_same(before, after)
    np.testing.assert_allclose(dataset.returns, [e.episode_return for e in EPISODES])


def test_a_log_is_shown_without_its_arrays() -> None:
    log = rlformer.dataset(
        observations=np.zeros((999, 2)), actions=[1] * 999, rewards=[0.5] * 999, ends=[0] * 998 + [1]
    )
    shown = repr(log)
    assert shown.startswith("Dataset(info=")
    assert "array(" not in shown


def test_the_files_are_plain_numpy(tmp_path: Path) -> None:
    written(tmp_path / "log")
    assert np.load(tmp_path / "log/observations.npy").shape == (14 + 4, 2)
    assert np.load(tmp_path / "log/episodes.npy")["length"].tolist() == [4, 1, 6, 3]
    assert sorted(p.name for p in (tmp_path / "log").iterdir()) == [
        "actions.npy",
        "dataset.json",
        "episodes.npy",
        "observations.npy",
        "rewards.npy",
    ]


def test_seeds_that_are_unknown_stay_unknown(tmp_path: Path) -> None:
    assert written(tmp_path / "log", [replace(EPISODES[0], seed=None)])[0].seed is None


def test_real_actions_keep_infinite_bounds(tmp_path: Path) -> None:
    unbounded = replace(BOX, spaces=Spaces.plain((2,), ActionSpec("box", low=(-np.inf, -1.0), high=(np.inf, 1.0))))
    moved = replace(EPISODES[0], actions=np.full((4, 2), [1e6, 0.5], np.float32))
    dataset = written(tmp_path / "log", [moved], unbounded)
    assert dataset.info.actions == unbounded.actions
    assert dataset[0].actions.dtype == np.float32


# The hash


def test_memory_and_disk_agree_on_the_hash(tmp_path: Path) -> None:
    assert from_episodes(INFO, EPISODES).hash == written(tmp_path / "log").hash


@pytest.mark.parametrize(
    "changed",
    [
        replace(EPISODES[0], rewards=EPISODES[0].rewards + 1),
        replace(EPISODES[0], actions=2 - EPISODES[0].actions),
        replace(EPISODES[0], observations=EPISODES[0].observations + 1),
        replace(EPISODES[0], terminated=False, truncated=True),
    ],
)
def test_the_hash_follows_all_that_can_be_learned_from(changed: Episode) -> None:
    assert from_episodes(INFO, [changed]).hash != from_episodes(INFO, EPISODES[:1]).hash


def test_the_hash_follows_the_spaces() -> None:
    """The same numbers are other actions in a wider space, and another observation in another shape."""
    four = replace(INFO, spaces=Spaces.plain((2,), ActionSpec("discrete", nvec=(4,))))
    square = replace(INFO, spaces=Spaces.plain((2, 1), INFO.actions))
    reshaped = replace(EPISODES[0], observations=EPISODES[0].observations[..., None])
    hashes = {from_episodes(info, EPISODES[:1]).hash for info in (INFO, four)}
    assert len({*hashes, from_episodes(square, [reshaped]).hash}) == 3
    assert written_bounds(1.0) != written_bounds(2.0)


def written_bounds(bound: float) -> str:
    info = replace(BOX, spaces=Spaces.plain((2,), ActionSpec("box", low=(-bound,) * 2, high=(bound,) * 2)))
    return from_episodes(info, [replace(EPISODES[0], actions=np.zeros((4, 2)))]).hash


def test_the_hash_ignores_what_teaches_nothing() -> None:
    unseeded = [replace(EPISODES[0], seed=None)]
    assert from_episodes(INFO, unseeded).hash == from_episodes(INFO, EPISODES[:1]).hash


def test_views_have_hashes_of_their_own() -> None:
    dataset = from_episodes(INFO, EPISODES)
    hashes = {dataset.hash, dataset.top(0.5).hash, dataset.select(np.array([3, 0]), "two").hash}
    assert len(hashes) == 3


# Spaces


def test_bounds_are_part_of_a_space() -> None:
    wide, rounded = (ActionSpec("box", low=(-1.0, -1.0), high=(1.0, b)) for b in (2.0, 1.0 + 1e-7))
    check_spaces(BOX, "Mine-v0", Spaces.plain((2,), rounded))
    guessed = replace(BOX, provenance={"action_space": INFERRED})
    for info, advice in ((BOX, "--env names"), (guessed, "import it with --env Mine-v0")):
        with pytest.raises(InputError, match=rf"from -1.0 to 1.0, but .*'Mine-v0' .* to \[1.0, 2.0\]; {advice}"):
            check_spaces(info, "Mine-v0", Spaces.plain((2,), wide))


def test_infinite_bounds_equal_each_other() -> None:
    unbounded = ActionSpec("box", low=(-np.inf, -1.0), high=(np.inf, 1.0))
    check_spaces(replace(BOX, spaces=Spaces.plain((2,), unbounded)), "Mine-v0", Spaces.plain((2,), unbounded))


def test_pixels_from_0_to_1_are_no_bytes() -> None:
    """The same picture in other numbers: a model of the one would see 255 times as much light in the other."""
    real, whole = (
        Spaces(ObservationSpec((Part("eye", "image", (3, 8, 8), dtype, peak),)), BOX.spaces.actions)
        for dtype, peak in (("float32", 1.0), ("uint8", 255.0))
    )
    check_spaces(replace(BOX, spaces=real), "Mine-v0", real)
    with pytest.raises(InputError, match="pixels of 'eye' are reals from 0 to 1, but those of 'Mine-v0' are bytes"):
        check_spaces(replace(BOX, spaces=real), "Mine-v0", whole)


# Views


def test_a_view_lists_episodes_in_its_own_order() -> None:
    view = from_episodes(INFO, EPISODES).select(np.array([3, 1]), "two").select(np.array([1, 0]), "turned")
    assert_same(view[0], EPISODES[1])
    assert_same(view[1], EPISODES[3])
    assert (view.num_steps, view.selection) == (4, "two, turned")
    np.testing.assert_allclose(view.returns, [EPISODES[1].episode_return, EPISODES[3].episode_return])


def test_top_keeps_the_best_and_breaks_ties_by_age() -> None:
    scored = [replace(e, rewards=np.full(len(e), r / len(e))) for e, r in zip(EPISODES, (1, 3, 3, 2), strict=True)]
    dataset = from_episodes(INFO, scored)
    assert dataset.top(0.25).index.tolist() == [1]
    assert dataset.top(0.5).index.tolist() == [1, 2]
    assert dataset.top(0.001).index.tolist() == [1]


def test_a_prefix_is_what_had_been_played_by_then(tmp_path: Path) -> None:
    prefix = written(tmp_path / "log").prefix(250)
    assert (prefix.index.tolist(), prefix.upstream_env_steps) == ([0, 1], 200)


def test_a_log_that_does_not_know_its_training_has_no_prefix() -> None:
    with pytest.raises(InputError, match="no prefix"):
        from_episodes(INFO, EPISODES).prefix(250)


def test_split_parts_every_episode_once() -> None:
    training, held_out = from_episodes(INFO, EPISODES).split(0.25, np.random.default_rng(0))
    assert sorted([*training.index, *held_out.index]) == [0, 1, 2, 3]
    assert len(held_out) == 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_split_leaves_neither_side_empty(share: float) -> None:
    assert all(len(part) for part in from_episodes(INFO, EPISODES).split(share, np.random.default_rng(0)))


def test_one_episode_cannot_be_split() -> None:
    with pytest.raises(InputError, match="at least two episodes are needed"):
        from_episodes(INFO, EPISODES[:1]).split(0.1, np.random.default_rng(0))


# What is not sound


def spoilt(name: str, value: float) -> Episode:
    array = np.array(getattr(EPISODES[0], name), np.float64)
    array[2] = value
    return replace(EPISODES[0], **{name: array})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (spoilt("observations", np.nan), "episode 1, step 2: NaN or infinity in observations"),
        (spoilt("rewards", np.inf), "episode 1, step 2: NaN or infinity in rewards"),
        (spoilt("actions", np.nan), "episode 1, step 2: NaN or infinity in actions"),
        (spoilt("actions", 3), "episode 1, step 2: action 3.0 is outside discrete"),
        (spoilt("actions", -1), "episode 1, step 2: action -1.0 is outside discrete"),
        (
            replace(EPISODES[0], rewards=np.zeros(3)),
            "3 rewards need 4 observations and 3 actions, got 5 and 4",
        ),
        (replace(EPISODES[0], rewards=np.zeros(0)), "episode 1: no steps"),
        (
            replace(EPISODES[0], observations=np.zeros((5, 7))),
            r"observations of shape \(7,\), expected \(2,\)",
        ),
        (
            replace(EPISODES[0], observations=np.full((5, 2), 1e39)),
            "episode 1, step 0: NaN or infinity in observations",
        ),
        (replace(EPISODES[0], observations=np.zeros((5, 2), complex)), "observations are complex128, expected float32"),
        (replace(EPISODES[0], actions=np.zeros((4, 2))), r"actions of shape \(2,\), expected \(\)"),
    ],
)
def test_an_unsound_episode_is_named_and_not_written(tmp_path: Path, bad: Episode, message: str) -> None:
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        writer.add(EPISODES[0])
        with pytest.raises(InputError, match=message):
            writer.add(bad)
        assert writer.finish().num_episodes == 1


def test_nothing_is_no_dataset(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "log", INFO) as writer, pytest.raises(InputError, match="no episode"):
        writer.finish()


# Stopping and going on


def test_a_writer_goes_on_behind_its_last_commit(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        writer.add(EPISODES[0])
        writer.commit({"at": 1})
        writer.add(EPISODES[3])  # never committed: lost
    with pytest.raises(InputError, match="unfinished"):
        load(tmp_path / "log")
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        assert (writer.num_episodes, writer.state) == (1, {"at": 1})
        for later in EPISODES[1:]:
            writer.add(later)
        assert writer.finish().hash == from_episodes(INFO, EPISODES).hash


def test_rewinding_drops_what_was_made_later(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        for i, one in enumerate(EPISODES):
            writer.add(one, behaviour_steps=100 * (i + 1))
        writer.commit({"kept": True})
        writer.rewind(200)
    with DatasetWriter(tmp_path / "log", INFO) as writer:  # as after a kill right behind it
        assert (writer.num_episodes, writer.state) == (2, {"kept": True})
        assert writer.finish().hash == from_episodes(INFO, EPISODES[:2]).hash


def test_a_discarded_dataset_leaves_nothing(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "log", INFO)
    writer.add(EPISODES[0])
    writer.discard()
    assert not (tmp_path / "log").exists()


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        writer.add(EPISODES[0])
        with pytest.raises(InputError, match="another process"):
            DatasetWriter(tmp_path / "log", INFO)
        assert writer.finish().num_episodes == 1


def test_other_spaces_do_not_touch_an_unfinished_dataset(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        writer.add(EPISODES[0])
        writer.commit()
    with pytest.raises(InputError, match="other spaces"):
        DatasetWriter(tmp_path / "log", BOX)
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        assert writer.finish().hash == from_episodes(INFO, EPISODES[:1]).hash


def test_what_stands_in_the_way_is_left_alone(tmp_path: Path) -> None:
    written(tmp_path / "log")
    with pytest.raises(InputError, match="there is already a dataset"):
        DatasetWriter(tmp_path / "log", INFO)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").touch()
    with pytest.raises(InputError, match="not empty and holds no dataset"):
        DatasetWriter(tmp_path / "photos", INFO)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="there is a file where a folder is needed"):
        DatasetWriter(tmp_path / "file", INFO)


# Damage


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a dataset"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", "other/9", "schema 'other/9'"),
        ("num_steps", 99, "dataset.json says"),
        ("actions", {}, "damaged"),
    ],
)
def test_a_description_that_does_not_fit(tmp_path: Path, key: str, value: object, message: str) -> None:
    written(tmp_path / "log")
    about = json.loads((tmp_path / "log/dataset.json").read_text())
    (tmp_path / "log/dataset.json").write_text(json.dumps({**about, key: value}))
    with pytest.raises(InputError, match=message):
        load(tmp_path / "log")


def test_a_log_of_an_older_version_gets_one_line(tmp_path: Path) -> None:
    written(tmp_path / "log")
    about = json.loads((tmp_path / "log/dataset.json").read_text())
    (tmp_path / "log/dataset.json").write_text(json.dumps({**about, "schema": "rlformer/1"}))
    with pytest.raises(
        InputError, match=r"log: schema 'rlformer/1', this version reads 'rlformer/2'; make the log again$"
    ):
        load(tmp_path / "log")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "observations",
            np.zeros((18, 2)),
            r"observations.npy: \(18, 2\) float64, dataset.json says \(18, 2\) float32$",
        ),
        (
            "observations",
            np.zeros((18, 3), np.float32),
            r"observations.npy: \(18, 3\) float32, dataset.json says \(18, 2\)",
        ),
        ("actions", np.zeros(14, np.int32), r"actions.npy: \(14,\) int32, dataset.json says \(14,\) int64$"),
        ("rewards", np.zeros(14, np.float32), r"rewards.npy: \(14,\) float32, dataset.json says \(14,\) float64$"),
        ("rewards", np.zeros(13), r"rewards.npy: 13 rows, dataset.json says 14$"),
        ("episodes", np.zeros(4), r"episodes.npy: \(4,\) float64, dataset.json says \(4,\) \[\('length'"),
    ],
)
def test_an_array_of_another_form(tmp_path: Path, name: str, array: Array, message: str) -> None:
    written(tmp_path / "log")
    np.save(tmp_path / f"log/{name}.npy", array)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "log")


def test_an_array_that_was_cut_off(tmp_path: Path) -> None:
    written(tmp_path / "log")
    with (tmp_path / "log/rewards.npy").open("r+b") as file:
        file.truncate(300)
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path / "log")


def test_an_array_that_is_missing(tmp_path: Path) -> None:
    written(tmp_path / "log")
    (tmp_path / "log/actions.npy").unlink()
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path / "log")


# A full disk

FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_dataset import EPISODES, INFO
from rlformer.data.writer import DatasetWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing beyond the limit fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with DatasetWriter(Path(sys.argv[1]), INFO) as writer:
    writer.add(EPISODES[0])
    writer.commit()
    for _ in range(10_000):
        writer.add(EPISODES[1])
"""


def test_a_full_disk_keeps_what_was_committed_and_says_where(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "log"), str(Path(__file__).parent)]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.stderr.splitlines()[-1].endswith(f"File too large: '{tmp_path / 'log'}'")
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        assert writer.finish().hash == from_episodes(INFO, EPISODES[:1]).hash
