"""Episodes are read back as written, wherever a writer died, whatever was damaged; or one line says why not."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, ObservationSpec, Part, Spaces
from rlformer.data.arrays import ARRAYS
from rlformer.data.dataset import Dataset, DatasetInfo
from rlformer.data.folder import load
from rlformer.data.writer import DatasetWriter

ACTIONS = (
    ActionSpec("discrete", (3,)),
    ActionSpec("multidiscrete", (2, 4)),
    ActionSpec("multibinary", (2, 2, 2)),
    ActionSpec("box", low=(-1.0, -np.inf), high=(1.0, np.inf)),
)


@dataclass(frozen=True)
class Log:
    """What is to be written."""

    info: DatasetInfo
    episodes: list[Episode]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    dtype = draw(st.sampled_from(["float32", "float64", "uint8", "int16"]))
    actions = draw(st.sampled_from(ACTIONS))
    info = DatasetInfo("E", Spaces(ObservationSpec((Part("o", "vector", shape, dtype),)), actions))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    episodes = []
    for length in draw(st.lists(st.integers(1, 6), min_size=1, max_size=6)):
        observations = (100 * rng.random((length + 1, *shape))).astype(dtype)
        seed = draw(st.one_of(st.none(), st.integers(0, 2**31 - 1)))
        ends = draw(st.booleans()), draw(st.booleans())
        episodes.append(Episode(observations, actions.sample(rng, length), rng.standard_normal(length), *ends, seed))
    return Log(info, episodes)


def assert_same(found: Dataset, episodes: list[Episode]) -> None:
    assert len(found) == len(episodes)
    for one, other in zip(found, episodes, strict=True):
        for name in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.terminated, one.truncated, one.seed) == (other.terminated, other.truncated, other.seed)


@settings(max_examples=40, deadline=None)
@given(logs())
def test_what_is_written_is_read_back(log: Log) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with DatasetWriter(Path(folder) / "log", log.info) as writer:
            for episode in log.episodes:
                writer.add(episode)
            writer.finish()
        assert_same(load(Path(folder) / "log", verify=True), log.episodes)


@settings(max_examples=40, deadline=None)
@given(logs(), st.data())
def test_a_writer_that_dies_anywhere_goes_on_behind_its_last_commit(log: Log, data: st.DataObject) -> None:
    """A killed process leaves what was committed, and of what came later some bytes of each file."""
    committed = data.draw(st.integers(0, len(log.episodes)))
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "log", Path(folder) / "killed"
        with DatasetWriter(path, log.info) as writer:
            for i, episode in enumerate(log.episodes):
                if i == committed:
                    writer.commit()
                    sizes = {name: (path / f"{name}.npy").stat().st_size for name in ARRAYS}
                writer.add(episode)
            if committed == len(log.episodes):
                writer.commit()
                sizes = {name: (path / f"{name}.npy").stat().st_size for name in ARRAYS}
            for file in writer._files.values():
                file.flush()
            shutil.copytree(path, copy)
        for name in ARRAYS:
            whole = (copy / f"{name}.npy").stat().st_size
            with (copy / f"{name}.npy").open("r+b") as file:
                file.truncate(data.draw(st.integers(sizes[name], whole)))
        with DatasetWriter(copy, log.info) as writer:
            assert writer.num_episodes == committed
            for episode in log.episodes[writer.num_episodes :]:
                writer.add(episode)
            writer.finish()
        assert_same(load(copy, verify=True), log.episodes)


@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_a_file_cut_or_changed_anywhere_is_one_line_or_changes_nothing(log: Log, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        finished = data.draw(st.booleans())
        with DatasetWriter(path, log.info) as writer:
            for episode in log.episodes:
                writer.add(episode)
            writer.commit()
            if finished:
                writer.finish()
        about = "dataset.json" if finished else "progress.json"
        file = path / data.draw(st.sampled_from([about, *(f"{name}.npy" for name in ARRAYS)]))
        content = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content = content[:at]
        else:
            content[at] ^= data.draw(st.integers(1, 255))
        file.write_bytes(content)
        found = _opened(path, log, finished)
        if isinstance(found, str):
            assert "\n" not in found
            assert str(path) in found
        else:
            assert_same(found, log.episodes)


def _opened(path: Path, log: Log, finished: bool) -> Dataset | str:
    """The dataset, gone on with where it was not finished, or the line that is said instead."""
    try:
        if finished:
            return load(path, verify=True)
        with DatasetWriter(path, log.info) as writer:
            return writer.finish()
    except InputError as error:
        return str(error)
