"""Dropout whose noise is drawn for many layers at once.

A layer that draws for itself pays a random number for each of its values, which is a tenth of a training step.
Here one call fills a buffer with random bits, and 16 of them decide about each value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat

import torch
from torch import Tensor

_LEVELS = 1 << 16


def draw(shapes: Sequence[Sequence[int]], rate: float, device: torch.device) -> Iterator[Tensor | None]:
    """A mask of each shape: 0 with probability `rate` (to 1/65536), else what keeps the mean.

    Without a rate they are None, which `drop` takes for no mask. Drawn from torch's global generator of the device.
    """
    if not rate:
        return repeat(None, len(shapes))
    sizes = [math.prod(shape) for shape in shapes]
    bits = torch.empty(-(-sum(sizes) // 4), dtype=torch.int64, device=device).random_(-(1 << 63), None)
    dropped = min(round(rate * _LEVELS), _LEVELS - 1)
    levels = bits.view(torch.int16)[: sum(sizes)].float()  # compared as floats, since a bool mask is slow to apply
    masks = levels.ge_(dropped - _LEVELS // 2).mul_(_LEVELS / (_LEVELS - dropped))
    return (mask.view(shape) for mask, shape in zip(masks.split(sizes), map(tuple, shapes), strict=True))


def drop(h: Tensor, mask: Tensor | None) -> Tensor:
    """`h` with its mask applied, if there is one."""
    return h if mask is None else h * mask
