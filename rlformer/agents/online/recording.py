"""The environments that stable-baselines3 trains in: seeded episode by episode, counted, kept as a log."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from rlformer.agents.base import RunLog
from rlformer.agents.online.images import as_read
from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.frames import newest, rebuilt
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array, computable
from rlformer.data.writer import DatasetWriter
from rlformer.envs.checked import time_limit
from rlformer.envs.endings import ADVICE, endless, most_steps
from rlformer.envs.make import make
from rlformer.envs.masks import Remembering
from rlformer.envs.spaces import spaces_in
from rlformer.envs.wrappers import in_training
from rlformer.runs.episodes import EpisodeWriter


class Tally:
    """What the training environments of one run have done, all of them together."""

    def __init__(self, seed: int, writer: EpisodeWriter | None = None) -> None:
        self._seed, self._writer = seed, writer
        self.env_steps = 0
        self.episodes = 0  # begun
        self.returns: deque[float] = deque(maxlen=100)  # of the latest episodes that ended
        self.ended: list[tuple[Episode, int]] = []  # whole ones not written yet, each with the env_steps at its end
        self.some_ended = False
        self.steps_now = 0  # of this process

    def end(self, episode_return: float, length: int) -> None:
        """An episode is over, of whichever environment."""
        self.some_ended = True
        self.returns.append(episode_return)
        if self._writer is not None:
            self._writer.append(episode_return, length, self.env_steps)

    def next_seed(self) -> int:
        """The seed of the next training episode, whichever environment begins it."""
        seed = seeding.episode_seeds(self._seed, "train", 1, start=self.episodes)[0]
        self.episodes += 1
        return int(seed)


class Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Counts steps and returns as the environment knows them, and keeps whole episodes where asked.

    Stands below any normalisation: observations and rewards are raw, actions are what is executed, rounded and clipped.
    Observations are kept in their own dtype and handed on as `images.as_read` says. The seed given to
    `reset` is ignored: the tally has one for each episode, disjoint from those of evaluations. num: environments side
    by side.
    """

    def __init__(self, env: gym.Env[Any, Any], name: str, tally: Tally, keep: bool, num: int = 1) -> None:
        super().__init__(env)
        self._name, self._tally, self._keep, self._num = name, tally, keep, num
        self._limit = time_limit(env)
        own, known = env.observation_space, spaces_in(env)
        assert isinstance(own, gym.spaces.Box)
        self._observed = known.observation
        self.observation_space = read = as_read(own, known.observation)
        self._read_shape, self._read_dtype = read.shape, read.dtype
        actions = known.actions
        self._clip = actions.clip if actions.kind == "box" else None
        self._begin(np.zeros(self._observed.shape), 0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        episode_seed = self._tally.next_seed()
        observation, info = self.env.reset(seed=episode_seed, options=options)
        seen = self._check(observation, 0.0, "the first observation", episode_seed)
        self._begin(observation, episode_seed)
        return seen, info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`. Raises InputError where a reward or an observation is not finite, or nothing ends."""
        executed = action if self._clip is None else self._clip(action)
        observation, reward, terminated, truncated, info = self.env.step(executed)
        seen = self._check(observation, float(reward), "the observation", self._episode_seed, executed)
        self._tally.env_steps += 1
        self._tally.steps_now += 1
        self._return += float(reward)
        self._steps += 1
        if self._keep:
            self._observations.append(self._kept(observation))
            self._actions.append(np.array(executed))
            self._rewards.append(float(reward))
        if terminated or truncated:
            self._end(bool(terminated), bool(truncated), info.get("is_success"))
        elif self._steps >= self._most:
            self._check_ends()
        return seen, reward, terminated, truncated, info

    def _check(self, observation: Array, reward: float, what: str, seed: int, action: Any = None) -> Array:
        """The observation as it is read. what: how it is called; action: that led to it, of the episode of that seed.

        What is no number must not be learned from: found out here, since a terminal observation is seen nowhere else.
        """
        seen = np.asarray(observation)
        if math.isfinite(reward) and computable(seen).all():
            return seen.astype(self._read_dtype, copy=False).reshape(self._read_shape)
        where = f"environment '{self._name}', episode of seed {seed}"
        if action is None:
            raise InputError(f"{where}: {what} has NaN or infinity in it")
        if not np.isfinite(action).all():
            found = f"the policy's action has NaN or infinity in it: {np.asarray(action).tolist()}"
        else:
            found = f"{what} has NaN or infinity in it" if math.isfinite(reward) else f"the reward is {reward}"
        raise InputError(f"{where}: step {self._steps}: {found}")

    def _check_ends(self) -> None:
        """Raise InputError where nothing ends the episodes: see `envs.endings`."""
        self._most = most_steps(self._limit, self._num, self._tally.some_ended)
        if self._steps >= self._most:
            if self._tally.some_ended:
                where = f"environment '{self._name}', episode of seed {self._episode_seed}"
                raise InputError(f"{where}: no end within {self._most:,} steps: {ADVICE}")
            raise endless(self._name, self._tally.steps_now)

    def _begin(self, observation: Array, seed: int) -> None:
        self._episode_seed, self._return, self._steps = seed, 0.0, 0
        self._most = most_steps(self._limit, self._num, self._tally.some_ended)
        self._observations, self._actions, self._rewards = [self._kept(observation)], [], []  # type: ignore[var-annotated]

    def _kept(self, observation: Array) -> Array:
        """What is kept of it: of a picture of several frames the newest, as a copy."""
        return np.array(newest(np.asarray(observation)[None], self._observed)[0], self._observed.stored_dtype)

    def _end(self, terminated: bool, truncated: bool, success: bool | None) -> None:
        self._tally.end(self._return, self._steps)
        if self._keep:
            observations = rebuilt(np.stack(self._observations), self._observed, np.zeros(1, np.int64))
            actions = np.stack(self._actions)
            rewards = np.array(self._rewards)
            seed = self._episode_seed
            episode = Episode(observations, actions, rewards, terminated, truncated, seed, success)
            self._tally.ended.append((episode, self._tally.env_steps))


class TrainingEnvironments(DummyVecEnv):
    """`num` recorded environments side by side; with `keep`, `writer` gets every episode that ends.

    masked: whether each tells by a method `action_masks` what it allows now.
    """

    writer: DatasetWriter | None = None

    def __init__(self, spec: EnvSpec, num: int, tally: Tally, log: RunLog, keep: bool, masked: bool = False) -> None:
        def one() -> gym.Env[Any, Any]:
            made = make(spec)
            env = in_training(Recorder(made, spec.name, tally, keep, num), spec.wrappers)
            return Remembering(env, spec.name, spaces_in(made).actions) if masked else env

        super().__init__([one for _ in range(num)])
        self._tally, self._log = tally, log

    def reset(self) -> Any:
        """See `stable_baselines3.common.vec_env.VecEnv`."""
        with self._log.clock("environment"):
            return super().reset()

    def step_wait(self) -> Any:
        """See `stable_baselines3.common.vec_env.VecEnv`."""
        with self._log.clock("environment"):
            step = super().step_wait()
        if self.writer is not None and self._tally.ended:
            with self._log.clock("log"):
                for episode, env_steps in self._tally.ended:
                    self.writer.add(episode, behaviour_steps=env_steps)
                self._tally.ended.clear()
        return step
