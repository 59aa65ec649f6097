"""Which actions an environment allows now: its method `action_masks()`, or `info["action_mask"]` of its latest step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs.faults import foreign
from rlformer.envs.make import make
from rlformer.envs.spaces import spaces_in


class Remembering(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the mask of the latest info."""

    def __init__(self, env: gym.Env[Any, Any], name: str, actions: ActionSpec) -> None:
        super().__init__(env)
        self._name, self._levels = name, actions.nvec
        self._latest: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._latest = info.get("action_mask")
        return observation, info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        *rest, info = self.env.step(action)
        self._latest = info.get("action_mask")
        return (*rest, info)

    @property
    def says(self) -> bool:
        """Whether the environment says what it allows, as its episode begins."""
        return self._latest is not None or self.env.has_wrapper_attr("action_masks")

    def action_masks(self) -> Array:
        """See `allowed`, under the name by which sb3-contrib asks for it."""
        return self.allowed()

    def allowed(self) -> Array:
        """(levels,) bool, one level of each category after the other.

        Raises InputError where the environment does not say what it allows, allows nothing, says it of other actions
        than its own, or fails.
        """
        asked = self.env.get_wrapper_attr("action_masks") if self.env.has_wrapper_attr("action_masks") else None
        with foreign(f"environment '{self._name}': action_masks"):
            return self._flat(asked() if callable(asked) else self._latest)

    def _flat(self, mask: Any) -> Array:
        if mask is None:
            raise nobody_says(self._name)
        parts = mask if isinstance(mask, tuple) else (mask,)  # one array for each category
        flat = np.concatenate([np.ravel(np.asarray(part)).astype(bool) for part in parts])
        if len(flat) != sum(self._levels):
            levels = "+".join(map(str, self._levels)) or "0"
            raise InputError(
                f"environment '{self._name}': its action mask has {len(flat)} entries, its actions {levels}"
            )
        if not flat.any():
            raise InputError(f"environment '{self._name}': its action mask allows no action in a state that goes on")
        return flat


def check_said(env: EnvSpec) -> None:
    """Raise InputError where an environment does not say what it allows as its episode begins."""
    made = make(env)
    try:
        told = Remembering(made, env.name, spaces_in(made).actions)
        told.reset(seed=0)
        if not told.says:
            raise nobody_says(env.name)
        told.allowed()
    finally:
        made.close()


def nobody_says(name: str) -> InputError:
    """That an environment of this name does not say what it allows."""
    return InputError(
        f"environment '{name}': the policy needs the allowed actions, but there is neither a method "
        "action_masks() nor an 'action_mask' in the info of each reset and step"
    )


def obeying(actions: Array, masks: Array, nvec: Sequence[int], streams: Mapping[int, np.random.Generator]) -> Array:
    """Uniform categories (N, *act) with those that are forbidden drawn again, uniformly, among the allowed ones.

    masks: (N, levels) bool, see `core.policy.Masked`. streams: of each row; rows without one are left alone.
    """
    rows = actions.reshape(len(actions), -1).copy()
    first = np.cumsum((0, *nvec))
    for part, (start, end) in enumerate(pairwise(first.tolist())):
        allowed = masks[:, start:end]
        for row in np.flatnonzero(~allowed[np.arange(len(rows)), rows[:, part]] & allowed.any(axis=1)).tolist():
            if row in streams:
                rows[row, part] = streams[row].choice(np.flatnonzero(allowed[row]))
    return rows.reshape(actions.shape)
