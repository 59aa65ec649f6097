"""N environments of one kind, side by side."""

from __future__ import annotations

import numpy as np

from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs.checked import time_limit
from rlformer.envs.make import make
from rlformer.envs.masks import Remembering
from rlformer.envs.spaces import spaces_in


class Environments:
    """N environments of one kind, side by side, each reset and stepped by its slot.

    Slots are stepped one by one in Python: an ended slot costs nothing, every episode has its own seed, and
    nothing is reset behind the caller's back (vector environments of libraries do at least one of these).
    Observations come in the dtype of `spaces`, in new arrays that the caller may keep.
    """

    time_limit: int | None = None  # after which an episode is cut off, where that is known

    def __init__(self, env: EnvSpec, num: int, render_mode: str | None = None) -> None:
        self.name = env.name
        self._envs = [make(env, render_mode) for _ in range(num)]
        self.spaces = spaces_in(self._envs[0])
        self.time_limit = time_limit(self._envs[0])
        self._successes: list[bool | None] = [None] * num
        self._shape, self._dtype = self.spaces.observation.shape, self.spaces.observation.dtype

    @property
    def actions(self) -> ActionSpec:
        """The action space."""
        return self.spaces.actions

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Of one observation."""
        return self.spaces.observation.shape

    def __len__(self) -> int:
        return len(self._envs)

    def reset(self, slots: Array, seeds: Array) -> Array:
        """First observations of new episodes with these seeds: (len(slots), *obs)."""
        observations = np.empty((len(slots), *self._shape), self._dtype)
        for row, (slot, seed) in enumerate(zip(slots, seeds, strict=True)):
            observations[row], _ = self._envs[slot].reset(seed=int(seed))
            self._successes[slot] = None
        return observations

    def step(self, slots: Array, actions: Array) -> tuple[Array, Array, Array, Array]:
        """One step in each of `slots`, given their canonical actions (len(slots), *act).

        Returns observations (len(slots), *obs), rewards float64, terminated and truncated bool.
        """
        count = len(slots)
        observations = np.empty((count, *self._shape), self._dtype)
        rewards = np.empty(count, np.float64)
        terminated, truncated = np.empty(count, bool), np.empty(count, bool)
        # A category is a numpy integer, as in Gymnasium's and stable-baselines3's vector environments.
        for row, (slot, action) in enumerate(zip(slots.tolist(), actions, strict=True)):
            step = self._envs[slot].step(action)
            observations[row], rewards[row], terminated[row], truncated[row], info = step
            self._successes[slot] = info.get("is_success")
        return observations, rewards, terminated, truncated

    def success(self, slot: int) -> bool | None:
        """What the latest step in this slot told of success, see `envs.checked`; None: nothing."""
        return self._successes[slot]

    def remember_masks(self) -> None:
        """Keep from now on which actions each environment allows: see `masks`."""
        if not all(isinstance(env, Remembering) for env in self._envs):
            self._envs = [Remembering(env, self.name, self.actions) for env in self._envs]

    def say_masks(self) -> bool:
        """Whether any slot says what it allows, once episodes began; where none does they are asked no more."""
        if any(isinstance(env, Remembering) and env.says for env in self._envs):
            return True
        self._envs = [env.env if isinstance(env, Remembering) else env for env in self._envs]
        return False

    def masks(self, slots: Array) -> Array:
        """What is allowed in these slots now, (len(slots), levels) bool; see `envs.masks`."""
        kept = (self._envs[slot] for slot in slots.tolist())
        return np.array([env.allowed() for env in kept if isinstance(env, Remembering)])

    def close(self) -> None:
        """Free what the environments hold."""
        for env in self._envs:
            env.close()
