"""What an encoder is: the network from one part of an observation to its share of a token.

Shapes: B windows of K steps; `*part` is the shape of the part, D the width of a token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from rlformer.core.flops import Work
from rlformer.core.spaces import Part


@dataclass(frozen=True)
class Encoder:
    """A kind of encoder, and all that others need to know of it.

    `build` takes a part and D and gives a module of (numbers, mean, std) -> (B, K, D): the part's numbers as float32,
    (B, K, *part), and the log's mean and standard deviation of each, (*part,), which it may read or not. The shares of
    an observation's parts are summed.
    """

    name: str
    takes: frozenset[str]  # kinds of `Part`
    build: Callable[[Part, int], nn.Module]
    work: Callable[[Part, int], Work]  # operations of one observation; no gradient is asked for in its numbers
