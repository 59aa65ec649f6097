"""Vectors and one-hot categories: standardised by the log, then one linear layer, as in Chen et al. 2021."""

from __future__ import annotations

from torch import Tensor, nn

from rlformer.agents import rounding
from rlformer.agents.sequence.encoders.base import Encoder
from rlformer.core.flops import Work, linear
from rlformer.core.spaces import Part


class Vector(rounding.Linear):
    """(B, K, *part), whose mean and standard deviation in the log are (*part,) -> (B, K, D)."""

    def forward(self, numbers: Tensor, mean: Tensor, std: Tensor) -> Tensor:  # type: ignore[override]
        """See `Encoder`."""
        return super().forward(flat(numbers, mean, std))


def flat(numbers: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(B, K, *part) of any dtype -> (B, K, numbers), standardised by their mean and standard deviation (*part,)."""
    standardised = (numbers.float() - mean) / std
    return standardised if mean.ndim == 1 else standardised.flatten(-mean.ndim)


def _build(part: Part, width: int, random_shift: int = 0) -> nn.Module:
    return Vector(part.size, width)


def _work(part: Part, width: int) -> Work:
    return linear(part.size, width, input_gradient=False)


VECTOR = Encoder(name="vector", takes=frozenset({"vector", "category"}), build=_build, work=_work)
