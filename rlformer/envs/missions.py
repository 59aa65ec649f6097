"""MiniGrid's observations: a map of what is seen, a direction, and a mission in words."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError

_PEAK = 10  # the largest number in a map: minigrid.core.constants has 11 kinds of things, 6 colours and 4 states
_MOST_MISSIONS = 1000
_told: set[str] = set()


class Missions(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """The mission as a category, where a finite set holds every text; a single text says nothing and is left out.

    Texts that no finite set holds are left out too, which is said once on standard error. Numbers of the map lie from 0
    to 10. Raises InputError where an observation is none of MiniGrid's.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, spaces.Dict) or not {"image", "direction", "mission"} <= space.spaces.keys():
            raise InputError(f"wrapper 'minigrid' needs an observation of image, direction and mission, got {space}")
        image = space["image"]
        assert isinstance(image, spaces.Box)
        missions = texts(space["mission"])
        name = "an environment" if env.spec is None else env.spec.id
        if missions is None and name not in _told:
            _told.add(name)
            print(f"{name}: its missions are not a finite set, so they are left out of observations", file=sys.stderr)
        kept: dict[str, spaces.Space[Any]] = {
            "direction": space["direction"],
            "image": spaces.Box(0, _PEAK, image.shape, np.uint8),
        }
        self._missions = {text: i for i, text in enumerate(missions or ())}
        if len(self._missions) > 1:
            kept["mission"] = spaces.Discrete(len(self._missions))
        self.observation_space = spaces.Dict(kept)

    def observation(self, observation: Any) -> Any:
        """See `gymnasium.ObservationWrapper`."""
        seen = {"direction": observation["direction"], "image": observation["image"]}
        if len(self._missions) > 1:
            seen["mission"] = self._missions[observation["mission"]]
        return seen


def texts(space: spaces.Space[Any]) -> Sequence[str] | None:
    """Every mission of a space of MiniGrid's, sorted; None where no finite set holds them, or far too many are there.

    Of subclasses, BabyAI's, the placeholders do not tell what they make.
    """
    function: Any = getattr(space, "mission_func", None)
    if type(space).__name__ != "MissionSpace" or function is None:
        return None
    placeholders: Any = getattr(space, "ordered_placeholders", None) or []
    if np.prod([len(words) for words in placeholders], dtype=float) > _MOST_MISSIONS:
        return None
    return sorted({function(*words) for words in itertools.product(*placeholders)})
