"""The weights that networks with residual connections begin with, and those without."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn

from rlformer.agents.rounding import Linear

_STD = 0.02  # of GPT-2


def initialise(module: nn.Module) -> None:
    """GPT-2's: weights from a normal of .02, biases zero."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def behind_branches(ends: Iterable[Linear], layers: int) -> None:
    """GPT-2's of what ends the branches of one of so many layers: the variance of the residual stream stays flat."""
    for end in ends:
        nn.init.normal_(end.weight, std=_STD / math.sqrt(2 * layers))


def alone(*layers: Linear, rectified: Linear) -> None:
    """Of layers to whose results nothing is added: each keeps the variance of what it reads (He et al. 2015); with
    GPT-2's small weights a few of them would leave nothing of the signal. rectified: the one that reads a ReLU.
    """
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    nn.init.kaiming_normal_(rectified.weight, nonlinearity="relu")
