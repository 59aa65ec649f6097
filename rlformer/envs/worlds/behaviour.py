"""The behaviours of the diagnostic environments as policies, to make logs with."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rlformer.core.seeding import policy_generator
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic


class BehaviourPolicy:
    """Samples what `environment` says its log ('log') or an optimal policy ('expert') plays."""

    def __init__(self, environment: Diagnostic, behaviour: Literal["log", "expert"] = "log") -> None:
        self._probabilities = environment.log if behaviour == "log" else environment.expert
        self._streams: dict[int, np.random.Generator] = {}
        self._first = np.zeros((0, len(environment.feature_names)), np.float32)  # (N, D)
        self._new: list[int] = []  # slots whose first observation is to come

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
            self._streams[slot] = policy_generator(seed)
            self._new.append(slot)

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        if len(self._first) != len(observations):
            self._first = observations.copy()
        self._first[self._new] = observations[self._new]
        self._new.clear()
        uniform = np.zeros(len(observations))
        for slot, stream in self._streams.items():
            uniform[slot] = stream.random()
        below = np.cumsum(self._probabilities(self._first, observations), axis=1)[:, :-1]  # (N, A-1)
        return (uniform[:, None] >= below).sum(axis=1)

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""
