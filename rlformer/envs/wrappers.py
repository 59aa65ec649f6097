"""The closed list of wrappers that a card may name: a new one is a class here and a line in `WRAPPERS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces, wrappers

from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.ranges import Range, real, whole
from rlformer.core.spaces import Array
from rlformer.envs.atari import Atari, FrameStack, Learning
from rlformer.envs.missions import Missions
from rlformer.envs.spaces import action_spec


@dataclass(frozen=True)
class Kind:
    """A wrapper as a card names it."""

    wrap: Callable[..., gym.Env[Any, Any]]  # (env, **keys)
    keys: Mapping[str, Range] = field(default_factory=dict)  # of its table, all of which it must have
    # What lies around an environment while an agent is trained in it, and only then; None: nothing.
    in_training: Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]] | None = None


class _Noisy(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Changes a vector observation at random, from a stream of its own.

    An episode's seed decides both streams, and the environment draws what it would draw without the wrapper.
    Observations are floating-point numbers then. Raises InputError where the observation is not a vector.
    """

    kind: str  # as a card names it

    def __init__(self, env: gym.Env[Any, Any], **arguments: Any) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, **arguments)
        super().__init__(env)
        self._rng = np.random.default_rng()
        space = env.observation_space
        if not (isinstance(space, spaces.Box) and len(space.shape) == 1):
            raise InputError(
                f"wrapper '{self.kind}' needs a vector observation, got {space}; put {{ kind = \"flatten\" }} before it"
            )
        self._low, self._high = space.low, space.high  # (D,)
        self._dtype = np.result_type(space.dtype, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self._rng = seeding.generator(seed, self.kind)
        return self.env.reset(seed=seed, options=options)


class ObservationNoise(_Noisy):
    """Gaussian noise of `std` on every dimension of a vector observation."""

    kind = "observation_noise"

    def __init__(self, env: gym.Env[Any, Any], std: float) -> None:
        super().__init__(env, std=std)
        self._std = std
        self.observation_space = spaces.Box(-np.inf, np.inf, self._low.shape, self._dtype.type)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        observation, info = super().reset(seed=seed, options=options)
        return self._blur(observation), info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        observation, *rest = self.env.step(action)
        return (self._blur(observation), *rest)

    def _blur(self, observation: Array) -> Array:
        return (observation + self._rng.normal(0.0, self._std, observation.shape)).astype(self._dtype)


class Distractors(_Noisy):
    """`count` dimensions of random +-1 and a copy of the previous action behind a vector observation.

    None of them bears on the task, so that their true importance is 0. The copy is one-hot for categories; a
    Box action is copied as it was executed, within its bounds; before the first action it is 0.
    """

    kind = "distractors"

    def __init__(self, env: gym.Env[Any, Any], count: int) -> None:
        super().__init__(env, count=count)
        self._count, self._actions = count, action_spec(env.action_space)
        self._first = np.ravel(getattr(env.action_space, "start", 0))  # categories may begin elsewhere than at 0
        if self._actions.kind == "box":  # 0 stands for "none yet" and may lie outside
            below = np.minimum(self._actions.low, 0.0)
            above = np.maximum(self._actions.high, 0.0)
        else:
            below, above = np.zeros(sum(self._actions.nvec)), np.ones(sum(self._actions.nvec))
        self._none = np.zeros(len(below))
        low = np.concatenate([self._low, -np.ones(count), below]).astype(self._dtype)
        high = np.concatenate([self._high, np.ones(count), above]).astype(self._dtype)
        self.observation_space = spaces.Box(low, high, dtype=self._dtype.type)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        observation, info = super().reset(seed=seed, options=options)
        return self._extend(observation, self._none), info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        observation, *rest = self.env.step(action)
        return (self._extend(observation, self._encode(action)), *rest)

    def _extend(self, observation: Array, previous: Array) -> Array:
        noise = self._rng.choice([-1.0, 1.0], self._count)
        return np.concatenate([observation, noise, previous]).astype(self._dtype)

    def _encode(self, action: Any) -> Array:
        if self._actions.kind == "box":
            return np.ravel(self._actions.clip(np.ravel(action)))
        hot = self._none.copy()
        hot[np.cumsum((0, *self._actions.nvec[:-1])) + np.ravel(action) - self._first] = 1.0
        return hot


class ScaledObservation(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Every dimension of a vector observation `factor` times as large, in a floating-point type.

    Raises InputError where the observation is not a vector.
    """

    def __init__(self, env: gym.Env[Any, Any], factor: float) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, factor=factor)
        super().__init__(env)
        space = env.observation_space
        if not (isinstance(space, spaces.Box) and len(space.shape) == 1):
            raise InputError(f"wrapper 'scaled_observation' needs a vector observation, got {space}")
        self._factor, self._dtype = factor, np.result_type(space.dtype, np.float32)
        low, high = space.low * float(factor), space.high * float(factor)
        self.observation_space = spaces.Box(low.astype(self._dtype), high.astype(self._dtype), dtype=self._dtype.type)

    def observation(self, observation: Array) -> Array:
        """See `gymnasium.ObservationWrapper`."""
        return (observation * self._factor).astype(self._dtype)


class TimeFeature(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """The share of an episode that is left, from 1 to 0, behind a vector observation.

    As sb3-contrib's TimeFeatureWrapper has it: 1 - t / steps at step t, in the observation's own dtype (Pardo et al.
    2018, arXiv:1712.00378). steps: of a whole episode. Raises InputError where the observation is not a vector of
    floating-point numbers.
    """

    def __init__(self, env: gym.Env[Any, Any], steps: int) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, steps=steps)
        super().__init__(env)
        space = env.observation_space
        if not (isinstance(space, spaces.Box) and len(space.shape) == 1 and space.dtype.kind == "f"):
            raise InputError(f"wrapper 'time_feature' needs a vector of floating-point numbers, got {space}")
        if steps < 1:
            raise InputError(f"wrapper 'time_feature': steps {steps}: an episode has at least one")
        self._steps, self._taken, self._dtype = steps, 0, space.dtype
        low, high = np.append(space.low, 0.0), np.append(space.high, 1.0)
        self.observation_space = spaces.Box(low.astype(space.dtype), high.astype(space.dtype), dtype=space.dtype.type)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        self._taken = 0
        observation, info = self.env.reset(seed=seed, options=options)
        return self._extend(observation), info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        self._taken += 1
        observation, *rest = self.env.step(action)
        return (self._extend(observation), *rest)

    def _extend(self, observation: Array) -> Array:
        return np.append(observation, 1.0 - self._taken / self._steps).astype(self._dtype)


class DelayedReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Every reward is withheld until the episode's last step, which pays their sum."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._withheld = 0.0

    def reset(self, **kwargs: Any) -> Any:
        """See `gymnasium.Env`."""
        self._withheld = 0.0
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        observation, reward, terminated, truncated, info = super().step(action)
        self._withheld += float(reward)
        paid = self._withheld if terminated or truncated else 0.0
        return observation, paid, terminated, truncated, info


class ActionBounds(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """A Box of actions from `low` to `high` in every dimension, where the environment's own is wider.

    Raises InputError where the actions are no Box, or a dimension has nothing between both.
    """

    def __init__(self, env: gym.Env[Any, Any], low: float, high: float) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, low=low, high=high)
        super().__init__(env)
        space = env.action_space
        if not isinstance(space, spaces.Box):
            raise InputError(f"wrapper 'action_bounds' needs a Box of actions, got {space}")
        least, most = np.maximum(space.low, low), np.minimum(space.high, high)
        if not (least < most).all():
            raise InputError(f"wrapper 'action_bounds': no part of {space} is between {low} and {high}")
        dtype = np.dtype(space.dtype)
        if dtype.kind != "f":
            least, most = np.ceil(least), np.floor(most)
        self.action_space = spaces.Box(least.astype(dtype), most.astype(dtype), dtype=dtype.type)


def time_limit(env: gym.Env[Any, Any], steps: int) -> gym.Env[Any, Any]:
    """Truncates an episode after `steps` steps: `envs.make` raises a shorter limit that Gymnasium has for it.

    Raises InputError outside of a delayed reward.
    """
    layer = env
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, DelayedReward):
            raise InputError(
                "wrapper 'time_limit' must come before 'delayed_reward': otherwise what it cuts off is never paid"
            )
        layer = layer.env
    return wrappers.TimeLimit(env, max_episode_steps=steps)


WRAPPERS: Mapping[str, Kind] = {
    "time_limit": Kind(time_limit, {"steps": whole(1, 10**9)}),
    "action_bounds": Kind(ActionBounds, {"low": real(-1e38, 1e38), "high": real(-1e38, 1e38)}),
    "observation_noise": Kind(ObservationNoise, {"std": real(0, 1e9)}),
    "delayed_reward": Kind(DelayedReward),
    "distractors": Kind(Distractors, {"count": whole(1, 10**4)}),
    "scaled_observation": Kind(ScaledObservation, {"factor": real(0, 1e9, above=True)}),
    "time_feature": Kind(TimeFeature, {"steps": whole(1, 10**9)}),
    "flatten": Kind(wrappers.FlattenObservation),
    "minigrid": Kind(Missions),
    "atari": Kind(
        Atari, {"frame_skip": whole(1, 100), "noops": whole(0, 1000), "side": whole(4, 512)}, in_training=Learning
    ),
    "frame_stack": Kind(FrameStack, {"frames": whole(1, 64)}),
    "sticky_action": Kind(wrappers.StickyAction, {"repeat_action_probability": real(0, 1)}),
}


def in_training(env: gym.Env[Any, Any], tables: Iterable[Mapping[str, Any]]) -> gym.Env[Any, Any]:
    """The environment as an agent that is trained in it shall see it. tables: of its card's wrappers."""
    for table in tables:
        if (around := WRAPPERS[table["kind"]].in_training) is not None:
            env = around(env)
    return env
