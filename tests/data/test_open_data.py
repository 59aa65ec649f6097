"""Logs that others made become datasets. Minari's have a file of tests to themselves."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array
from rlformer.data.dataset import Dataset
from rlformer.data.loaders import flat
from rlformer.data.loaders.columns import infer_action_space
from rlformer.data.open import import_data, open_data
from rlformer.envs import cards as env_cards
from tests.support.make_images import bright

SHARED = Path(__file__).parents[2].parent / "shared/data"
real_logs = pytest.mark.skipif(not SHARED.is_dir(), reason="the real logs are not here")
CARTPOLE, PENDULUM = env_cards.environment("CartPole-v1"), env_cards.environment("Pendulum-v1")


def columns(lengths: tuple[int, ...] = (3, 2), **changes: Any) -> dict[str, Array]:
    """D4RL's columns of a log whose episodes terminate, apart from the last one, which times out."""
    steps, ends = sum(lengths), np.cumsum(lengths) - 1
    rng = np.random.default_rng(0)
    made: dict[str, Array] = {
        "observations": rng.normal(size=(steps, 4)).astype(np.float32),
        "next_observations": rng.normal(size=(steps, 4)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (steps, 2)).astype(np.float32),
        "rewards": rng.normal(size=steps).astype(np.float32),
        "terminals": np.isin(np.arange(steps), ends[:-1]),
        "timeouts": np.arange(steps) == ends[-1],
    }
    made |= changes
    return {name: column for name, column in made.items() if column is not None}


def hdf5_file(path: Path, **changes: Any) -> str:
    with h5py.File(path, "w") as file:
        for name, column in columns(**changes).items():
            file[name] = column
    return str(path)


def npz_file(path: Path, **changes: Any) -> str:
    """Two expert episodes of CartPole's shape, of 3 and 2 steps."""
    made: dict[str, Array] = {
        "obs": np.random.default_rng(0).normal(size=(5, 4)),
        "actions": np.array([[0], [1], [1], [0], [1]]),
        "rewards": np.ones(5),
        "episode_returns": np.array([3.0, 2.0]),
        "episode_starts": np.array([True, False, False, True, False]),
    }
    made |= changes
    np.savez(path, **{name: column for name, column in made.items() if column is not None})
    return str(path)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Dataset]:
    return lambda text, **options: open_data(text, tmp_path / "datasets", **options)


# Real logs. What is expected of them is in the SOURCES.md beside them


@real_logs
@pytest.mark.parametrize(
    ("name", "env", "episodes", "steps", "mean_return", "low", "high"),
    [
        ("d3rlpy/cartpole_v1.1.0.h5", CARTPOLE, 1582, 99866, 63.1, 8, 199),
        ("d3rlpy/cartpole_random_v1.1.0.h5", CARTPOLE, 4512, 99999, 22.2, 8, 121),
        ("d3rlpy/pendulum_v1.1.0.h5", PENDULUM, 500, 99500, -180.5, -1779, 0),
        ("d3rlpy/pendulum_random_v1.1.0.h5", PENDULUM, 500, 99500, -1223.6, -1847, -745),
        ("expert-npz/expert_cartpole.npz", CARTPOLE, 100, 49527, 495.3, 27, 500),
        ("expert-npz/expert_pendulum.npz", PENDULUM, 100, 20000, -149.9, -357, 0),
        ("minari/D4RL/door/human-v2", None, 25, 6729, 802.8, 234, 1505),
    ],
)
def test_real_logs_have_the_published_counts(
    opened: Callable[..., Dataset],
    name: str,
    env: EnvSpec | None,
    episodes: int,
    steps: int,
    mean_return: float,
    low: float,
    high: float,
) -> None:
    dataset = opened(str(SHARED / name), env=env)
    assert (dataset.num_episodes, dataset.num_steps) == (episodes, steps)
    assert dataset.returns.mean() == pytest.approx(mean_return, abs=0.05)
    assert low <= dataset.returns.min()
    assert dataset.returns.max() <= high


