"""Observations keep their own dtype from the environment to memory, to disk and to the window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlformer.agents.online.recording import Tally, TrainingEnvironments
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset, from_episodes
from rlformer.data.describe import describe
from rlformer.data.folder import load
from rlformer.data.loaders.minari import export_minari
from rlformer.data.open import open_data
from rlformer.data.transitions import transitions
from rlformer.data.windows import Windows
from rlformer.data.writer import DatasetWriter
from rlformer.envs.make import spaces_of
from rlformer.envs.rollout import RandomPolicy, rollout
from rlformer.envs.vector import Environments

SIZE, STEPS = 1000, 40
DTYPES = ("uint8", "int16", "int64", "float16", "float32", "float64")


class Untimed:
    """Of a `RunLog` what training environments call."""

    def clock(self, part: str) -> AbstractContextManager[None]:
        return nullcontext()


class Memory(gym.Env[Any, Any]):
    """Shows SIZE random numbers of one dtype, always in the same array, which it overwrites at each step."""

    action_space: spaces.Space[Any] = spaces.Discrete(2)

    def __init__(self, dtype: str) -> None:
        self.observation_space = spaces.Box(0, 200, (SIZE,), np.dtype(dtype).type)
        self._shown = np.zeros(SIZE, dtype)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        return self._next(), {}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        return self._next(), 1.0, False, self._steps == STEPS, {}

    def _next(self) -> Array:
        self._shown[:] = self.np_random.uniform(0, 200, SIZE)
        return self._shown


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register("Memory-v0", Memory)
    yield
    del gym.registry["Memory-v0"]


def env_of(dtype: str) -> EnvSpec:
    return EnvSpec("memory", "Memory-v0", {"dtype": dtype})


def expected(dtype: str, seed: int) -> Array:
    """What the environment shows in the episode of that seed: (STEPS + 1, SIZE)."""
    env = Memory(dtype)
    first = env.reset(seed=seed)[0].copy()
    return np.stack([first, *(env.step(0)[0].copy() for _ in range(STEPS))])


def collected(dtype: str, path: Path, episodes: int = 3) -> Dataset:
    env = env_of(dtype)
    policy = RandomPolicy(spaces_of(env).actions)
    return collect(
        policy, env, path, seed=0, episodes=episodes, num_envs=2, provenance={"policy": "random"}, upstream_env_steps=0
    )


def assert_shown(episode: Episode, dtype: str) -> None:
    """The numbers of the environment, bit by bit."""
    assert episode.seed is not None
    np.testing.assert_array_equal(episode.observations, expected(dtype, episode.seed), strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_rollout_copies_what_it_keeps(dtype: str) -> None:
    environments = Environments(env_of(dtype), 2)
    for _, episode in rollout(environments, RandomPolicy(environments.actions), np.arange(3)):
        assert_shown(episode, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_on_disk_in_memory_and_in_windows(dtype: str, tmp_path: Path) -> None:
    """As many bytes as the numbers have, apart from a header of 256."""
    dataset = collected(dtype, tmp_path / "log")
    rows = 3 * (STEPS + 1)
    assert (tmp_path / "log/observations.npy").stat().st_size == 256 + rows * SIZE * np.dtype(dtype).itemsize
    assert dataset.observations.nbytes == rows * SIZE * np.dtype(dtype).itemsize
    for episode in dataset:
        assert_shown(episode, dtype)
    windows = Windows(dataset, context_length=5)
    shown = windows.draw(4, np.random.default_rng(0)).observations
    assert (shown.dtype, shown.shape) == (torch.from_numpy(np.zeros(0, dtype)).dtype, (4, 5, SIZE))
    assert windows.to(torch.device("cpu")).draw(4, np.random.default_rng(0)).observations.equal(shown)
    assert transitions(dataset).next_observations.dtype == np.dtype(dtype)
    assert f"({SIZE},) {dtype}" in str(describe(dataset))


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_and_disk_agree(dtype: str, tmp_path: Path) -> None:
    dataset = collected(dtype, tmp_path / "log")
    again = from_episodes(dataset.info, list(dataset))
    assert again.observations.dtype == np.dtype(dtype)
    assert again.hash == load(tmp_path / "log").hash


def test_the_hash_follows_the_dtype(tmp_path: Path) -> None:
    """Whole numbers that are alike, in two dtypes."""
    logs = [collected(dtype, tmp_path / dtype) for dtype in ("uint8", "int16")]
    np.testing.assert_array_equal(logs[0].observations, logs[1].observations)
    assert logs[0].hash != logs[1].hash


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("with_env", [True, False])
def test_there_and_back_through_minari(
    dtype: str, with_env: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    dataset = collected(dtype, tmp_path / "log")
    export_minari(dataset, "memory/log-v0", env_of(dtype) if with_env else None)
    back = open_data("memory/log-v0", tmp_path / "datasets")
    assert back.info.spaces == dataset.info.spaces
    for one, other in zip(dataset, back, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_online_training_sees_float32_and_logs_what_was_shown(dtype: str, tmp_path: Path) -> None:
    """Stable-baselines3 gets the numbers that it always got; the last of an episode is a copy, as all others are."""
    env, tally = env_of(dtype), Tally(seed=0)
    log: Any = Untimed()
    training = TrainingEnvironments(env, 1, tally, log, keep=True)
    seen, last = [training.reset()], None
    for _ in range(STEPS):
        observation, _, _, infos = training.step(np.zeros(1, int))
        seen.append(observation)
        last = infos[0].get("terminal_observation")
    assert training.observation_space.dtype == np.float32
    assert {observation.dtype for observation in seen} == {np.dtype(np.float32)}
    ((episode, _),) = tally.ended
    assert_shown(episode, dtype)
    np.testing.assert_array_equal(np.concatenate(seen[:-1]), episode.observations[:-1].astype(np.float32))
    np.testing.assert_array_equal(last, episode.observations[-1].astype(np.float32))
    with DatasetWriter(tmp_path / "log", collected(dtype, tmp_path / "other").info) as writer:
        writer.add(episode)
        assert_shown(writer.finish()[0], dtype)
