"""Several policies on one seed, step by step together, with a picture of each after every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rlformer.core.policy import Masked, Policy
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array
from rlformer.envs.film.screens import Screens
from rlformer.envs.rollout import rollout

Ending = Literal["terminated", "truncated"]


@dataclass(frozen=True)
class Player:
    """A policy that is watched."""

    name: str
    policy: Policy
    target_return: float | None = None  # what it is asked for; None: it does not listen


@dataclass(frozen=True)
class Moment:
    """What one environment shows after a step."""

    picture: Array  # (H, W, 3) uint8
    steps: int = 0
    episode_return: float = 0.0  # so far
    ended: Ending | None = None


Show = Callable[[Sequence[Moment]], None]  # hears of every step, a moment for each player


class Stage(Screens):
    """An environment for each player; `show` hears of the first observation and of every step of any of them."""

    def __init__(self, env: EnvSpec, num: int, show: Show) -> None:
        super().__init__(env, num)
        self._show = show
        self._moments: list[Moment] = []

    def reset(self, slots: Array, seeds: Array) -> Array:
        """See `Environments`."""
        first = super().reset(slots, seeds)
        self._moments = [Moment(self.picture(slot)) for slot in slots.tolist()]  # all slots begin at once
        self._show(self._moments)
        return first

    def step(self, slots: Array, actions: Array) -> tuple[Array, Array, Array, Array]:
        """See `Environments`."""
        step = super().step(slots, actions)
        for slot, reward, terminated, truncated in zip(slots.tolist(), *step[1:], strict=True):
            before = self._moments[slot]
            self._moments[slot] = replace(
                before,
                picture=self.picture(slot),
                steps=before.steps + 1,
                episode_return=before.episode_return + float(reward),
                ended="terminated" if terminated else "truncated" if truncated else None,
            )
        self._show(self._moments)
        return step


class _Troupe:
    """A policy whose slot i is acted by player i alone, in a world of one slot of its own."""

    def __init__(self, players: Sequence[Player]) -> None:
        self._players = players
        self._masked = {i: p.policy for i, p in enumerate(players) if isinstance(p.policy, Masked)}
        self.needs_masks = any(policy.needs_masks for policy in self._masked.values())

    def allow(self, masks: Array) -> None:
        """See `core.policy.Masked`."""
        for i, policy in self._masked.items():
            policy.allow(masks[i : i + 1])

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`; each player is asked for its own target return."""
        for slot, seed in zip(slots.tolist(), seeds, strict=True):
            asked = self._players[slot].target_return
            targets = None if asked is None else np.array([asked])
            self._players[slot].policy.begin(np.array([0]), np.array([seed]), targets)

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        rows = enumerate(self._players)
        return np.concatenate([player.policy.act(observations[i : i + 1]) for i, player in rows])

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""
        for i, player in enumerate(self._players):
            player.policy.observe(actions[i : i + 1], rewards[i : i + 1])


def perform(stage: Stage, players: Sequence[Player], seed: int) -> list[Episode]:
    """One episode on this seed for each player, in their order, all at once; `stage` has a slot for each."""
    seeds = np.full(len(players), seed)
    return [episode for _, episode in sorted(_rollout(stage, players, seeds), key=lambda item: item[0])]


def _rollout(stage: Stage, players: Sequence[Player], seeds: Array) -> list[tuple[int, Episode]]:
    return list(rollout(stage, _Troupe(players), seeds, keep_observations=False))
