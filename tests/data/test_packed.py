"""A Dict of pictures and reals: a log keeps a byte for each pixel, and gives back the very numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.learners import learner
from rlformer.core.errors import InputError
from rlformer.core.packed import Packed, packed, unpacked
from rlformer.core.records import Episode
from rlformer.core.spaces import ObservationSpec, Part
from rlformer.data.arrays import content_hash
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes, join
from rlformer.data.folder import load
from rlformer.data.windows import Windows, _unpacked, observation_rows
from rlformer.data.writer import DatasetWriter, _header
from rlformer.envs.make import spaces_of
from rlformer.envs.rollout import RandomPolicy
from tests.support.make_images import bright
from tests.support.make_training import Log, play, played

ENV = bright("dict")
PIXELS, LEVELS, REALS = 7 * 7 * 3, 4, 2


def log() -> Dataset:
    return played(ENV, RandomPolicy(spaces_of(ENV).actions), 6)


def written(dataset: Dataset, path: Path) -> Dataset:
    with DatasetWriter(path, DatasetInfo(dataset.info.env, dataset.info.spaces)) as writer:
        for episode in dataset:
            writer.add(episode)
        return writer.finish()


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_bytes_and_reals_come_back_exactly(dtype: str, size: int) -> None:
    spec = ObservationSpec((Part("v", "vector", (3,), dtype), Part("i", "image", (1, 2, 2), "uint8", 255.0)))
    shown = np.array([[0.1, -np.pi, 1e30, 0, 255, 7, 1], [1, 2, 3, 4, 5, 6, 7]], dtype)
    kept = packed(shown, spec)
    assert (kept.shape, kept.dtype) == ((2, 3 * size + 4), np.uint8)
    assert spec.stored_shape == (3 * size + 4,)
    torch_row = _unpacked(torch.from_numpy(kept)[None], spec)[0]
    np.testing.assert_array_equal(torch_row.numpy(), shown)
    np.testing.assert_array_equal(unpacked(kept, spec), shown)
    looked_at = Packed(kept, spec)
    for rows in (1, -2, slice(None, None, -1), np.array([False, True]), np.array([[1, 0]])):
        np.testing.assert_array_equal(looked_at[rows], shown[rows])
    np.testing.assert_array_equal(np.asarray(looked_at), shown)
    assert looked_at.nbytes == kept.nbytes


@pytest.mark.parametrize(
    "parts",
    [
        (Part("v", "vector", (3,)), Part("c", "category", (4,), "uint8")),  # without an image reals stand as before
        (Part("i", "image", (1, 2, 2), "uint8", 255.0), Part("c", "category", (4,), "uint8")),
        (Part("i", "image", (1, 2, 2), "uint8", 255.0),),
    ],
)
def test_where_nothing_is_gained_nothing_is_packed(parts: tuple[Part, ...]) -> None:
    spec = ObservationSpec(parts)
    assert not spec.packed
    assert (spec.stored_shape, spec.stored_dtype) == (spec.shape, spec.dtype)


def test_a_log_keeps_a_byte_for_each_pixel_and_shards_do_too(tmp_path: Path) -> None:
    made = log()
    kept = written(made, tmp_path / "log")
    stored = np.load(tmp_path / "log" / "observations.npy")
    assert (stored.dtype, stored.shape[1]) == (np.uint8, PIXELS + LEVELS + 4 * REALS)
    assert kept.info.hash == made.info.hash
    for a, b in zip(made, kept, strict=True):
        np.testing.assert_array_equal(np.asarray(a.observations), np.asarray(b.observations))
    both = join([kept, written(made.select(np.arange(1, 4), "some"), tmp_path / "more")], tmp_path)
    np.testing.assert_array_equal(both[7].observations[2], made[2].observations[2])
    for of in (kept, both):
        window = Windows(of, 3).at(torch.tensor([1, 8]))
        expected = np.asarray(of.observations)[observation_rows(of)][[1, 2, 3]]
        assert window.observations.dtype == torch.float32
        np.testing.assert_array_equal(window.observations[0].numpy(), expected)


def test_a_log_of_a_former_version_is_read(tmp_path: Path) -> None:
    """It keeps four bytes of each pixel."""
    made = written(log(), tmp_path / "log")
    reals = np.ascontiguousarray(np.asarray(made.observations))
    np.save(tmp_path / "log" / "observations.npy", reals)
    about: dict[str, Any] = json.loads((tmp_path / "log" / "dataset.json").read_text())
    about["hash"] = content_hash(made.info.spaces, reals, made.actions, made.rewards, made.episodes)  # type: ignore[arg-type]
    (tmp_path / "log" / "dataset.json").write_text(
        json.dumps({key: value for key, value in about.items() if key not in ("digests", "stamp")})
    )
    again = load(tmp_path / "log")
    assert not isinstance(again.observations, Packed)
    np.testing.assert_array_equal(again.observations, reals)
    np.save(tmp_path / "log" / "observations.npy", reals[:, 1:])
    with pytest.raises(InputError, match=r"observations.npy: .* dataset.json says"):
        load(tmp_path / "log")


def test_a_log_of_a_former_version_joins_one_of_bytes(tmp_path: Path) -> None:
    made = written(log(), tmp_path / "log")
    reals = np.asarray(made.observations)
    former = replace(made, observations=reals, path=None, info=replace(made.info, hash="former"))
    for shards in ([former, made], [made, former]):
        both = join(shards, tmp_path)
        assert isinstance(both.observations, Packed)
        np.testing.assert_array_equal(np.asarray(both.observations), np.concatenate([reals, reals]))


def test_an_unfinished_log_of_a_former_version_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    made = log()
    with DatasetWriter(tmp_path / "log", made.info) as writer:
        writer.add(made[0])
        writer.commit()
    reals = np.asarray(made[0].observations)
    array = tmp_path / "log" / "observations.npy"
    array.write_bytes(_header(reals.dtype, (0, *reals.shape[1:])) + reals.tobytes())
    with pytest.raises(
        InputError, match=r"npy: unfinished, begun by another version .* float32, .*; remove .*/log and"
    ):
        DatasetWriter(tmp_path / "log", made.info)


def test_a_pixel_that_is_no_byte_is_refused() -> None:
    made = log()
    first = made[0]
    wrong = np.array(first.observations)
    wrong[2, spaces_of(ENV).observation.slices["image"].start] = 0.5
    episode = Episode(wrong, first.actions, first.rewards, first.terminated, first.truncated)
    with pytest.raises(InputError, match="episode 0, step 2: a pixel of an image of bytes is no whole number"):
        from_episodes(made.info, [episode])


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["dt", "cql"])
def test_what_learns_from_such_a_log_reads_it(agent: str, tmp_path: Path) -> None:
    small = ("gradient_steps=3", "batch_size=8") + (("context_length=3",) if agent == "dt" else ())
    spec = resolve(ENV, agent, small)
    task = Task(env=ENV, dataset=written(log(), tmp_path / "log"), hyperparameters=spec.values, seed=0)
    fresh: Any = learner(spec.agent.learner).load()()
    fresh.fit(task, Log(tmp_path / "run"))
    assert len(play(fresh.policy(), ENV, 3).returns) == 3


@pytest.mark.slow
def test_a_training_keeps_its_own_episodes_so(tmp_path: Path) -> None:
    values = resolve(ENV, "ppo", ("steps=32", "num_envs=2", "n_steps=8", "batch_size=8", "n_epochs=1")).values
    task = Task(env=ENV, dataset=None, hyperparameters=values, seed=0, log_trajectories=tmp_path / "log")
    learner("sb3").load()().fit(task, Log(tmp_path / "run"))
    kept = load(tmp_path / "log")
    assert isinstance(kept.observations, Packed)
    speed = np.asarray(kept.observations)[:, spaces_of(ENV).observation.slices["speed"]]
    assert (speed == 0).all()
    assert np.asarray(kept.observations).max() > 100  # pixels
