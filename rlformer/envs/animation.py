"""A short animation of a policy: one episode as an animated WebP, small enough for a page that holds ten."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array
from rlformer.envs.film.screens import Screens
from rlformer.envs.rollout import rollout

WIDTH = 160  # pixels, at most; height in proportion
MOST_FRAMES = 60
MOST_BYTES = 40_000  # aimed at: quality is lowered, then frames are halved, until it fits or cannot shrink further
_QUALITIES = (60, 40, 25, 12)
_FEWEST_FRAMES = 15
_SHOWN_SECONDS = 6.0  # of the whole animation, at most


class _Recorded(Screens):
    """One environment that keeps a picture of what it shows, every so many steps."""

    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env, 1)
        self.frames: list[Array] = []
        self._every, self._steps = 1, 0

    def reset(self, slots: Array, seeds: Array) -> Array:
        first = super().reset(slots, seeds)
        self.frames.append(self.picture())
        return first

    def step(self, slots: Array, actions: Array) -> tuple[Array, Array, Array, Array]:
        step = super().step(slots, actions)
        self._steps += 1
        if self._steps % self._every == 0 or step[2][0] or step[3][0]:
            self.frames.append(self.picture())
        if len(self.frames) > 2 * MOST_FRAMES:  # the length is not known before: keep every other one
            self.frames, self._every = self.frames[::2], 2 * self._every
        return step


def play(policy: Policy, env: EnvSpec, seed: int, target_return: float | None = None) -> tuple[list[Array], Episode]:
    """One episode on this seed: at most MOST_FRAMES pictures (H, W, 3), evenly spaced, and what happened.

    Raises InputError, with the reason, where the environment cannot render.
    """
    recorded = _Recorded(env)
    try:
        targets = None if target_return is None else np.array([target_return])
        ((_, episode),) = rollout(recorded, policy, np.array([seed]), targets, keep_observations=False)
    finally:
        recorded.close()
    return [recorded.frames[i] for i in _spaced(len(recorded.frames), MOST_FRAMES)], episode


def webp(frames: Sequence[Array]) -> bytes:
    """Pictures (H, W, 3) of one size as an endless animation of at most WIDTH pixels, aiming at MOST_BYTES."""
    shown = [_small(frame) for frame in frames]
    while True:
        for quality in _QUALITIES:
            packed = _pack(shown, quality)
            if len(packed) <= MOST_BYTES:
                return packed
        if len(shown) <= _FEWEST_FRAMES:
            return packed
        shown = [shown[i] for i in _spaced(len(shown), max(_FEWEST_FRAMES, len(shown) // 2))]


def still(animated: bytes) -> bytes:
    """The first frame of an animation, as a WebP of its own: for those who want nothing to move."""
    from PIL import Image

    with Image.open(io.BytesIO(animated)) as image:
        image.seek(0)
        return _saved(image.convert("RGB"), quality=_QUALITIES[0])


def png(picture: Array) -> bytes:
    """One picture (height, width, 3) uint8 as a PNG file, pixel by pixel what it was."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _spaced(count: int, most: int) -> Array:
    """At most that many of `count` positions, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _small(frame: Array) -> Any:
    from PIL import Image

    image = Image.fromarray(frame)
    width = min(WIDTH, image.width)
    return image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)


def _pack(images: Sequence[Any], quality: int) -> bytes:
    each = round(min(100.0, 1000 * _SHOWN_SECONDS / len(images)))  # milliseconds
    more = {"save_all": True, "append_images": list(images[1:]), "duration": each, "loop": 0}
    return _saved(images[0], quality=quality, **(more if len(images) > 1 else {}))


def _saved(image: Any, **options: Any) -> bytes:
    packed = io.BytesIO()
    image.save(packed, format="WEBP", method=4, **options)
    return packed.getvalue()
