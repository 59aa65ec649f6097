"""What all diagnostic environments are: rules as pure functions over N episodes side by side.

Chance is a handful of coins that an episode tosses when it begins, and everything after that is determined.
So an environment can be played one episode at a time (`Diagnostic`), many at once (`vector`), or through all
coins and all actions, which is how its closed forms are tested.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds import pictures

RETURN = "return"  # the group of the returns-to-go, which every policy that is conditioned on them has


@dataclass
class State:
    """N episodes side by side."""

    time: Array  # (N,) int64: steps taken
    memory: Array  # (N,) int64: what earlier actions left behind; each environment says what
    coins: Array  # (N, C) bool: chance, tossed when the episode began
    over: Array  # (N,) bool

    def __setitem__(self, rows: Array, state: State) -> None:
        self.time[rows], self.memory[rows] = state.time, state.memory
        self.coins[rows], self.over[rows] = state.coins, state.over


@dataclass(frozen=True)
class Latent:
    """What an episode shows at one step alone, and what is asked for at a later one: it has to be remembered.

    Either the observation of step `shown` shows it (`seen`) or the agent's action there makes it (`made_by`). No other
    observation up to step `decided` depends on it, and neither observations nor rewards up to there depend on actions
    at the steps between.
    """

    name: str
    values: tuple[str, ...]  # a name for each value, two at least
    shown: int  # the step
    decided: int  # the step at which it matters
    seen: Callable[[Array], Array] | None = None  # observations of step `shown` (N, D) -> number of the value (N,)
    made_by: tuple[tuple[int, ...], ...] | None = None  # the actions of step `shown` that make each value
    asked: tuple[float, ...] = ()  # returns at which imitation needs it, where at the best one it does not

    def read(self, observations: Array, actions: Array) -> Array:
        """The number of the value in each of N episodes, from its step `shown`: (N, D), (N,) -> (N,) int64."""
        if self.seen is not None:
            return np.asarray(self.seen(observations), np.int64)
        assert self.made_by is not None
        return np.array([np.isin(actions, made) for made in self.made_by]).argmax(axis=0)


class Diagnostic(gym.Env[Array, int], ABC):
    """One episode at a time of an environment with a known optimum.

    A subclass gives the rules (`advance`, `features`, `begin` where memory is not 0 at first), a picture, the
    log's behaviour, and the closed forms. These are expected undiscounted returns. `context` counts the steps
    that a policy sees, the current one included; None is the whole history. Return-conditioned imitation
    (RCSL, Brandfonbrener et al. 2022) is the best fit to an endless log: it plays P(action | context,
    returns-to-go) as in the log. A greedy policy plays the most probable action, ties broken evenly.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # type: ignore[misc]

    action_names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]  # the features of an observation in order, by group
    horizon: int  # steps of the longest episode
    decisions: tuple[int, ...]  # the times at which an action makes a difference
    latent: Latent | None = None  # what has to be remembered, where that is one thing that is shown once
    log_kwargs: Mapping[str, Any] = {}  # where the log is made with other keywords than the policy is judged with

    def __init__(
        self,
        *,
        actions: tuple[str, ...],
        groups: Mapping[str, tuple[str, ...]],
        horizon: int,
        decisions: tuple[int, ...],
        relevant: frozenset[str],
        relevant_to_expert: frozenset[str] | None = None,
        coins: tuple[float, ...] = (),
        signed: tuple[str, ...] = (),
        render_mode: str | None = None,
    ) -> None:
        """relevant: see `truth`; to imitation of the expert the same groups matter unless others are given.
        coins: each one's probability of heads. signed: features from -1 to 1; the others go from 0 to 1.
        """
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise InputError(f"unknown render_mode '{render_mode}'; valid: ansi, rgb_array")
        self.action_names, self.groups, self.horizon, self.render_mode = actions, groups, horizon, render_mode
        self.decisions, self._relevant = decisions, relevant
        self._relevant_to_expert = relevant if relevant_to_expert is None else relevant_to_expert
        self.feature_names = tuple(chain.from_iterable(groups.values()))
        self.coins = np.array(coins, np.float64)  # (C,)
        self.action_space: spaces.Space[Any] = spaces.Discrete(len(actions))
        low = np.array([-1.0 if name in signed else 0.0 for name in self.feature_names], np.float32)
        self.observation_space = spaces.Box(low, np.ones_like(low))
        self._state: State | None = None

    # -- rules, over N episodes ------------------------------------------------------------------------

    def begin(self, coins: Array) -> State:
        """N new episodes with these coins (N, C)."""
        zeros = np.zeros(len(coins), np.int64)
        return State(zeros, zeros.copy(), coins, np.zeros(len(coins), bool))

    @abstractmethod
    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """The memory (N,) that the actions (N,) leave, their rewards (N,), and which episodes end (N,)."""

    @abstractmethod
    def features(self, state: State) -> Array:
        """What is observed: (N, D) float32."""

    @abstractmethod
    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """Rows of tiles (see `pictures`) that show one episode."""

    def successor(self, state: State, actions: Array) -> tuple[State, Array]:
        """The state after one step in each of N running episodes, and the rewards (N,)."""
        memory, rewards, over = self.advance(state, actions)
        return State(state.time + 1, memory, state.coins, over), rewards

    # -- Gymnasium's interface: N = 1 ------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """See `gymnasium.Env`. There are no options."""
        super().reset(seed=seed)
        self._state = self.begin(self.toss([self.np_random]))
        return self.features(self._state)[0], {}

    def step(self, action: int) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env`. Episodes are never truncated.

        Raises ResetNeeded before the first and after the last step, and InputError for an unknown action.
        """
        if self._state is None or self._state.over[0]:
            raise gym.error.ResetNeeded(f"{type(self).__name__}: call reset first")
        if not 0 <= action < len(self.action_names):
            raise InputError(f"{type(self).__name__}: actions are 0 to {len(self.action_names) - 1}, got {action}")
        self._state, rewards = self.successor(self._state, np.array([action]))
        return self.features(self._state)[0], float(rewards[0]), bool(self._state.over[0]), False, {}

    def render(self) -> str | Array | None:
        """A string, or a (height, width, 3) uint8 image."""
        if self._state is None:
            raise gym.error.ResetNeeded(f"{type(self).__name__}: call reset first")
        return self.draw(self._state, 0)

    def toss(self, streams: list[np.random.Generator]) -> Array:
        """An episode's coins from each stream: (len(streams), C) bool."""
        uniform = np.empty((len(streams), len(self.coins)))
        if len(self.coins):
            for row, stream in zip(uniform, streams, strict=True):
                stream.random(out=row)
        return uniform < self.coins

    def draw(self, state: State, row: int) -> str | Array | None:
        """One of the episodes in this environment's render mode."""
        if self.render_mode is None:
            return None
        rows = self.picture(int(state.time[row]), int(state.memory[row]), state.coins[row])
        return "\n".join(rows) if self.render_mode == "ansi" else pictures.paint(rows)

    # -- behaviour policies ------------------------------------------------------------------------------

    def log(self, first: Array, current: Array) -> Array:
        """The log's behaviour: probabilities (N, A), given first and current observations (N, D)."""
        return np.full((len(current), len(self.action_names)), 1.0 / len(self.action_names))

    @abstractmethod
    def expert(self, first: Array, current: Array) -> Array:
        """An optimal behaviour, in the same form."""

    # -- closed forms ------------------------------------------------------------------------------------

    @abstractmethod
    def optimum(self, context: int | None = None) -> float:
        """The best that reward maximisation can reach."""

    @abstractmethod
    def share(self, target_return: float) -> float:
        """P(G = target_return) among the log's episodes that begin as an evaluation does."""

    @abstractmethod
    def cloning(self, context: int | None = None) -> float:
        """What imitating the log without a return earns, actions sampled."""

    def random_return(self) -> float:
        """What uniform actions earn, which most logs are made of."""
        return self.cloning()

    def rcsl(self, target_return: float, *, greedy: bool = False, context: int | None = None) -> float:
        """What return-conditioned imitation of the log earns with the target return `target_return`.

        Raises InputError where the log never earns that: then nothing is known.
        """
        if self.share(target_return) <= 0.0:
            raise InputError(f"{type(self).__name__}: its log never earns {target_return:g}")
        return self._rcsl(target_return, self.horizon if context is None else context, greedy)

    @abstractmethod
    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float: ...

    def coverage(self, target_return: float, episodes: int) -> float:
        """P(a log of so many episodes earns `target_return` once at least)."""
        share = self.share(target_return)
        return 1.0 if share >= 1.0 else -math.expm1(episodes * math.log1p(-share))

    def truth(self, behaviour: str = "log") -> frozenset[str]:
        """The groups of inputs, now or earlier, on which imitation of a behaviour ('log' or 'expert') depends.

        Imitation of the log is given the returns that it earns as targets. In the expert's, the return says no more
        than the time does, and what it would do does not depend on it.
        """
        return self._relevant_to_expert if behaviour == "expert" else self._relevant | {RETURN}


def one_hot(index: Array, size: int) -> Array:
    """(N,) to (N, size) float32; all 0 where the index is not below `size`."""
    return np.equal.outer(index, np.arange(size)).astype(np.float32)


def always(action: int, like: Array, actions: int) -> Array:
    """Probabilities (N, A) of a policy that plays `action`, for N observations `like` (N, D)."""
    return one_hot(np.full(len(like), action), actions)
