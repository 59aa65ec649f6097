"""What stable-baselines3 keeps of an environment, and what the log of its training holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.online.learner import OnlineLearner
from rlformer.agents.online.recording import Recorder, Tally
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.envs.make import make
from tests.support.make_training import Log


class InPlace(gym.Env[Any, Any]):
    """Counts in one array that it changes in place, and pays nothing; keeps what it was given."""

    observation_space = spaces.Box(-10, 10, (1,), np.float32)

    def __init__(self, actions: spaces.Space[Any]) -> None:
        self.action_space = actions
        self.state, self.received = np.zeros(1, np.float32), list[Any]()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.state[:] = 0
        return self.state, {}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.received.append(action)
        self.state += 1
        return self.state, 0.0, False, False, {"simulator": threading.Lock()}  # of which no copy can be made


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register("InPlace-v0", InPlace, max_episode_steps=3)
    yield
    del gym.registry["InPlace-v0"]


def in_place(actions: spaces.Space[Any]) -> EnvSpec:
    return EnvSpec("in-place", "InPlace-v0", {"actions": actions})


def fit(env: EnvSpec, agent: str, path: Path, *overrides: str) -> tuple[OnlineLearner, Log]:
    values = resolve(env, agent, overrides).values
    learner, log = OnlineLearner(), Log(path)
    learner.fit(Task(env=env, dataset=None, hyperparameters=values, seed=0), log)
    return learner, log


def test_a_buffer_holds_what_was_seen_though_the_environment_changes_it_in_place(tmp_path: Path) -> None:
    """Cut off after 3 steps: the last observation is 3, not the next episode's 0."""
    options = ("steps=60", "learning_starts=1000", "buffer_size=100", "num_envs=1")
    learner, _ = fit(in_place(spaces.Discrete(2)), "dqn", tmp_path, *options)
    buffer: Any = learner.model.replay_buffer
    assert buffer.observations[:6, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert buffer.next_observations[:6, 0, 0].tolist() == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize(
    ("space", "wanted", "executed"),
    [
        (spaces.Box(-2, 2, (2,), np.int64), [1.7, -2.4], [2, -2]),
        (spaces.Box(-0.1, 0.1, (2,), np.float64), [0.05, 9.0], [np.float32(0.05), 0.1]),
        (spaces.Box(-1, 1, (2,)), [0.5, -3.0], [0.5, -1.0]),
        (spaces.Discrete(3, start=4), 2, 6),
        (spaces.Discrete(3), 2, 2),
        (spaces.MultiBinary(2), [1, 0], [1, 0]),
    ],
    ids=str,
)
def test_the_log_of_a_training_holds_what_was_executed(space: spaces.Space[Any], wanted: Any, executed: Any) -> None:
    made, tally = make(in_place(space)), Tally(0)
    recorder = Recorder(made, "in-place", tally, keep=True)
    recorder.reset()
    for _ in range(3):
        recorder.step(np.asarray(wanted, np.float32) if isinstance(space, spaces.Box) else np.int64(wanted))
    received = made.unwrapped.received[0]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(received, executed)
    assert isinstance(received, np.ndarray if space.shape else (int, np.integer))  # a category may be a key of a dict
    ((episode, _),) = tally.ended
    canonical = np.float32(executed) if isinstance(space, spaces.Box) else wanted
    np.testing.assert_array_equal(episode.actions, [canonical] * 3)
    assert episode.observations.ravel().tolist() == [0, 1, 2, 3]


def test_bounds_that_set_no_scale_are_refused_where_actions_are_stretched_to_them(tmp_path: Path) -> None:
    short = ("steps=4", "learning_starts=1", "num_envs=1")
    huge, wide = in_place(spaces.Box(-1e8, 1e8, (1,))), in_place(spaces.Box(-1e4, 1e4, (1,)))
    with pytest.raises(InputError, match=r'in-place: SAC stretches .* 1e\+08 wide .*kind = "action_bounds"'):
        fit(huge, "sac", tmp_path / "huge", *short)
    one = in_place(spaces.Box(np.float32([-1, 2]), np.float32([1, 2])))
    with pytest.raises(InputError, match=r"in-place: action\[1\] can only be 2, and SAC divides by the width"):
        fit(one, "sac", tmp_path / "one", *short)
    _, log = fit(wide, "sac", tmp_path / "wide", *short)
    assert any("SAC stretches its actions to bounds that are 1e+04 wide" in note for note in log.notes)
    fit(huge, "ppo", tmp_path / "ppo", "steps=4", "num_envs=1", "n_steps=4", "batch_size=4")
