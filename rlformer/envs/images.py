"""Images among observations: what is one, where its channels stand, what its numbers may be.

A Box is an image where it has three axes or more, or two of uint8, if both sides of it are 4 long at least. Which axis
holds the channels is told from the shape: the first of three where it is shorter than the last, else the last. Of four
axes, the first counts frames, which are stacked along the channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array, Part

LEAST_SIDE = 4  # of an image: nothing is read of a smaller one but its numbers


class UnreadableError(InputError):
    """Observations of this kind have no canonical form: another environment's, or a wrapper's, would."""


class ImageError(UnreadableError):
    """An observation is an image that no encoder reads, and which no vector does justice."""


class FrameBox(spaces.Box):
    """A Box of images (C, H, W) that are `frames` pictures each, the newest last: see `core.spaces.Part`."""

    def __init__(self, low: Array, high: Array, frames: int, dtype: Any = np.uint8) -> None:
        super().__init__(low, high, dtype=dtype)
        self.frames = frames


def is_image(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> bool:
    """Whether one observation of this shape and dtype is an image, which a flat vector would not do justice."""
    if len(shape) == 2:
        return dtype == np.uint8 and min(shape) >= LEAST_SIDE
    return len(shape) >= 3 and min(channels_first_shape(shape)[1:]) >= LEAST_SIDE


def channels_first_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, H, W) of images of this shape."""
    return channels_first(np.broadcast_to(np.uint8(0), (1, *shape))).shape[1:]


def channels_first(images: Array) -> Array:
    """(T, H, W), (T, H, W, C) or (T, C, H, W), or with frames before them, (T, F, ...) -> (T, C, H, W), F times C.

    The one place where the axis of channels is told; see the table above. Raises ImageError where there are more axes.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 5:
        count, frames = images.shape[:2]
        one = channels_first(images.reshape(-1, *images.shape[2:]))
        return one.reshape(count, frames * one.shape[1], *one.shape[2:])
    if images.ndim != 4:
        raise ImageError(f"observations of {images.ndim - 1} axes {images.shape[1:]} are no images")
    return images if images.shape[1] < images.shape[3] else np.moveaxis(images, 3, 1)


def check_pixels(images: Array, part: Part) -> None:
    """Raise InputError unless numbers of an image lie where pixels do, and are whole where those are bytes."""
    low, high = float(images.min(initial=0)), float(images.max(initial=0))
    real = np.dtype(part.dtype).kind == "f"
    if low < 0.0 or high > (1.0 if real else 255.0):
        lie = "real numbers lie from 0 to 1, whole ones (uint8)" if real else "whole numbers lie"
        raise InputError(f"the image has {low if low < 0 else high:g} in it: its {lie} from 0 to 255")
    if not real and images.dtype.kind == "f" and (broken := images != np.rint(images)).any():
        advice = "; if 1 is the brightest, multiply them by 255 and round them" if high <= 1.0 else ""
        wrong = images[broken].ravel()[0]
        raise InputError(f"the image has {wrong:g} in it: its numbers are bytes, whole, from 0 to 255{advice}")


def same_image(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether images of both shapes are alike but for the place of their channels."""
    if not all(is_image(one, np.uint8) and len(one) <= 4 for one in (shape, other)):
        return False
    return channels_first_shape(shape) == channels_first_shape(other)


def image_part(space: spaces.Box, name: str) -> Part:
    """Raises ImageError where its numbers are neither whole, from 0 to 255, nor real, from 0 to 1."""
    shape, low, high = channels_first_shape(space.shape), float(space.low.min()), float(space.high.max())
    if space.dtype.kind == "f":
        if low < 0.0 or high > 1.0:
            raise ImageError(
                f"image observations {space.shape} {space.dtype} from {low:g} to {high:g}: real numbers of an image "
                "must be from 0 to 1, whole ones (uint8) from 0 to 255: use a wrapper of your own to scale them"
            )
        return Part(name, "image", shape, "float32")
    if low < 0 or high > 255:
        raise ImageError(
            f"image observations {space.shape} {space.dtype} from {low:g} to {high:g}: whole numbers of an image must "
            "be from 0 to 255: use a wrapper of your own to scale them"
        )
    frames = space.frames if isinstance(space, FrameBox) else 1
    return Part(name, "image", shape, "uint8", peak=max(1.0, high), frames=frames)
