"""Dropout whose noise is drawn for many layers at once.

On a CPU a layer that draws for itself pays a random number for each of its values, which is a tenth of a training step.
Here one call fills a buffer with random bits, and 16 of them decide about each value. On a GPU numbers are cheap and
memory is dear: there each layer draws for itself, in the pass over its values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from rlformer.agents.sequence import placement

Noise: TypeAlias = Tensor | float  # a mask; or a rate, at which whoever applies it draws its own

_LEVELS = 1 << 16


def draw(shapes: Sequence[Sequence[int]], rate: float, device: torch.device) -> Iterator[Noise]:
    """What drops values of each shape with probability `rate` (to 1/65536).

    On a CPU masks: 0, or what keeps the mean. Drawn from torch's global generator of the device.
    """
    if not rate or not placement.on_host(device):
        return repeat(rate, len(shapes))
    sizes = [math.prod(shape) for shape in shapes]
    bits = torch.empty(-(-sum(sizes) // 4), dtype=torch.int64, device=device).random_(-(1 << 63), None)
    dropped = min(round(rate * _LEVELS), _LEVELS - 1)
    levels = bits.view(torch.int16)[: sum(sizes)].float()  # compared as floats, since a bool mask is slow to apply
    masks = levels.ge_(dropped - _LEVELS // 2).mul_(_LEVELS / (_LEVELS - dropped))
    return (mask.view(shape) for mask, shape in zip(masks.split(sizes), map(tuple, shapes), strict=True))


def drop(h: Tensor, noise: Noise) -> Tensor:
    """`h` with the noise applied, if there is any."""
    if isinstance(noise, Tensor):
        return h * noise
    return F.dropout(h, noise) if noise else h
