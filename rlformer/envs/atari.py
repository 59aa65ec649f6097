"""Atari games as agents are trained and compared on them: the wrappers of Mnih et al. 2015 (doi:10.1038/nature14236).

They need what ALE shows of single frames in grey: kwargs = { frameskip = 1, obs_type = "grayscale" }.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.images import FrameBox, channels_first, is_image

_NOOP = 0  # ALE's action that does nothing


class Atari(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Each action for `frame_skip` frames, of the last two of which the brighter pixels are shown, `side` x `side`.

    An episode begins with 1 to `noops` frames without an action, drawn by its seed (0: none). As Gymnasium's
    AtariPreprocessing has it; areas are averaged by Pillow. Raises InputError where an observation is not a grey frame.
    """

    def __init__(self, env: gym.Env[Any, Any], frame_skip: int, noops: int, side: int) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, frame_skip=frame_skip, noops=noops, side=side)
        super().__init__(env)
        space, skipped = env.observation_space, getattr(env.unwrapped, "_frameskip", 1)
        grey = isinstance(space, spaces.Box) and len(space.shape) == 2 and space.dtype == np.uint8
        if not grey or skipped != 1:
            raise InputError(
                f"wrapper 'atari' needs single frames in grey, got {space} every {skipped} frames: of a game of ALE "
                'the card says kwargs = { frameskip = 1, obs_type = "grayscale" }'
            )
        self._skip, self._noops, self._side = frame_skip, noops, side
        self._rng = np.random.default_rng()
        self.observation_space = spaces.Box(0, 255, (side, side), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        if seed is not None:
            self._rng = seeding.generator(seed, "atari")
        frame, info = self.env.reset(seed=seed, options=options)
        for _ in range(int(self._rng.integers(1, self._noops + 1)) if self._noops else 0):
            frame, _, terminated, truncated, info = self.env.step(_NOOP)
            if terminated or truncated:
                frame, info = self.env.reset(options=options)
        return self._shown(frame), info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        total, frame, before = 0.0, None, None
        for _ in range(self._skip):
            before = frame
            frame, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        assert frame is not None
        brighter = frame if before is None else np.maximum(frame, before)
        return self._shown(brighter), total, terminated, truncated, info

    def _shown(self, frame: Array) -> Array:
        from PIL import Image

        return np.asarray(Image.fromarray(frame).resize((self._side, self._side), Image.Resampling.BOX))


class FrameStack(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """The last `frames` pictures as one image, the newest last; zeros for those before the first: see `core.frames`.

    Raises InputError where an observation is not a picture of bytes.
    """

    def __init__(self, env: gym.Env[Any, Any], frames: int) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, frames=frames)
        super().__init__(env)
        space = env.observation_space
        if not (isinstance(space, spaces.Box) and is_image(space.shape, space.dtype) and space.dtype == np.uint8):
            raise InputError(f"wrapper 'frame_stack' needs pictures of bytes, got {space}")
        low, high = (channels_first(end[None])[0] for end in (space.low, space.high))
        self._channels, self._stack = len(low), np.zeros((frames * len(low), *low.shape[1:]), np.uint8)
        low = np.zeros_like(low)  # before the first
        self.observation_space = FrameBox(np.tile(low, (frames, 1, 1)), np.tile(high, (frames, 1, 1)), frames)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        self._stack[:] = 0
        picture, info = self.env.reset(seed=seed, options=options)
        return self._with(picture), info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        picture, *rest = self.env.step(action)
        return (self._with(picture), *rest)

    def _with(self, picture: Array) -> Array:
        """As a copy."""
        self._stack[: -self._channels] = self._stack[self._channels :]
        self._stack[-self._channels :] = channels_first(np.asarray(picture)[None])[0]
        return self._stack.copy()


class Learning(gym.Wrapper[Any, Any, Any, Any]):
    """What an agent that is trained sees of a game, and nobody else: a life that is lost ends an episode, and of
    rewards the sign alone is told (Mnih et al. 2015). The game goes on until it is over: what is recorded is the game.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._lives, self._over = 0, True
        self._latest: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`. In a game that is not over the next episode begins with what was seen last."""
        if self._over:
            self._latest, info = self.env.reset(seed=seed, options=options)
        else:
            info = {}
        self._over, self._lives = False, self._left()
        return self._latest, info

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        self._latest, reward, terminated, truncated, info = self.env.step(action)
        self._over = terminated or truncated
        left = self._left()
        lost, self._lives = left < self._lives, left
        return self._latest, float(np.sign(float(reward))), terminated or lost, truncated, info

    def _left(self) -> int:
        """Lives; of a game without any, always as many."""
        game: Any = self.env.unwrapped
        return int(game.ale.lives()) if hasattr(game, "ale") else 0