@real_logs
def test_d3rlpy_s_cartpole_is_split_where_episodes_end(opened: Callable[..., Dataset]) -> None:
    """`terminals` marks the last two steps: split there, every second episode would have one step."""
    dataset = opened(str(SHARED / "d3rlpy/cartpole_v1.1.0.h5"))
    assert dataset.lengths.min() == 8
    terminated = np.array([e.terminated for e in dataset])
    assert terminated.sum() == 1448  # 2,896 marks, two for each
    assert [e.truncated for e in dataset] == (~terminated).tolist()
    assert not dataset.info.final_observations
    np.testing.assert_array_equal(dataset[0].observations[-1], dataset[0].observations[-2])
    assert dataset.info.actions == ActionSpec("discrete", nvec=(2,))


@real_logs
def test_expert_episodes_that_reach_the_limit_are_truncated(opened: Callable[..., Dataset]) -> None:
    known = opened(str(SHARED / "expert-npz/expert_cartpole.npz"), env=CARTPOLE)
    assert [e.truncated for e in known] == (known.lengths == 500).tolist()
    assert [e.terminated for e in known] == (known.lengths < 500).tolist()
    unknown = opened(str(SHARED / "expert-npz/expert_cartpole.npz"))
    assert not any(e.terminated or e.truncated for e in unknown)


# HDF5


