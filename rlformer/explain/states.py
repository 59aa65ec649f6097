"""States to explain at: what a policy sees when it chooses, aligned at the current step, and others to replace it by.

Aligned so, "the current observation" is one place in every state, however long its episode has been.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.sequence.actions import ActionCodec
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset
from rlformer.data.windows import returns_to_go


@dataclass(frozen=True)
class States:
    """B states of K steps, the current one last; steps before an episode's first are zeros and are not seen."""

    returns_to_go: Tensor  # (B, K)
    observations: Tensor  # (B, K, O)
    actions: Tensor  # (B, K, W) as `ActionCodec` encodes categories, reals as they are; the current one is unknown: 0
    lengths: Tensor  # (B,) steps that are seen, the current one included
    times: Tensor  # (B,) of the current step in its episode

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """What can be replaced: returns-to-go, observations, actions."""
        return self.returns_to_go, self.observations, self.actions

    def having(self, returns_to_go: Tensor, observations: Tensor, actions: Tensor) -> States:
        """The same steps with other inputs; as many times as the inputs have rows for each of these states."""
        times = len(returns_to_go) // len(self)
        lengths, at = (
            (x.repeat(times) for x in (self.lengths, self.times)) if times != 1 else (self.lengths, self.times)
        )
        return States(returns_to_go, observations, actions, lengths, at)

    def __getitem__(self, rows: Tensor | slice) -> States:
        return States(*(x[rows] for x in (*self.inputs, self.lengths, self.times)))

    @property
    def seen(self) -> Tensor:
        """Which steps are seen: (B, K) bool."""
        steps = self.returns_to_go.shape[1]
        return torch.arange(steps) >= steps - self.lengths[:, None]

    def window(self) -> Window:
        """As policies read it: padded on the right. Differentiable."""
        steps = self.returns_to_go.shape[1]
        place = torch.arange(steps)
        source = (place + steps - self.lengths[:, None]).clamp(max=steps - 1)  # (B, K)
        mask = place < self.lengths[:, None]
        timesteps = (self.times[:, None] - self.lengths[:, None] + 1 + place).clamp(max=self.times[:, None])
        observations, actions = (
            x.gather(1, source[..., None].expand(-1, -1, x.shape[2])) for x in (self.observations, self.actions)
        )
        return Window(observations, actions, self.returns_to_go.gather(1, source), timesteps, mask)


