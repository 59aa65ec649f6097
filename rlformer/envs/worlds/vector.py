"""Many episodes of a diagnostic environment at once, each with a random stream of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic


class DiagnosticVector(VectorEnv[Array, Array, Array]):
    """Equal, step for step, to Gymnasium's SyncVectorEnv over the same environment with autoreset disabled.

    Seeds may be a list with one (or None: go on with the stream) for each sub-environment; options
    {"reset_mask": (N,) bool} name the ones that are reset; ended ones must be before the next step.
    """

    metadata: ClassVar[dict[str, Any]] = {**Diagnostic.metadata, "autoreset_mode": AutoresetMode.DISABLED}  # type: ignore[misc]

    environment: type[Diagnostic]

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        self.rules = self.environment(**kwargs)
        self.num_envs, self.render_mode = num_envs, self.rules.render_mode
        self.single_observation_space = self.rules.observation_space
        self.single_action_space = self.rules.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._streams: list[np.random.Generator | None] = [None] * num_envs
        self._seeds: list[int] = [-1] * num_envs
        self._state = self.rules.begin(np.zeros((num_envs, len(self.rules.coins)), bool))
        self._state.over[:] = True  # nothing runs before the first reset

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """First observations (N, D) of new episodes, and the current ones where the mask holds the old.

        Raises ValueError or TypeError where seeds or mask do not fit N.
        """
        slots = self._masked(options)
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        else:
            seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        streams = [self._stream(slot, seeds[slot]) for slot in slots.tolist()]
        self._state[slots] = self.rules.begin(self.rules.toss(streams))
        return self.rules.features(self._state), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Observations (N, D), rewards (N,), terminated (N,) and truncated (N,), which is never so.

        Raises ResetNeeded where an episode is over, and InputError for an unknown action.
        """
        actions, name = np.asarray(actions), self.environment.__name__
        if self._state.over.any():
            raise gym.error.ResetNeeded(f"{name}: reset environments {np.flatnonzero(self._state.over)} first")
        if actions.shape != (self.num_envs,) or actions.min() < 0 or actions.max() >= len(self.rules.action_names):
            raise InputError(
                f"{name}: {self.num_envs} actions of 0 to {len(self.rules.action_names) - 1}, got {actions}"
            )
        self._state, rewards = self.rules.successor(self._state, actions)
        return (
            self.rules.features(self._state),
            rewards,
            self._state.over.copy(),
            np.zeros(self.num_envs, bool),
            {},
        )

    def render(self) -> tuple[Any, ...]:
        """What each sub-environment would render."""
        return tuple(self.rules.draw(self._state, row) for row in range(self.num_envs))

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The stream of each sub-environment."""
        return tuple(self._stream(slot, None) for slot in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each stream."""
        return tuple(self._seeds)

    def _stream(self, slot: int, seed: int | None) -> np.random.Generator:
        stream = self._streams[slot]
        if seed is not None or stream is None:
            stream, self._seeds[slot] = seeding.np_random(seed)
            self._streams[slot] = stream
        return stream

    def _masked(self, options: dict[str, Any] | None) -> Array:
        """Which slots to reset; all where no mask says otherwise."""
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.arange(self.num_envs)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError(f"options['reset_mask'] is a numpy array of bool, got {mask!r}")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(f"options['reset_mask'] has shape ({self.num_envs},) and one True at least, got {mask}")
        return np.flatnonzero(mask)
