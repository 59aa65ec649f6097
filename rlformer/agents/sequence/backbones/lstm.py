"""An LSTM over the tokens of a window (Siebenborn et al. 2022: how crucial is the transformer?)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rlformer.agents.sequence.backbones.base import Backbone
from rlformer.agents.sequence.backbones.recurrent import Recurrent, between
from rlformer.core.flops import Work, lstm

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


class Lstm(Recurrent):
    """See `Recurrent`. A layer keeps its output and its cell."""

    kept = 2

    def __init__(self, width: int, layers: int, dropout: float, norm: str = "layer") -> None:
        super().__init__(width, dropout, norm)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=between(layers, dropout))

    @property
    def network(self) -> nn.RNNBase:
        """See `Recurrent`."""
        return self.lstm

    def cell(self, x: Tensor, before: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """See `Recurrent`."""
        return torch.cat(torch.lstm_cell(x, before.chunk(2, dim=1), *weights), dim=1)


def _work(a: Architecture, tokens: int, asked: int) -> Work:
    return lstm(a.width, a.width, a.layers) * tokens


LSTM = Backbone(
    name="lstm",
    build=lambda a: Lstm(a.width, a.layers, a.dropout, a.norm),
    work=_work,
    matrices=8,
    recurrent=True,
    recorded=False,  # of weights in one vector cuDNN makes its own copy at each call
)
