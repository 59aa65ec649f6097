"""How others lay out logs in HDF5 and NPZ: groups, tuples, per-episode arrays, other names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import ActionSpec, Array
from rlformer.data.dataset import Dataset, from_episodes
from rlformer.data.loaders import LOADERS
from rlformer.data.loaders.base import ForeignLog, Native
from rlformer.data.loaders.names import Choice
from rlformer.data.open import read_in_place

SHOWN = np.arange(10.0).reshape(5, 2).astype(np.float32)
ACTIONS, REWARDS = np.array([0, 1, 1, 0, 1]), np.arange(5.0)
ENDS = np.array([False, False, True, False, True])
CUTS = (slice(0, 3), slice(3, 5))
TWO = spaces.Dict({"b": spaces.Box(0, 9, (1,)), "a": spaces.Box(0, 9, (1,))})


def native(space: spaces.Space[Any], limit: int | None = None) -> Native:
    return Native("toy", {"id": "Toy-v0"}, space, spaces.Discrete(2), limit)


def opened(path: Path, env: Native | None = None, choice: Choice | None = None) -> ForeignLog:
    loader = next(loader for loader in LOADERS if loader.recognise(str(path)) is not None)
    return loader.open(path, env, choice or Choice())


def read(path: Path, env: Native | None = None, **choice: Any) -> Dataset:
    log = opened(path, env, Choice.of(**choice) if choice else None)
    return from_episodes(log.info, list(log.episodes(0)))


def endings(dataset: Dataset) -> list[tuple[int, bool, bool]]:
    return [(len(e), e.terminated, e.truncated) for e in dataset]


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    def write(**arrays: Any) -> Path:
        made: dict[str, Any] = {
            "observations": SHOWN,
            "actions": ACTIONS,
            "rewards": REWARDS,
            "terminals": ENDS,
        } | arrays
        np.savez(tmp_path / "log.npz", **{name: values for name, values in made.items() if values is not None})
        return tmp_path / "log.npz"

    return write


@pytest.fixture
def hdf5(tmp_path: Path) -> Callable[..., Path]:
    def write(arrays: dict[str, Any]) -> Path:
        with h5py.File(tmp_path / "log.h5", "w") as file:
            for name, values in arrays.items():
                file[name] = values
        return tmp_path / "log.h5"

    return write


@pytest.mark.parametrize(
    ("terminated", "truncated"),
    [("terminals", "timeouts"), ("terminated", "truncated"), ("terminations", "truncations")],
)
def test_flags_of_every_name_end_episodes(npz: Callable[..., Path], terminated: str, truncated: str) -> None:
    marks = {"terminals": None, terminated: ENDS & (ACTIONS == 1) & (REWARDS < 3), truncated: ENDS & (REWARDS > 3)}
    assert endings(read(npz(**marks))) == [(3, True, False), (2, False, True)]


def test_imitation_s_indices_split_and_its_observations_hold_the_last(npz: Callable[..., Path]) -> None:
    """Its layout: `obs` has a row more in each trajectory, `terminal` a flag for each; `infos` are pickles."""
    shown = np.arange(14.0).reshape(7, 2)
    infos = np.array([{}] * 5, object)
    made = {"observations": None, "actions": None, "rewards": None, "terminals": None, "infos": infos}
    path = npz(**made, obs=shown, acts=ACTIONS, rews=REWARDS, indices=np.array([3]), terminal=np.array([True, False]))
    dataset = read(path)
    assert endings(dataset) == [(3, True, False), (2, False, True)]
    np.testing.assert_array_equal(dataset[0].observations, shown[:4])
    np.testing.assert_array_equal(dataset[1].observations, shown[4:])
    assert dataset.info.final_observations
    assert dataset.info.provenance["not_read"] == ["infos"]
    with pytest.raises(InputError, match="no rewards in it; it holds acts, indices, infos, obs, terminal"):
        read(npz(**made, obs=shown, acts=ACTIONS, indices=np.array([3]), terminal=np.array([True, False])))
    with pytest.raises(InputError, match="indices do not fit the 5 steps of actions"):
        read(npz(**made, obs=shown, acts=ACTIONS, rews=REWARDS, indices=np.array([9]), terminal=np.array([1, 0])))


def test_dones_do_not_say_how(npz: Callable[..., Path]) -> None:
    path = npz(terminals=None, dones=ENDS)
    assert endings(read(path)) == [(3, False, False), (2, False, False)]
    known = read(path, native(spaces.Box(0, 9, (2,)), limit=3))
    assert endings(known) == [(3, False, True), (2, True, False)]


def test_steps_behind_the_last_done_are_an_episode_cut_off(npz: Callable[..., Path]) -> None:
    cut = read(npz(terminals=None, dones=ENDS & (REWARDS < 3)), native(spaces.Box(0, 9, (2,)), limit=3))
    assert endings(cut) == [(3, False, True), (2, False, False)]


def test_ends_within_an_episode_are_told(npz: Callable[..., Path]) -> None:
    """`episode` goes before `dones`: where they contradict each other, nobody may find out from a return alone."""
    told = "1 steps inside of episodes are marked as dones: episode says that they go on"
    assert told in opened(npz(terminals=None, dones=ENDS, episode=np.zeros(5, int))).notes
    assert not opened(npz(terminals=None, dones=ENDS, episode=np.cumsum(ENDS) - ENDS)).notes


def test_one_number_a_step_is_a_vector_of_one(npz: Callable[..., Path]) -> None:
    path = npz(observations=SHOWN[:, 0])
    assert read(path).info.observation_shape == (1,)
    assert read(path, native(spaces.Box(0, 9, (1,)))).info.observation_shape == (1,)


def test_whole_numbers_stored_as_reals_are_categories_and_told(npz: Callable[..., Path]) -> None:
    dataset = opened(npz(actions=ACTIONS.astype(float)))
    assert dataset.info.actions == ActionSpec("discrete", nvec=(2,))
    assert any("each is a whole number: taken for 2 categories" in note for note in dataset.notes)
    assert opened(npz(actions=ACTIONS - 0.5)).info.actions.kind == "box"
    assert opened(npz(actions=ACTIONS * 0.0)).info.actions.kind == "box", "all 0 may be any space"


def test_several_rewards_are_refused_or_one_is_chosen(npz: Callable[..., Path]) -> None:
    path = npz(rewards=np.stack([REWARDS, -REWARDS], axis=1))
    with pytest.raises(InputError, match="rewards have 2 columns: --reward-column N, from 0 to 1, chooses one"):
        read(path)
    dataset = read(path, columns=None, reward_column=1)
    assert (dataset.returns.tolist(), dataset.info.provenance["reward_column"]) == ([-3.0, -7.0], 1)
    assert read(npz(rewards=REWARDS[:, None])).returns.tolist() == [3.0, 7.0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"terminals": None}, "nothing in it shows where episodes end .*; it holds actions, observations, rewards"),
        ({"terminals": np.array(["a"] * 5)}, "terminals is not an array of numbers"),
        ({"next_observations": SHOWN[:, :1]}, "next_observations and observations have different shapes"),
        ({"actions": np.array([{}] * 5, object)}, "actions cannot be read without unpickling"),
        ({"observations": np.zeros((5, 0))}, "observations without any numbers"),
        ({"rewards": np.zeros((5, 0))}, "rewards has no number in a row"),
        ({"rewards": np.full(5, 2e38)}, "episode 0: rewards add up to more than float32 holds: scale them"),
        ({"terminals": np.arange(5)}, r"terminals holds 2, which is not a flag \(0 or 1\)"),
        ({"terminals": np.full(5, np.nan)}, "NaN or infinity in terminals"),
        ({"terminals": ENDS[None]}, r"terminals has shape \(1, 5\), and marks one thing a row"),
        ({"episode_lengths": np.array([])}, "episode_lengths are not numbers of steps"),
        ({"episode_lengths": np.array([3, 0, 2])}, "episode_lengths has an episode without a step"),
        ({"episode_lengths": np.array([2.5, 2.5])}, "episode_lengths are not numbers of steps"),
        ({"episode_lengths": np.array([3, 3])}, "episode_lengths do not fit the 5 steps of actions"),
        ({"episode_lengths": np.array([3, -1, 3])}, "episode_lengths do not fit the 5 steps of actions"),
    ],
)
def test_a_broken_npz_names_the_array(npz: Callable[..., Path], arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(npz(**arrays))


def test_next_observations_that_do_not_continue_are_told(npz: Callable[..., Path]) -> None:
    following = np.concatenate([SHOWN[1:], SHOWN[:1]])
    assert not [note for note in opened(npz(next_observations=following)).notes if "next" in note]
    shuffled = opened(npz(next_observations=following[[3, 1, 0, 4, 2]])).notes
    assert any(note.startswith("next_observations are not what the following row observes") for note in shuffled)
    swapped = opened(npz(observations=following, next_observations=SHOWN)).notes
    assert any(note.startswith("observations and next_observations look swapped") for note in swapped)


# Groups


def test_a_group_of_observations_is_a_dict_by_name(hdf5: Callable[..., Path]) -> None:
    arrays = {"actions": ACTIONS, "rewards": REWARDS, "terminals": ENDS}
    path = hdf5({**arrays, "observations/b": SHOWN[:, :1], "observations/a": SHOWN[:, 1]})
    dataset = read(path)
    assert dataset.info.spaces.observation.describe() == "(2,) float32: a (1,), b (1,)"
    np.testing.assert_array_equal(dataset[0].observations[:3], SHOWN[:3, ::-1])
    assert [*read(path, native(TWO)).info.spaces.observation.slices] == ["a", "b"]


def test_with_an_environment_its_own_order_counts(hdf5: Callable[..., Path]) -> None:
    own = spaces.Dict([("b", spaces.Box(0, 9, (1,))), ("a", spaces.Discrete(10))])
    arrays = {"actions": ACTIONS, "rewards": REWARDS, "terminals": ENDS}
    path = hdf5({**arrays, "observations/b": SHOWN[:, :1], "observations/a": SHOWN[:, 1].astype(int)})
    first = read(path, native(own))[0].observations[0]
    np.testing.assert_array_equal(first, spaces.flatten(own, {"b": SHOWN[0, :1], "a": 1}))
    with pytest.raises(InputError, match="observations hold a, b, and no c"):
        read(path, native(spaces.Dict({"c": spaces.Discrete(2)})))
    with pytest.raises(InputError, match=r"observations hold b of shape \(1,\), expected \(2,\)"):
        read(path, native(spaces.Dict({"a": spaces.Discrete(10), "b": spaces.Box(0, 9, (2,))})))
    with pytest.raises(InputError, match="a Dict of a, b, but those of 'toy' are one vector: --map observations=A,B"):
        read(path, native(spaces.Box(0, 9, (2,))))
    mapped = read(path, native(spaces.Box(0, 9, (2,))), columns={"observations": ["observations/b", "observations/a"]})
    np.testing.assert_array_equal(mapped[0].observations[0], [0.0, 1.0])


def test_images_in_a_group_are_parts_and_can_be_left_out(hdf5: Callable[..., Path]) -> None:
    arrays = {"actions": ACTIONS, "rewards": REWARDS, "dones": ENDS}
    eye = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), np.uint8)
    path = hdf5({**arrays, "obs/eye": eye, "obs/arm": SHOWN})
    log = read(path)
    arm, image = log.info.spaces.observation.parts
    assert (arm.kind, image.kind, image.shape) == ("vector", "image", (3, 8, 9))
    first = log[0].observations[0]
    np.testing.assert_array_equal(first[2:], np.moveaxis(eye[0], -1, 0).ravel())
    np.testing.assert_allclose(first[:2], SHOWN[0])
    assert read(path, columns={"observations": "obs/arm"}).info.observation_shape == (2,)


def grouped(last: bool, prefix: str, **extra: Array) -> dict[str, Array]:
    """Episodes 9 and 10 of a file, so that names do not sort by letter."""
    arrays: dict[str, Array] = {}
    for name, cut in zip(("9", "10"), CUTS, strict=True):
        shown = SHOWN[cut]
        arrays[f"{prefix}{name}/obs"] = np.concatenate([shown, shown[-1:] + 1]) if last else shown
        arrays |= {f"{prefix}{name}/actions": ACTIONS[cut], f"{prefix}{name}/rewards": REWARDS[cut]}
        arrays |= {f"{prefix}{name}/{key}": values[cut] for key, values in extra.items()}
    return arrays


def test_maniskill_s_groups_hold_the_last_observation(hdf5: Callable[..., Path]) -> None:
    flags = {"terminated": ENDS & (REWARDS < 3), "truncated": ENDS & (REWARDS > 3)}
    dataset = read(hdf5(grouped(True, "traj_", **flags)))
    assert endings(dataset) == [(3, True, False), (2, False, True)]
    assert dataset[0].observations[-1].tolist() == [5.0, 6.0]
    assert dataset.info.final_observations


def test_robomimic_s_groups_lie_below_data(hdf5: Callable[..., Path]) -> None:
    arrays = grouped(False, "data/demo_", dones=ENDS, states=np.zeros((5, 30)))
    shown = {name.replace("/obs", "/obs/arm"): values for name, values in arrays.items()}
    dataset = read(hdf5({**shown, "mask/train": np.array([b"demo_9"])}))
    assert endings(dataset) == [(3, False, False), (2, False, False)]
    assert dataset.info.observation_shape == (2,)
    assert not dataset.info.final_observations
    assert dataset[1].rewards.tolist() == [3.0, 4.0]


def test_episodes_without_a_step_are_left_out_and_told(hdf5: Callable[..., Path]) -> None:
    empty = {"traj_1/obs": SHOWN[:0], "traj_1/actions": ACTIONS[:0], "traj_1/rewards": REWARDS[:0]}
    log = opened(hdf5({**grouped(False, "traj_", dones=ENDS), **empty}))
    assert (log.num_episodes, log.notes[0]) == (2, "1 episodes without a step were left out")
    assert [len(episode) for episode in log.episodes(1)] == [2]
    with pytest.raises(InputError, match="no steps in it"):
        opened(hdf5(empty))


def test_a_group_that_lacks_something_is_named(hdf5: Callable[..., Path]) -> None:
    arrays = grouped(False, "traj_", dones=ENDS)
    with pytest.raises(InputError, match="traj_10: no rewards in it"):
        read(hdf5({name: values for name, values in arrays.items() if name != "traj_10/rewards"}))
    with pytest.raises(InputError, match="traj_10: columns of different lengths: observations 2, actions 2, rewards 1"):
        read(hdf5({**arrays, "traj_10/rewards": REWARDS[:1]}))


def test_columns_may_lie_in_one_group(hdf5: Callable[..., Path]) -> None:
    arrays = {"actions": ACTIONS, "rewards": REWARDS, "terminals": ENDS, "observations/a": SHOWN}
    dataset = read(hdf5({f"data/{name}": values for name, values in arrays.items()}))
    assert endings(dataset) == [(3, True, False), (2, True, False)]
    assert read(hdf5(grouped(True, "traj_", dones=ENDS) | {"n": 1})).lengths.tolist() == [3, 2]


def test_tuples_of_d3rlpy_are_read_in_their_order(hdf5: Callable[..., Path]) -> None:
    arrays: dict[str, Any] = {"columns": ["observations", "actions", "rewards", "terminated"], "num_episodes": 2}
    for i, cut in enumerate(CUTS):
        arrays |= {f"observations_{i}_{part}": SHOWN[cut] + 100 * part for part in range(11)}
        arrays |= {f"actions_{i}": ACTIONS[cut], f"rewards_{i}": REWARDS[cut], f"terminated_{i}": i == 0}
    dataset = read(hdf5(arrays))
    assert dataset[0].observations[0, ::2].tolist() == [100.0 * part for part in range(11)]
    assert endings(dataset) == [(3, True, False), (2, False, True)]
    assert dataset.info.spaces.observation.slices["10"] == slice(20, 22)
    assert read(hdf5(arrays), native(spaces.Box(-1e3, 1e4, (22,)))).observations[0].tolist() == [
        *dataset[0].observations[0].tolist()
    ]
    with pytest.raises(InputError, match="no observations_2 and no actions_2 and no rewards_2"):
        read(hdf5({**arrays, "num_episodes": 3}))


# Files that are none


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("log.npz", b"hello", "called .npz, but its contents are not an NPZ"),
        ("log.h5", b"", "the file is empty"),
        ("log.hdf5", b"text", "called .hdf5, but its contents are not an HDF5 file"),
        ("log.parquet", b"a,b", "called .parquet, but its contents are not a Parquet file"),
        ("log.pkl", b"\x80\x04", r"a pickle, which is never read \(use rlformer.dataset to make a log"),
        ("log.npy", b"\x93NUMPY", "a single array"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(name: str, contents: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(InputError, match=rf"{name}: no dataset: {message}"):
        read_in_place(str(tmp_path / name))


def test_reading_in_place_leaves_nothing(
    npz: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    path = npz()
    dataset = read_in_place(str(path))
    assert (dataset.path, dataset.returns.tolist()) == (None, [3.0, 7.0])
    with pytest.raises(InputError, match="NaN"):
        read_in_place(str(npz(rewards=REWARDS * np.nan)))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["log.npz"]
    assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize("order", ["b,a", "a,b"])
def test_columns_under_the_names_of_a_dicts_members_are_those_in_any_order(tmp_path: Path, order: str) -> None:
    parts = {"b": SHOWN[:, :1], "a": SHOWN[:, 1:]}
    np.savez(tmp_path / "log.npz", **parts, actions=ACTIONS, rewards=REWARDS, terminals=ENDS)
    found = read(tmp_path / "log.npz", native(TWO), columns={"observations": order.split(",")})
    assert found[0].observations[:2].tolist() == SHOWN[:2, [1, 0]].tolist()  # Gymnasium's order: a, then b


def test_a_group_of_another_name_is_mapped_as_a_dict(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "log.hdf5", "w") as file:
        file["sensor/b"], file["sensor/a"] = SHOWN[:, :1], SHOWN[:, 1:]
        file["actions"], file["rewards"], file["terminals"] = ACTIONS, REWARDS, ENDS
    found = read(tmp_path / "log.hdf5", native(TWO), columns={"observations": "sensor"})
    assert found[0].observations[:2].tolist() == SHOWN[:2, [1, 0]].tolist()


def flights(path: Path) -> Path:
    """A group for each episode, with names of nobody's convention."""
    with h5py.File(path, "w") as file:
        for i, rows in enumerate(CUTS):
            group = file.create_group(f"flight_{i}")
            group["pose"], group["cmd"], group["payoff"] = SHOWN[rows], ACTIONS[rows], REWARDS[rows]
    return path


def test_episodes_in_groups_are_read_under_any_names(tmp_path: Path) -> None:
    columns = {"observations": "pose", "actions": "cmd", "rewards": "payoff"}
    found = read(flights(tmp_path / "log.hdf5"), columns=columns)
    assert [len(episode) for episode in found] == [3, 2]
    assert found[1].rewards.tolist() == [3.0, 4.0]


def test_names_that_are_the_same_in_every_group_are_said_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(flights(tmp_path / "log.hdf5"))
    assert str(error.value) == (
        "no observations and no actions and no rewards in it; it holds in each of 2 groups (flight_0, ...): cmd, "
        "payoff, pose; --map observations=COLUMN --map actions=COLUMN --map rewards=COLUMN names another"
    )
