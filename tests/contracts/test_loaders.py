"""What every loader of logs promises. A new one needs a line in SAMPLES: a small log in its format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Array, Spaces
from rlformer.data.dataset import DatasetInfo, from_episodes
from rlformer.data.loaders import LOADERS, Loader
from rlformer.data.loaders.base import Native
from rlformer.data.loaders.minari import export_minari
from rlformer.data.open import import_data, is_ours, open_data
from rlformer.data.writer import DatasetWriter

LENGTHS, WIDTH, ACTIONS = (3, 2), 4, np.array([1, 0, 2, 2, 0])
STEPS = sum(LENGTHS)
STARTS = np.array([True, False, False, True, False])
DTYPES = ("uint8", "int32", "float32", "float64")


def observations(dtype: str) -> Array:
    """(STEPS, WIDTH)."""
    return np.random.default_rng(0).uniform(0, 200, (STEPS, WIDTH)).astype(dtype)


def hdf5_sample(folder: Path, dtype: str) -> str:
    ends = np.roll(STARTS, -1)
    with h5py.File(folder / "log.h5", "w") as file:
        file["observations"], file["actions"], file["rewards"] = observations(dtype), ACTIONS, np.arange(5.0)
        file["terminals"], file["timeouts"] = ends & (np.arange(STEPS) < 3), ends & (np.arange(STEPS) >= 3)
    return str(folder / "log.h5")


def npz_sample(folder: Path, dtype: str) -> str:
    columns = {"actions": ACTIONS, "rewards": np.arange(5.0), "episode_starts": STARTS}
    np.savez(folder / "log.npz", obs=observations(dtype), **columns)
    return str(folder / "log.npz")


def minari_sample(folder: Path, dtype: str) -> str:
    spaces_of_log = Spaces.plain((WIDTH,), ActionSpec("discrete", (3,)), dtype)
    shown, rewards = observations(dtype), np.arange(5.0)
    episodes = [
        Episode(np.concatenate([shown[a:b], shown[b - 1 : b]]), ACTIONS[a:b], rewards[a:b], a == 0, a != 0)
        for a, b in ((0, 3), (3, 5))
    ]
    export_minari(from_episodes(DatasetInfo(None, spaces_of_log), episodes), "toy/log-v0")
    return "toy/log-v0"


def table(dtype: str) -> pa.Table:
    """Columns by convention; the CSV's last column has long words, so that no row cut short is whole."""
    shown = observations(dtype)
    columns = {f"observation_{i}": shown[:, i] for i in range(WIDTH)}
    ends = np.roll(STARTS, -1)
    columns |= {"action": ACTIONS, "reward": np.arange(5.0), "terminated": ends & (np.arange(STEPS) < 3)}
    return pa.table(columns | {"truncated": ends & (np.arange(STEPS) >= 3)})


def csv_sample(folder: Path, dtype: str) -> str:
    pa.csv.write_csv(table(dtype), folder / "log.csv")
    return str(folder / "log.csv")


def parquet_sample(folder: Path, dtype: str) -> str:
    pa.parquet.write_table(table(dtype), folder / "log.parquet")
    return str(folder / "log.parquet")


SAMPLES: dict[str, Callable[[Path, str], str]] = {
    "hdf5": hdf5_sample,
    "npz": npz_sample,
    "minari": minari_sample,
    "csv": csv_sample,
    "parquet": parquet_sample,
}
WIDENED = {"csv": {"uint8": "int64", "int32": "int64", "float32": "float64"}}  # text knows whole numbers and reals
every_loader = pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.name)


@pytest.fixture(autouse=True)
def minari_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Minari's datasets lie for one test."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def place(loader: Loader, text: str) -> Path:
    found = loader.recognise(text)
    assert found is not None
    return found


def native(dtype: str) -> Native:
    """An environment that the samples may come from."""
    box = spaces.Box(0, 200, (WIDTH,), np.dtype(dtype).type)
    return Native("toy", {"id": "Toy-v0"}, box, spaces.Discrete(3), time_limit=9)


def test_every_loader_has_a_sample_and_a_name_of_its_own() -> None:
    assert [loader.name for loader in LOADERS] == list(dict.fromkeys(loader.name for loader in LOADERS))
    assert {loader.name for loader in LOADERS} == set(SAMPLES)
    assert all(loader.words for loader in LOADERS)


@every_loader
def test_it_alone_recognises_its_logs(loader: Loader, tmp_path: Path) -> None:
    """By whatever names the log: the file, its folder, or an id."""
    text = SAMPLES[loader.name](tmp_path, "float32")
    names = [text, str(place(loader, text)), *(str(path) for path in place(loader, text).rglob("*.hdf5"))]
    for name in names:
        assert [other.name for other in LOADERS if other.recognise(name) is not None] == [loader.name]
        assert place(loader, name) == place(loader, text)
        assert not is_ours(name)


