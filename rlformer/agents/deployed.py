"""A policy as whoever uses it wants it: for one environment in its own form, or for many side by side; both checked."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from rlformer.agents.threads import one_thread
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.spaces import Array, Spaces, computable
from rlformer.envs.native import NativeSpaces, Translator


@dataclass(frozen=True)
class Traits:
    """What whoever uses a policy has to do for it."""

    reads_returns: bool = False  # whether it has to hear rewards, because it counts down a return
    asks: bool = False  # whether it can be told what return to reach
    target_return: float | None = None  # what it asks for if nothing is said
    rules: Mapping[str, float] = field(default_factory=dict)  # what each rule would ask for, from its log
    draws: bool = False  # whether it draws its actions, from a stream that an episode's seed begins
    remembers: bool = True  # whether earlier steps of an episode enter


@dataclass
class _Episode:
    """The running one of the single form."""

    steps: int = 0
    action: Array | None = None  # the last one, canonical, (1, *act)


class DeployedPolicy:
    """A trained policy that acts.

    In one environment, whose observations and actions are its own::

        policy.reset(target_return=..., seed=...)       # an episode begins
        action = policy(observation, reward)            # `env.step(action)` takes it; reward: of the action before

    In N environments side by side, as `core.policy.Policy` says, with canonical arrays: `begin`, `act`, `observe`.
    Both give exactly the actions that `rlformer.evaluate` plays. What is misused raises InputError.
    """

    def __init__(self, policy: Policy, native: NativeSpaces, name: str, traits: Traits) -> None:
        self.policy, self.native, self.name, self.traits = policy, native, name, traits
        self._translator = Translator(native)
        self._episode: _Episode | None = None
        self._begun = self._acted = False

    @property
    def observation_space(self) -> gym.Space[Any]:
        """What one observation is, as the environment gives it."""
        return self.native.observation

    @property
    def action_space(self) -> gym.Space[Any]:
        """What one action is, as the environment takes it."""
        return self.native.action

    @property
    def spaces(self) -> Spaces:
        """Both in canonical form, in which `act` reads and answers."""
        return self.native.canonical

    def reset(self, target_return: float | str | None = None, *, seed: int | None = None) -> None:
        """An episode begins: what came before is forgotten.

        target_return: what a return-conditioned policy is asked for, a number or the name of a rule of its log; None:
        what its training chose. seed: of a policy that draws its actions; None: another one each time. Raises
        InputError where nothing says what to ask for.
        """
        asked = self._target(target_return)
        drawn = int(np.random.default_rng().integers(2**31)) if seed is None else _seed(seed)
        self.policy.begin(np.zeros(1, np.int64), np.array([drawn]), None if asked is None else np.array([asked]))
        self._episode, self._begun, self._acted = _Episode(), False, False

    def __call__(self, observation: Any, reward: Any = None) -> Any:
        """The action for one observation as the environment gives it.

        reward: what the action before earned. A policy that counts down a return needs it from an episode's second
        step on; others ignore it. Gives an int for a Discrete action space, else an array of the space's dtype and
        shape. Raises InputError where no episode was begun, the observation is none of the space's, or the reward is
        missing or no number.
        """
        episode = self._episode
        if episode is None:
            raise InputError(f"{self.name}: no episode has begun: call policy.reset() at the start of each episode")
        row = self._translator.observation(observation)[None]
        earned = self._earned(reward, episode)
        if episode.action is not None:
            self.policy.observe(episode.action, np.array([earned]))
        spec = self.spaces.actions
        with one_thread():
            episode.action = np.array(spec.clip(self.policy.act(row)), spec.dtype)
        episode.steps += 1
        return self._translator.action(episode.action[0])

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None = None) -> None:
        """New episodes begin in these of the N slots; see `core.policy.Policy`. target_returns None: its own."""
        slots, seeds = np.atleast_1d(np.asarray(slots)), np.atleast_1d(np.asarray(seeds))
        if slots.shape != seeds.shape or slots.ndim != 1 or not len(slots):
            raise InputError(f"{self.name}: begin takes a seed for each slot, got {slots.shape} and {seeds.shape}")
        if target_returns is None:
            default = self._target(None)
            asked = None if default is None else np.full(len(slots), default)
        else:
            asked = np.broadcast_to(np.asarray(target_returns, np.float64), slots.shape)
            if not np.isfinite(asked).all():
                raise InputError(f"{self.name}: a target return is not finite: {asked.tolist()}")
        self.policy.begin(slots, seeds, asked)
        self._episode, self._begun, self._acted = None, True, False

    def act(self, observations: Array) -> Array:
        """(N, *obs) canonical -> (N, *act) canonical; see `core.policy.Policy`."""
        observations, shape = np.asarray(observations), self.spaces.observation.shape
        if observations.shape[1:] != shape or observations.ndim != len(shape) + 1:
            one = "; a single one goes to policy(observation), after policy.reset()"
            raise InputError(f"{self.name}: act takes observations (N, *{shape}), got {observations.shape}{one}")
        if observations.dtype.kind not in "fiub" or not computable(observations).all():
            raise InputError(f"{self.name}: the observations are not finite numbers")
        if self.traits.draws and not self._begun:
            raise InputError(
                f"{self.name}: it samples its actions: call begin(slots, seeds) at the start of each episode"
            )
        if self.traits.remembers and self._acted:
            raise InputError(
                f"{self.name}: call observe(actions, rewards) after each act, since it remembers its actions"
            )
        self._acted, self._episode = True, None
        with one_thread():
            return self.policy.act(observations)

    def observe(self, actions: Array, rewards: Array) -> None:
        """The executed actions (N, *act), canonical, and what they earned (N,); see `core.policy.Policy`."""
        if self.traits.remembers and not self._begun:
            raise InputError(
                f"{self.name}: remembers its episode: call begin(slots, seeds, target_returns) at the start of "
                "each episode"
            )
        if self.traits.remembers and not self._acted:
            raise InputError(f"{self.name}: call act(observations) before observe")
        actions, earned = np.asarray(actions), np.asarray(rewards)
        shape = self.spaces.actions.shape
        if actions.shape[1:] != shape or actions.ndim != len(shape) + 1 or earned.shape != actions.shape[:1]:
            raise InputError(
                f"{self.name}: observe takes actions (N, *{shape}) and rewards (N,), got {actions.shape} and "
                f"{earned.shape}"
            )
        if earned.dtype.kind not in "fiub" or not np.isfinite(earned).all():
            raise InputError(f"{self.name}: a reward is not a finite number: {rewards}")
        self.policy.observe(actions, earned.astype(np.float64))
        self._acted = False

    def _target(self, target_return: float | str | None) -> float | None:
        """What to ask for; None of a policy that cannot be asked."""
        traits = self.traits
        if not traits.asks:
            if target_return is not None:
                text = f"{self.name}: has no target return; target_return={target_return} is ignored"
                warnings.warn(text, stacklevel=3)
            return None
        if isinstance(target_return, str):
            if target_return not in traits.rules:
                known = f"it knows {', '.join(traits.rules)}" if traits.rules else "it has no rule: give a number"
                raise InputError(f"{self.name}: does not record the '{target_return}' of its log; {known}")
            return traits.rules[target_return]
        asked = traits.target_return if target_return is None else _number(target_return)
        if asked is None and target_return is None:
            raise InputError(f"{self.name}: does not record a target return: use policy.reset(target_return=R)")
        if asked is None:
            raise InputError(f"{self.name}: target_return={target_return!r} is not a finite number")
        return asked

    def _earned(self, reward: Any, episode: _Episode) -> float:
        """What the action before earned; 0 where it does not enter."""
        if reward is None:
            if self.traits.reads_returns and episode.steps:
                raise InputError(
                    f"{self.name}: counts down the return that it was asked for: policy(observation, reward) with what "
                    "the action before earned"
                )
            return 0.0
        earned = _number(reward)
        if earned is None:
            raise InputError(f"{self.name}: the reward {reward!r:.80} is not a finite number")
        if earned and not episode.steps:
            raise InputError(
                f"{self.name}: a reward of {earned:g} with the first observation of an episode, before any action; "
                "pass it in the call after the action that earned it"
            )
        return earned


def _number(value: Any) -> float | None:
    """The number, of one-element arrays too; None where it is none or not finite."""
    try:
        array = np.asarray(value)
        number = float(array.reshape(())) if array.size == 1 and array.dtype.kind in "fiub" else math.nan
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _seed(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"seed={seed!r}: expected a whole number of 0 or more")
    return number