class LogStates:
    """Episodes as states, a log's or a policy's own: at steps that are drawn, and others of the same time instead."""

    def __init__(
        self,
        dataset: Dataset,
        context_length: int,
        decisions: Sequence[int] | None = None,
        target_return: float | None = None,
    ) -> None:
        """decisions: the only times at which an action makes a difference, where that is known.

        target_return: what a policy was asked for in these episodes: its returns-to-go are that minus the rewards so
        far. None: those that the episodes earned. Raises InputError where no two episodes reach the same time.
        """
        self.dataset, self.context_length = dataset, context_length
        self._codec = ActionCodec(dataset.info.actions)
        self._returns_to_go = returns_to_go(dataset)
        if target_return is not None:
            missed = np.repeat(target_return - dataset.returns, dataset.lengths)
            self._returns_to_go = (self._returns_to_go + missed).astype(np.float32)
        self._firsts = np.cumsum(dataset.lengths) - dataset.lengths
        self._decisions = decisions
        self._choose(np.arange(len(dataset.lengths)))
        if not len(self.times):
            raise InputError("no two episodes reach the same step, so that nothing can be replaced")

    def _choose(self, episodes: Array) -> None:
        """Draw from these episodes alone."""
        lengths = self.dataset.lengths[episodes]
        by_length = np.argsort(-lengths, kind="stable")
        self._by_length, self._sorted = episodes[by_length], -lengths[by_length]  # the longest first
        self._ranks = np.full(len(self.dataset.lengths), -1)
        self._ranks[self._by_length] = np.arange(len(by_length))
        times = np.arange(int(lengths.max()))
        usable = self._alive(times) >= 2
        if self._decisions is not None:
            usable &= np.isin(times, self._decisions)
        self.times = times[usable]  # at which there is another state to put in place

    def halves(self) -> tuple[LogStates, LogStates]:
        """The same states with donors from every other episode each, so that the two share none.

        Both draw at the times that both can replace at. Raises InputError where there are none.
        """
        halves = copy.copy(self), copy.copy(self)
        for first, half in enumerate(halves):
            half._choose(np.arange(first, len(self.dataset.lengths), 2))
        times = np.intersect1d(halves[0].times, halves[1].times)
        if not len(times):
            raise InputError("no two episodes of each half reach the same step, so that nothing can be tested afresh")
        for half in halves:
            half.times = times
        return halves

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Episodes and times (count,) each of states, every step (at a usable time) alike."""
        times = rng.choice(self.times, count, p=self.shares(self.times))
        return self.reaching(times, rng), times

    def shares(self, times: Array) -> Array:
        """How many steps lie at each of these times (T,), as shares of all of them."""
        alive = self._alive(times)
        shares: Array = alive / alive.sum()
        return shares

    def others(self, episodes: Array, times: Array, rng: np.random.Generator) -> Array:
        """Another episode that reaches each time: (B,)."""
        count, ranks = self._alive(times), self._ranks[episodes]
        shift = 1 + (rng.random(len(times)) * (count - 1)).astype(np.int64)
        other = np.where(ranks >= 0, (ranks + shift) % count, (rng.random(len(times)) * count).astype(np.int64))
        return self._by_length[other]

    def any(self, times: Array, rng: np.random.Generator) -> States:
        """A state at each of these times (B,)."""
        return self.at(self.reaching(times, rng), times)

    def at(self, episodes: Array, times: Array) -> States:
        """The states of these episodes (B,) at these times (B,)."""
        dataset, steps = self.dataset, self.context_length
        lengths = np.minimum(times + 1, steps)
        steps_at = times[:, None] - steps + 1 + np.arange(steps)  # (B, K), negative where not seen
        seen, place = steps_at >= 0, np.maximum(steps_at, 0)
        of_view = self._firsts[episodes, None] + place
        observations = dataset.observations[dataset.observation_starts[episodes, None] + place]
        actions = torch.from_numpy(np.asarray(dataset.actions[dataset.starts[episodes, None] + place]))
        encoded = actions if dataset.info.actions.kind == "box" else self._codec.encode(actions)
        known = torch.from_numpy(seen & (np.arange(steps) < steps - 1))[..., None]
        shown = torch.from_numpy(seen)
        flat = torch.from_numpy(np.asarray(observations, np.float32).reshape(*seen.shape, -1))
        return States(
            torch.from_numpy(self._returns_to_go[of_view]) * shown,
            flat * shown[..., None],
            encoded * known,
            torch.from_numpy(lengths),
            torch.from_numpy(np.asarray(times, np.int64)),
        )

    def _alive(self, times: Array) -> Array:
        """How many episodes reach each time."""
        return np.searchsorted(self._sorted, -times, side="left")

    def reaching(self, times: Array, rng: np.random.Generator) -> Array:
        """An episode that reaches each of these times: (B,)."""
        return self._by_length[(rng.random(len(times)) * self._alive(times)).astype(np.int64)]


@dataclass(frozen=True)
class Sample:
    """States with R others each to put in their place, replacement after replacement: others[r * B + b] for b.

    `alike` are of the same time; `anywhen` of any decision, where the decisions are known, else the same: features
    that are functions of the time alone cannot change at equal times.
    """

    states: States  # B
    alike: States  # R * B
    anywhen: States  # R * B

    @property
    def replacements(self) -> int:
        """R."""
        return len(self.alike) // len(self.states)

    def some(self, count: int, replacements: int | None = None) -> Sample:
        """The first `count` states, with the first replacements of each."""
        total, kept = len(self.states), min(count, len(self.states))
        used = self.replacements if replacements is None else min(replacements, self.replacements)
        rows = torch.cat([torch.arange(kept) + r * total for r in range(used)])
        return Sample(self.states[:kept], self.alike[rows], self.anywhen[rows])


def sample(log: LogStates, count: int, replacements: int, rng: np.random.Generator, known_decisions: bool) -> Sample:
    """`count` states with others of the same episodes to put in their place."""
    episodes, times = log.draw(count, rng)
    return _replaced(log, log, episodes, times, replacements, rng, known_decisions)


def two_samples(
    log: LogStates, count: int, replacements: int, rng: np.random.Generator, known_decisions: bool
) -> tuple[Sample, Sample]:
    """The same states twice, with others from different episodes: what explains them, and what tests it."""
    halves = log.halves()
    times = rng.choice(halves[0].times, count, p=log.shares(halves[0].times))
    episodes = log.reaching(times, rng)
    first, second = (_replaced(log, half, episodes, times, replacements, rng, known_decisions) for half in halves)
    return first, second


def _replaced(
    log: LogStates, donors: LogStates, episodes: Array, times: Array, replacements: int, rng: np.random.Generator,
    known_decisions: bool,
) -> Sample:  # fmt: skip
    repeated, at = np.tile(episodes, replacements), np.tile(times, replacements)
    alike = log.at(donors.others(repeated, at, rng), at)
    anywhen = alike
    if known_decisions and len(donors.times) > 1:
        anywhen = donors.any(rng.choice(donors.times, len(at)), rng)
    return Sample(log.at(episodes, times), alike, anywhen)
