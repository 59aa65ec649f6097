"""An LSTM over the tokens of a window (Siebenborn et al. 2022: how crucial is the transformer?)."""

from __future__ import annotations

import math
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
    """See `Recurrent`. A layer keeps its output and its cell.

    window: tokens that it is to remember. Forget gates begin at window / (window + 1), so that a cell forgets no faster
    than that: a bias of log(window), as Tallec & Ollivier 2018 (arXiv:1804.11188) derive, without their spread over
    units. With torch's own, one half, a cue ten tokens ago is forgotten before anything is learned of it.
    """

    kept = 2

    def __init__(self, width: int, layers: int, dropout: float, norm: str = "layer", window: int = 1) -> None:
        super().__init__(width, dropout, norm)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=between(layers, dropout))
        forget = slice(width, 2 * width)  # of the input, forget, cell and output gates
        for layer in range(layers):
            biases = [getattr(self.lstm, f"bias_{way}_l{layer}") for way in ("ih", "hh")]  # which are added
            for bias, value in zip(biases, (math.log(window), 0.0), strict=True):
                nn.init.constant_(bias.data[forget], value)

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
    build=lambda a: Lstm(a.width, a.layers, a.dropout, a.norm, a.tokens_per_window),
    work=_work,
    matrices=8,
    recurrent=True,
    recorded=False,  # of weights in one vector cuDNN makes its own copy at each call
)
