"""What an encoder is: the network from one part of an observation to its share of a token.

Shapes: B windows of K steps; `*part` is the shape of the part, D the width of a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from rlformer.core.flops import Work
from rlformer.core.spaces import Part

AUTO = "auto"  # in place of a name: the first encoder that takes a part and is made for its size


class Build(Protocol):
    """A part, D, and by how many pixels its images are shifted at random while it trains -> the module."""

    def __call__(self, part: Part, width: int, random_shift: int = 0) -> nn.Module: ...


class WorkOf(Protocol):
    """Operations of one observation; no gradient is asked for in its numbers."""

    def __call__(self, part: Part, width: int) -> Work: ...


@dataclass(frozen=True)
class Encoder:
    """A kind of encoder, and all that others need to know of it.

    `build` gives a module of (numbers, mean, std) -> (B, K, D): the part's numbers in whatever dtype they are stored,
    (B, K, *part), or flat; and the log's mean and standard deviation of each, (*part,), which it may read or not. The
    shares of an observation's parts are summed.
    """

    name: str  # as a card says it
    takes: frozenset[str]  # kinds of `Part`
    build: Build
    work: WorkOf
    least_side: int = 0  # of an image, in pixels

    def fits(self, part: Part) -> bool:
        """Whether it takes the part, and the part is large enough."""
        return part.kind in self.takes and (part.kind != "image" or min(part.shape[1:]) >= self.least_side)
