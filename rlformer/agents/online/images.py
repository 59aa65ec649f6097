"""How stable-baselines3's networks read images: its own CNN where its CnnPolicy can, else encoders of this project.

One picture of bytes, 36 pixels long on each side at least, is read by stable-baselines3's CnnPolicy as it is, so that a
.zip of it loads there. Small maps, and observations of several parts, come flat: each image through the convolutions of
`agents.convolutions` and a layer of `WIDTH`, all else as it is, one beside the other, as its MultiInputPolicy does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from rlformer.agents import convolutions
from rlformer.core.flops import Work, linear
from rlformer.core.spaces import ObservationSpec, Part

NATURE_WIDTH = 512  # of stable-baselines3's NatureCNN, which has Mnih et al. 2015's
WIDTH = 128  # of each image's features where observations are no single picture, as in MiniGrid's own tutorial


@dataclass(frozen=True)
class Features:
    """What networks read in place of an observation."""

    size: int
    work: Work  # operations of one observation


def is_picture(spec: ObservationSpec) -> bool:
    """Whether stable-baselines3's CnnPolicy reads these observations."""
    if len(spec.parts) != 1:
        return False
    (part,) = spec.parts
    large = part.kind == "image" and min(part.shape[1:]) >= convolutions.LEAST_OF_NATURE
    return large and part.dtype == "uint8" and part.peak == 255.0 and part.shape[0] < min(part.shape[1:])


def as_read(space: spaces.Box, spec: ObservationSpec) -> spaces.Box:
    """The space of what stable-baselines3 is given of such observations: pictures as they are, other images flat, in
    bytes where they are bytes; without images, reals.
    """
    if is_picture(spec):
        return space
    dtype = spec.dtype if spec.has_images else np.dtype(np.float32)
    if space.dtype == dtype and len(space.shape) == 1:
        return space
    return spaces.Box(space.low.ravel().astype(dtype), space.high.ravel().astype(dtype), dtype=dtype.type)


def layers_of(part: Part) -> tuple[convolutions.Layer, ...]:
    """The convolutions that read an image."""
    large = min(part.shape[1:]) >= convolutions.LEAST_OF_NATURE
    return convolutions.nature(part) if large else convolutions.small(part)


def features_of(spec: ObservationSpec) -> Features:
    """What is read in place of an observation with images."""
    width, size, work = NATURE_WIDTH if is_picture(spec) else WIDTH, 0, Work()
    for part in spec.parts:
        if part.kind != "image":
            size += part.size
            continue
        layers = layers_of(part)
        size, work = size + width, work + convolutions.work(layers) + linear(convolutions.size(layers), width)
    return Features(size, work)
