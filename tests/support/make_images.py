"""A small world that shows images: the right action is which half of it is bright."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array

PICTURE, MAP = (36, 38, 1), (7, 7, 3)  # height, width, channels, as environments have them
SHAPES = {"picture": PICTURE, "map": MAP, "dict": MAP}


class Bright(gym.Env[Any, Any]):
    """Five steps; 1 for the half that is bright, 0 left and 1 right.

    "dict": beside the map a direction and a speed, which say nothing.
    """

    action_space = spaces.Discrete(2)

    def __init__(self, kind: str, terminates: bool = False, masked: bool = False) -> None:
        self._info = {"action_mask": np.ones(2)} if masked else {}  # everything is allowed
        self._shape, self._dict, self._terminates = SHAPES[kind], kind == "dict", terminates
        image: spaces.Space[Any] = spaces.Box(0, 255, self._shape, np.uint8)
        speed = spaces.Box(-1, 1, (2,), np.float32)
        parts = {"image": image, "direction": spaces.Discrete(4), "speed": speed}
        self.observation_space = spaces.Dict(parts) if self._dict else image

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._steps = 0
        return self._next(), self._info

    def step(self, action: Any) -> Any:
        reward, self._steps = float(action == self._right), self._steps + 1
        done = self._steps == 5
        return self._next(), reward, done and self._terminates, done and not self._terminates, self._info

    def _next(self) -> Any:
        self._right = int(self.np_random.integers(2))
        image: Array = self.np_random.integers(0, 100, self._shape, np.uint8)
        half = self._shape[1] // 2
        image[:, half:] += np.uint8(150 * self._right)
        image[:, :half] += np.uint8(150 * (1 - self._right))
        if not self._dict:
            return image
        return {"image": image, "direction": int(self.np_random.integers(4)), "speed": np.zeros(2, np.float32)}


for kind in SHAPES:
    gym.register(f"Bright-{kind}-v0", Bright, kwargs={"kind": kind})


def bright(kind: str, **kwargs: Any) -> EnvSpec:
    """That world as an environment of this project."""
    return EnvSpec(f"Bright-{kind}", f"Bright-{kind}-v0", kwargs)
