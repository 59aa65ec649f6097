"""What is found out about a user's environment before anything is trained in it or said of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from rlformer.core.records import EnvSpec
from rlformer.core.seeding import generator
from rlformer.core.spaces import Array
from rlformer.envs.checked import time_limit
from rlformer.envs.endings import AT_FIRST, endless, most_steps
from rlformer.envs.make import make
from rlformer.envs.masks import Remembering, obeying
from rlformer.envs.spaces import spaces_in

_SEED = 7
_STEPS = 16  # of two episodes of one seed, held against each other
_SECONDS = 5.0  # for each of the two questions: what is not known by then is found out later
_PATIENCE = 4  # times those seconds at most, where an episode is on its way to being too long
IGNORES_SEED = (
    "this environment ignores its seed: the same seed gives different episodes, so differences are not paired"
)


def obeys_seed(env: EnvSpec, steps: int = 0) -> bool:
    """Whether one seed, given twice, gives one first observation, and the same so many steps of the same actions.

    Raises InputError as `make` and the environment's check do.
    """
    made = make(env)
    try:
        return _obeys_seed(made, steps)
    finally:
        made.close()


@dataclass(frozen=True)
class Probed:
    """What a few steps told."""

    seed_obeyed: bool
    notes: tuple[str, ...]  # what the user should know


def probe(env: EnvSpec) -> Probed:
    """A few steps of an environment that is to be trained in.

    Raises InputError where it cannot be made, breaks Gymnasium's interface within a few steps, or does not end though
    no time limit is known of it.
    """
    made = make(env)
    try:
        obeyed = _obeys_seed(made, _STEPS)
        if time_limit(made) is None:
            _check_ends(made, env.name)
        return Probed(obeyed, tuple(filter(None, ("" if obeyed else IGNORES_SEED, _outside(made)))))
    finally:
        made.close()


def _obeys_seed(made: gym.Env[Any, Any], steps: int) -> bool:
    first = _episode(made, steps, _SECONDS / 2)
    again = _episode(made, len(first) - 1, math.inf)  # a clock that cut it elsewhere would look like chance
    # Physics may round otherwise once memory lies elsewhere; chance differs by more.
    return len(first) == len(again) and all(
        np.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True) for a, b in zip(first, again, strict=True)
    )


def _episode(made: gym.Env[Any, Any], steps: int, seconds: float) -> list[Array]:
    """What the episode of one seed shows, rewards behind the observations, in so many steps of fixed actions.

    It is cut after about so many seconds.
    """
    actions = spaces_in(made).actions.sample(generator(_SEED, "probe"), _STEPS)  # what is drawn depends on the number
    until, obedient = time.perf_counter() + seconds, _Obedient(made, _name(made))
    shown = [np.ravel(np.asarray(obedient.env.reset(seed=_SEED)[0], np.float64))]
    for action in actions[:steps]:
        observation, reward, terminated, truncated, _ = obedient.step(action)
        shown.append(np.append(np.asarray(observation, np.float64), float(reward)))
        if terminated or truncated or time.perf_counter() > until:
            break
    return shown


def _name(made: gym.Env[Any, Any]) -> str:
    return "" if made.spec is None else made.spec.id


class _Obedient:
    """An environment in which what is forbidden is drawn again among what is allowed, where it says that."""

    def __init__(self, made: gym.Env[Any, Any], name: str) -> None:
        self._actions, self._rng = spaces_in(made).actions, generator(_SEED, "probe/allowed")
        self.env = Remembering(made, name, self._actions)

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        if self._actions.kind != "box" and self.env.says:
            masks = self.env.allowed()[None]
            action = obeying(np.asarray(action)[None], masks, self._actions.nvec, {0: self._rng})[0]
        return self.env.step(action)


def _outside(made: gym.Env[Any, Any]) -> str:
    """What is to be said of observations outside of their space's bounds; "" of none."""
    space = made.observation_space
    assert isinstance(space, gym.spaces.Box)
    size = int(np.prod(space.shape))
    shown = np.stack([row[:size] for row in _episode(made, _STEPS, _SECONDS / 2)])  # (T, D)
    low, high = (bound.ravel().astype(np.float64) for bound in (space.low, space.high))
    slack = 1e-4 * np.maximum(1.0, np.abs(np.where(np.isfinite(shown), shown, 0.0)))
    beyond = np.argwhere((shown < low - slack) | (shown > high + slack))
    if not len(beyond):
        return ""
    row, column = beyond[0]
    return (
        f"observations leave the bounds of their space: number {column} is {shown[row, column]:g}, its bounds are "
        f"{low[column]:g} and {high[column]:g}"
    )


def _check_ends(made: gym.Env[Any, Any], name: str) -> None:
    """Raise InputError where an episode of random actions does not end: see `envs.endings`."""
    rng, actions = generator(_SEED, "probe/end"), spaces_in(made).actions
    until, most, made_steps = time.perf_counter() + _SECONDS, most_steps(None, 1, ended=False), 0
    obedient = _Obedient(made, name)
    obedient.env.reset(seed=_SEED)
    while True:
        for action in actions.sample(rng, 500):
            _, _, terminated, truncated, _ = obedient.step(action)
            made_steps += 1
            if terminated or truncated:
                return
            late = time.perf_counter() >= until
            if made_steps >= (AT_FIRST if late else most):  # nobody may wait for minutes in a slow one
                raise endless(name, made_steps)
            if late and _PATIENCE * made_steps < AT_FIRST:
                return