def test_timeouts_truncate_and_next_observations_are_the_last(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    dataset, file = opened(hdf5_file(tmp_path / "log.h5")), columns()
    assert [(len(e), e.terminated, e.truncated) for e in dataset] == [(3, True, False), (2, False, True)]
    assert dataset.info.final_observations
    np.testing.assert_array_equal(dataset[0].observations[:3], file["observations"][:3])
    np.testing.assert_array_equal(dataset[0].observations[3], file["next_observations"][2])
    np.testing.assert_array_equal(dataset[1].actions, file["actions"][3:])
    np.testing.assert_array_equal(dataset[1].rewards, file["rewards"][3:])


def test_steps_behind_the_last_ending_are_an_episode_cut_off(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    dataset = opened(hdf5_file(tmp_path / "log.h5", timeouts=np.zeros(5)))
    assert [(len(e), e.terminated, e.truncated) for e in dataset] == [(3, True, False), (2, False, False)]


def test_without_timeouts_the_environment_s_limit_cuts(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    log = {
        "lengths": (450,),
        "observations": np.zeros((450, 3)),
        "next_observations": None,
        "actions": np.zeros((450, 1)),
        "terminals": np.arange(450) == 219,
        "timeouts": None,
    }
    dataset = opened(hdf5_file(tmp_path / "log.h5", **log), env=PENDULUM)
    endings = [(len(e), e.terminated, e.truncated) for e in dataset]
    assert endings == [(200, False, True), (20, True, False), (200, False, True), (30, False, False)]


def test_d3rlpy_2_keeps_each_episode_apart(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    with h5py.File(tmp_path / "log.h5", "w") as file:
        file["columns"], file["num_episodes"] = ["observations", "actions", "rewards", "terminated"], 2
        for i, (length, terminated) in enumerate(((3, True), (2, False))):
            file[f"observations_{i}"] = np.full((length, 4), i)
            file[f"actions_{i}"] = np.full((length, 1), i)
            file[f"rewards_{i}"] = np.ones((length, 1))
            file[f"terminated_{i}"] = terminated
    dataset = opened(str(tmp_path / "log.h5"))
    assert [(len(e), e.terminated, e.truncated) for e in dataset] == [(3, True, False), (2, False, True)]
    assert dataset.info.actions == ActionSpec("discrete", nvec=(2,))
    assert dataset[1].observations.tolist() == [[1.0] * 4] * 3


def test_how_much_is_read_at_once_changes_nothing(
    tmp_path: Path, opened: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block never holds all of this log, as it does of a small one."""
    text = hdf5_file(tmp_path / "log.h5", lengths=(3, 1, 9, 2, 2, 4))
    whole = opened(text)
    monkeypatch.setattr(flat, "_ROWS_AT_ONCE", 4)
    assert import_data(text, tmp_path / "out").hash == whole.hash


# Action spaces


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (np.array([0, 2, 1]), spaces.Discrete(3)),
        (np.array([[1], [1]], np.int32), spaces.Discrete(2)),
        (np.array([[0, 3], [1, 1]]), spaces.MultiDiscrete([2, 4])),
        (np.array([[0.1, -0.9]]), spaces.Box(-1.0, 1.0, (2,))),
        (np.array([[0.1, -2.0], [0.2, 1.0]]), spaces.Box(np.float32([-1, -2]), np.float32([1, 2]))),
        (np.array([[np.nan], [0.5]]), spaces.Box(-1.0, 1.0, (1,))),
    ],
)
def test_a_space_is_inferred_from_actions(actions: Array, expected: spaces.Space[Any]) -> None:
    assert infer_action_space([actions]) == expected


def test_categories_stored_as_reals_are_categories_where_the_file_says_so() -> None:
    assert infer_action_space([np.array([0.0, 1.0])], categorical=True) == spaces.Discrete(2)


def test_the_environment_s_space_goes_before_what_is_seen(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    seen = {"observations": np.zeros((5, 3)), "next_observations": None, "actions": np.full((5, 1), 0.5)}
    text = hdf5_file(tmp_path / "log.h5", **seen)
    assert opened(text).info.actions == ActionSpec("box", low=(-1.0,), high=(1.0,))
    assert opened(text, env=PENDULUM).info.actions == ActionSpec("box", low=(-2.0,), high=(2.0,))
    assert opened(text).info.provenance["action_space"] == "inferred from the log"


def test_a_dataset_of_ours_must_fit_the_environment_too(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    seen = {"observations": np.zeros((5, 3)), "next_observations": None, "actions": np.full((5, 1), 0.5)}
    text = hdf5_file(tmp_path / "log.h5", **seen)
    guessed, known = opened(text), opened(text, env=PENDULUM)
    assert opened(str(known.path), env=PENDULUM).hash == known.hash != guessed.hash
    with pytest.raises(InputError, match=r"to 1\.0, but those .* to 2\.0; import it with --env Pendulum-v1"):
        opened(str(guessed.path), env=PENDULUM)
    with pytest.raises(InputError, match=rf"^{known.path}: observations have shape"):
        opened(str(known.path), env=CARTPOLE)


@pytest.mark.parametrize(
    ("shape", "dtype", "stored"),
    [((8, 9), np.uint8, (1, 8, 9)), ((8, 9, 3), np.float64, (3, 8, 9)), ((3, 8, 9), np.uint8, (3, 8, 9))],
)
def test_images_are_kept_channels_first(
    tmp_path: Path, opened: Callable[..., Dataset], shape: tuple[int, ...], dtype: type, stored: tuple[int, ...]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (5, *shape)).astype(dtype)
    dataset = opened(hdf5_file(tmp_path / "log.h5", observations=pixels, next_observations=None))
    (part,) = dataset.info.spaces.observation.parts
    assert (part.kind, part.shape, part.dtype) == ("image", stored, "float32" if dtype is np.float64 else "uint8")
    first = np.moveaxis(pixels[0], -1, 0) if shape == (8, 9, 3) else pixels[0].reshape(stored)
    np.testing.assert_array_equal(dataset[0].observations[0], first)


def test_real_numbers_of_an_image_that_are_no_pixels_are_told(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    pixels = np.full((5, 8, 8, 3), 255.0)
    with pytest.raises(InputError, match=r"the image has 255 in it: its real numbers lie from 0 to 1"):
        opened(hdf5_file(tmp_path / "log.h5", observations=pixels, next_observations=None))


def test_images_of_another_size_than_the_environments_are_told(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    pixels = np.zeros((5, 9, 9, 3), np.uint8)
    text = hdf5_file(tmp_path / "log.h5", observations=pixels, next_observations=None, actions=np.zeros(5, int))
    with pytest.raises(InputError, match=r"shape \(9, 9, 3\), but those of 'Bright-map' have \(7, 7, 3\)") as caught:
        opened(text, env=bright("map"))
    assert "\n" not in str(caught.value)


def test_channels_may_stand_elsewhere_than_in_the_environment(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    pixels = np.random.default_rng(0).integers(0, 11, (5, 3, 7, 7)).astype(np.uint8)
    last = np.moveaxis(pixels, 1, -1)
    for name, some in (("first", pixels), ("last", last)):
        log = hdf5_file(tmp_path / f"{name}.h5", observations=some, next_observations=None, actions=np.zeros(5, int))
        np.testing.assert_array_equal(opened(log, env=bright("map"))[0].observations[0], pixels[0])


def test_categories_of_observations_become_vectors(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    lake = env_cards.environment("FrozenLake-v1")
    states = {
        "observations": np.array([0, 4, 8, 0, 1]),
        "next_observations": None,
        "actions": np.zeros(5, int),
    }
    dataset = opened(hdf5_file(tmp_path / "log.h5", **states), env=lake)
    assert dataset.info.observation_shape == (16,)
    assert dataset[0].observations.argmax(axis=1).tolist() == [0, 4, 8, 8]


# Importing once


def test_a_log_is_imported_once(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    text, seen = hdf5_file(tmp_path / "log.h5"), []
    first = opened(text, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2, 2)
    shutil.move(text, tmp_path / "datasets/log.h5")  # the contents count, not where they lie
    seen.clear()
    again = opened(str(tmp_path / "datasets/log.h5"), progress=lambda done, total: seen.append((done, total)))
    assert (again.path, seen) == (first.path, [])
    assert open_data(str(first.path)).hash == first.hash


def test_other_contents_are_another_import(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    first = opened(hdf5_file(tmp_path / "log.h5"))
    second = opened(hdf5_file(tmp_path / "log.h5", rewards=np.zeros(5)))
    assert first.path != second.path
    assert second.returns.tolist() == [0.0, 0.0]


def test_an_interrupted_import_goes_on(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    text = hdf5_file(tmp_path / "log.h5", lengths=(3, 1, 9, 2))
    with pytest.raises(KeyboardInterrupt):
        import_data(text, tmp_path / "out", progress=interrupt)
    assert (tmp_path / "out/progress.json").is_file()
    assert import_data(text, tmp_path / "out").hash == opened(text).hash


def test_an_import_does_not_go_on_with_another_log(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_data(hdf5_file(tmp_path / "log.h5"), tmp_path / "out", progress=interrupt)
    with pytest.raises(InputError, match="an unfinished dataset from another source"):
        import_data(hdf5_file(tmp_path / "log.h5", rewards=np.zeros(5)), tmp_path / "out")


def test_an_import_into_a_chosen_folder(tmp_path: Path) -> None:
    text = hdf5_file(tmp_path / "log.h5")
    dataset = import_data(text, tmp_path / "out")
    assert dataset.path == tmp_path / "out"
    assert import_data(text, tmp_path / "out").hash == dataset.hash  # finished: left alone
    with pytest.raises(InputError, match="there is already a dataset"):
        import_data(npz_file(tmp_path / "other.npz"), tmp_path / "out")
    with pytest.raises(InputError, match="already a dataset"):
        import_data(str(tmp_path / "out"), tmp_path / "copy")


# Wrong input


def poisoned(name: str, value: float) -> dict[str, Array]:
    column = np.array(columns()[name], np.float64)
    column[1] = value
    return {name: column}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (poisoned("observations", np.nan), "log.h5: episode 0, step 1: NaN or infinity in observations"),
        (poisoned("rewards", np.inf), "log.h5: episode 0, step 1: NaN or infinity in rewards"),
        (poisoned("actions", np.nan), "log.h5: episode 0, step 1: NaN or infinity in actions"),
        (poisoned("observations", 1e300), "log.h5: episode 0, step 1: NaN or infinity in observations"),
        ({"rewards": None}, "log.h5: no rewards in it; it holds actions, next_observations, observations"),
        ({"rewards": None, "actions": None}, "log.h5: no actions and no rewards in it"),
        (
            {"rewards": np.zeros(4)},
            "log.h5: columns of different lengths: observations 5, actions 5, rewards 4",
        ),
        ({"timeouts": np.zeros(9)}, "log.h5: columns of different lengths"),
        ({"rewards": np.array([b"a"] * 5)}, "log.h5: rewards is not an array of numbers"),
        (
            {"next_observations": np.zeros((5, 9))},
            "log.h5: next_observations and observations have different",
        ),
        ({"actions": 3.0}, "log.h5: actions is not an array of numbers"),
        (
            {"observations": np.zeros((5, 8, 8, 8, 8, 8)), "next_observations": None},
            r"log.h5: observations of 5 axes \(8, 8, 8, 8, 8\) are no images",
        ),
        (
            {"actions": np.array([0, 1, -1, 0, 0])},
            "log.h5: episode 0, step 2: action -1 is outside discrete",
        ),
        (
            {name: np.zeros((0, 1)) for name in columns()},
            "log.h5: no steps in it",
        ),
    ],
)
def test_an_unsound_hdf5_file_is_named_and_leaves_nothing(
    tmp_path: Path, opened: Callable[..., Dataset], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        opened(hdf5_file(tmp_path / "log.h5", **changes))
    assert not list((tmp_path / "datasets").glob("log-*"))


@pytest.mark.parametrize(
    ("env", "changes", "message"),
    [
        (PENDULUM, {}, r"observations have shape \(4,\), but those of 'Pendulum-v1' have \(3,\)"),
        (CARTPOLE, {}, r"episode 0: actions of shape \(2,\), expected \(\)"),
        (CARTPOLE, {"actions": np.full(5, 0.5)}, "episode 0: action 0.5 is not one of the categories"),
        (CARTPOLE, {"actions": np.full(5, 2)}, "episode 0, step 0: action 2 is outside discrete"),
    ],
)
def test_a_log_of_another_environment_is_refused(
    tmp_path: Path, opened: Callable[..., Dataset], env: EnvSpec, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        opened(hdf5_file(tmp_path / "log.h5", **changes), env=env)


def test_one_episode_is_enough_to_import(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    assert len(opened(hdf5_file(tmp_path / "log.h5", lengths=(3,)))) == 1


def test_a_truncated_hdf5_file(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    text = hdf5_file(tmp_path / "log.h5")
    whole = Path(text).read_bytes()
    Path(text).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"log.h5: a truncated or damaged HDF5 file \(.*truncated file"):
        opened(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs": None}, "log.npz: no observations in it; it holds actions, episode_returns, episode_starts, rewards"),
        ({"obs": np.full((5, 4), np.nan)}, "log.npz: episode 0, step 0: NaN or infinity in observations"),
        ({"rewards": np.ones(6)}, "log.npz: columns of different lengths"),
        ({"episode_starts": np.zeros(5, bool)}, "log.npz: episode_starts does not mark the first step"),
        ({"episode_returns": np.zeros(7)}, "log.npz: 7 episode_returns, but episode_starts marks 2 episodes"),
    ],
)
def test_an_unsound_npz_file_is_named(
    tmp_path: Path, opened: Callable[..., Dataset], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        opened(npz_file(tmp_path / "log.npz", **changes))


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_pickles_in_an_npz_file_are_never_read(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    text = npz_file(tmp_path / "log.npz", obs=np.array([Bomb(tmp_path / "mark")] * 5, dtype=object))
    with pytest.raises(InputError, match=r"log.npz: obs cannot be read without unpickling, which is never done"):
        opened(text)
    assert not (tmp_path / "mark").exists()


def test_a_truncated_npz_file(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    text = npz_file(tmp_path / "log.npz")
    whole = Path(text).read_bytes()
    Path(text).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"log.npz: a truncated or damaged NPZ file"):
        opened(text)


def test_what_is_no_dataset_is_said_to_be_none(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes.txt: no dataset: a file of unknown format; a log is"):
        opened(str(tmp_path / "notes.txt"))
    (tmp_path / "empty.h5").touch()
    with pytest.raises(InputError, match=r"empty.h5: no dataset"):
        opened(str(tmp_path / "empty.h5"))
    with zipfile.ZipFile(tmp_path / "policy.zip", "w") as file:
        file.writestr("data", "{}")
    with pytest.raises(InputError, match=r"policy.zip: no observations and no actions .* in it; it holds data"):
        opened(str(tmp_path / "policy.zip"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        InputError, match=r"folder: not a dataset: it has no dataset.json and is not another kind of log"
    ):
        opened(str(tmp_path / "folder"))
    with pytest.raises(InputError, match=r"'no-such.h5': no such file or folder, and not a Minari id"):
        opened("no-such.h5")


def test_an_unfinished_dataset_is_not_mistaken_for_a_foreign_one(
    tmp_path: Path, opened: Callable[..., Dataset]
) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log/progress.json").write_text("{}")
    with pytest.raises(InputError, match="an unfinished dataset"):
        opened(str(tmp_path / "log"))