def test_nothing_else_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "notes.txt").write_text("obs, actions, rewards")
    (tmp_path / "folder").mkdir()
    with DatasetWriter(tmp_path / "ours", DatasetInfo(None, Spaces.plain((1,), ActionSpec("discrete", (2,))))) as log:
        log.add(Episode(np.zeros((2, 1)), np.zeros(1, int), np.zeros(1), True, False))
        log.finish()
    names = ("empty", "notes.txt", "folder", "ours", "absent", "absent.h5")
    for text in (*(str(tmp_path / name) for name in names), "name/log-v0", "CartPole-v1", ""):
        assert [loader.name for loader in LOADERS if loader.recognise(text) is not None] == []


@every_loader
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("known", [True, False], ids=["with env", "without env"])
def test_lengths_numbers_spaces_and_dtype(loader: Loader, dtype: str, known: bool, tmp_path: Path) -> None:
    env, text = native(dtype) if known else None, SAMPLES[loader.name](tmp_path, dtype)
    log = loader.open(place(loader, text), env)
    expected = observations(dtype)
    if not known:
        dtype = WIDENED.get(loader.name, {}).get(dtype, dtype)
    assert log.info.spaces == Spaces.plain((WIDTH,), ActionSpec("discrete", (3,)), dtype)
    assert (log.info.env, log.num_episodes) == ("toy" if known else None, 2)
    assert log.info.provenance["source"] == loader.name
    episodes = list(log.episodes(0))
    assert [len(episode) for episode in episodes] == list(LENGTHS)
    assert {episode.observations.dtype for episode in episodes} == {np.dtype(dtype)}
    shown = np.concatenate([episode.observations[:-1] for episode in episodes])
    np.testing.assert_array_equal(shown.astype(expected.dtype), expected)
    np.testing.assert_array_equal(np.concatenate([episode.actions for episode in episodes]), ACTIONS)
    np.testing.assert_array_equal(np.concatenate([episode.rewards for episode in episodes]), np.arange(5.0))
    (later,) = log.episodes(1)  # an import goes on where it was interrupted
    np.testing.assert_array_equal(later.observations, episodes[1].observations)


@every_loader
def test_observations_get_the_environments_dtype(loader: Loader, tmp_path: Path) -> None:
    """A log in float64 of an environment in float32 is rounded; whole numbers must be whole."""
    text = SAMPLES[loader.name](tmp_path, "float64")
    (first, _) = loader.open(place(loader, text), native("float32")).episodes(0)
    np.testing.assert_array_equal(first.observations[:-1], observations("float64")[:3].astype(np.float32), strict=True)
    with pytest.raises(InputError, match=r"^episode 0: observation [\d.]+ is not a number that uint8 holds$"):
        next(loader.open(place(loader, text), native("uint8")).episodes(0))


@every_loader
def test_an_import_is_a_dataset_and_is_made_once(loader: Loader, tmp_path: Path) -> None:
    text = SAMPLES[loader.name](tmp_path, "uint8")
    dataset = open_data(text, tmp_path / "datasets")
    assert open_data(text, tmp_path / "datasets").path == dataset.path
    assert import_data(text, tmp_path / "out").hash == dataset.hash
    assert dataset.observations.dtype == np.dtype(WIDENED.get(loader.name, {}).get("uint8", "uint8"))
    assert (dataset.num_episodes, dataset.num_steps) == (2, STEPS)


@every_loader
@pytest.mark.parametrize("kept", [0.7, 0.3])
def test_a_damaged_log_is_refused_in_one_line(loader: Loader, kept: float, tmp_path: Path) -> None:
    """All that is left is the beginning of the file, or of the largest one in the folder."""
    text = SAMPLES[loader.name](tmp_path, "float32")
    found = place(loader, text)
    file = max(found.rglob("*"), key=lambda path: path.stat().st_size) if found.is_dir() else found
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(InputError) as error:
        open_data(text, tmp_path / "datasets")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith((text, found.name))
    assert not any((tmp_path / "datasets").glob("*/*.npy"))


@every_loader
def test_a_log_of_other_observations_does_not_fit(loader: Loader, tmp_path: Path) -> None:
    text = SAMPLES[loader.name](tmp_path, "float32")
    wide = Native("wide", {}, spaces.Box(0, 1, (WIDTH + 1,)), spaces.Discrete(3), time_limit=None)
    with pytest.raises(InputError, match=r"^observations have shape \(4,\), but those of 'wide' have \(5,\)$"):
        loader.open(place(loader, text), wide)
