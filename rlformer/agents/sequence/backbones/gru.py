"""A GRU over the tokens of a window (Cho et al. 2014): an LSTM with three gates instead of four, and no cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rlformer.agents.sequence.backbones.base import Backbone
from rlformer.agents.sequence.backbones.recurrent import Recurrent, between
from rlformer.core.flops import GRU_GATES, Work, gru, product

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


class Gru(Recurrent):
    """See `Recurrent`. A layer keeps its output alone."""

    kept = 1

    def __init__(self, width: int, layers: int, dropout: float, norm: str = "layer") -> None:
        super().__init__(width, dropout, norm)
        self.gru = nn.GRU(width, width, layers, batch_first=True, dropout=between(layers, dropout))

    @property
    def network(self) -> nn.RNNBase:
        """See `Recurrent`."""
        return self.gru

    def cell(self, x: Tensor, before: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """See `Recurrent`."""
        return torch.gru_cell(x, before, *weights)


def _work(a: Architecture, tokens: int, asked: int) -> Work:
    """Without a gradient of the state before the first token, which is no variable: torch leaves it out."""
    of_first_state = product(1, a.width, GRU_GATES * a.width) * a.layers
    return gru(a.width, a.width, a.layers) * tokens + Work(backward=-of_first_state)


GRU = Backbone(
    name="gru",
    build=lambda a: Gru(a.width, a.layers, a.dropout, a.norm),
    work=_work,
    matrices=6,
    recurrent=True,
    recorded=False,  # of weights in one vector cuDNN makes its own copy at each call
)
