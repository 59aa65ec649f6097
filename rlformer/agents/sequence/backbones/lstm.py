"""An LSTM over the tokens of a window (Siebenborn et al. 2022: how crucial is the transformer?)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rlformer.agents import rounding
from rlformer.agents.sequence.backbones.base import Backbone, Visit
from rlformer.agents.sequence.dropout import draw, drop
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.rows import Rows, count, take
from rlformer.core.flops import Work, lstm

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


class Lstm(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows; the state begins at zero with each window."""

    def __init__(self, width: int, layers: int, dropout: float, norm: str = "layer") -> None:
        super().__init__()
        self.norm = NORMS[norm](width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = dropout  # of what goes in and comes out: nn.LSTM drops between layers alone

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows. A row sees the tokens at and before it."""
        batch, length, width = tokens.shape
        shapes = [(batch, length, width), (batch, count(rows, length), width)]
        of_tokens, of_rows = draw(shapes, self.dropout if self.training else 0.0, tokens.device)
        shape = ("lstm", width, self.lstm.num_layers)
        states = rounding.rowwise(shape, self._states, drop(self.norm(tokens), of_tokens), trial=self._random)
        return drop(take(states, rows), of_rows)

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`. Of each layer its state behind a token: output and cell, (B, 1, 2 D).

        Token by token, as torch.nn.LSTM writes it down; another kernel than `forward`, so that last bits may differ.
        """
        read, width, outputs = self.norm(tokens), tokens.shape[2], list[Tensor]()
        states = [tokens.new_zeros(len(tokens), 2 * width)] * self.lstm.num_layers
        for number in range(tokens.shape[1]):
            h = read[:, number]
            for layer, (before, weights) in enumerate(zip(states, self.lstm.all_weights, strict=True)):
                passed = torch.lstm_cell(h, before.split(width, dim=1), *weights)
                states[layer] = visit(layer, number, torch.cat(passed, dim=1)[:, None])[:, 0]
                h = states[layer][:, :width]
            outputs.append(h)
        return torch.stack(outputs, dim=1)

    def _states(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        states: Tensor = self.lstm(tokens)[0]
        return states

    def _random(self) -> Callable[[Tensor], Tensor]:
        lstm = rounding.random_copy(self.lstm)
        return lambda tokens: lstm(tokens)[0]


def _work(a: Architecture, tokens: int, asked: int) -> Work:
    return lstm(a.width, a.width, a.layers) * tokens


LSTM = Backbone(
    name="lstm",
    build=lambda a: Lstm(a.width, a.layers, a.dropout, a.norm),
    work=_work,
    recurrent=True,
    recorded=False,  # of weights in one vector cuDNN makes its own copy at each call
)
