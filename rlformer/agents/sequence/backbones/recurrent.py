"""What the recurrent backbones share: a network of torch's that goes through the tokens of a window one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from rlformer.agents import rounding
from rlformer.agents.sequence.backbones.base import Visit
from rlformer.agents.sequence.dropout import draw, drop
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.rows import Rows, count, take


class Recurrent(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows; the state begins at zero with each window."""

    kept: int  # numbers that a layer keeps for the next token, in widths; its output is the first

    def __init__(self, width: int, dropout: float, norm: str) -> None:
        super().__init__()
        self.norm = NORMS[norm](width)
        self.dropout = dropout  # of what goes in and comes out: torch's networks drop between layers alone

    @property
    @abstractmethod
    def network(self) -> nn.RNNBase:
        """Of torch, with batches first."""

    @abstractmethod
    def cell(self, x: Tensor, before: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """A layer at one token, as torch writes it down: what it reads (B, D), what it kept (B, kept D) -> the same."""

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows. A row sees the tokens at and before it."""
        batch, length, width = tokens.shape
        shapes = [(batch, length, width), (batch, count(rows, length), width)]
        of_tokens, of_rows = draw(shapes, self.dropout if self.training else 0.0, tokens.device)
        shape = (self.network.mode, width, self.network.num_layers)
        states = rounding.rowwise(shape, self._states, drop(self.norm(tokens), of_tokens), trial=self._random)
        return drop(take(states, rows), of_rows)

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`. Of each layer what it keeps behind a token, (B, 1, kept D).

        Token by token; another kernel than `forward`, so that last bits may differ.
        """
        read, width, outputs = self.norm(tokens), tokens.shape[2], list[Tensor]()
        states = [tokens.new_zeros(len(tokens), self.kept * width)] * self.network.num_layers
        for number in range(tokens.shape[1]):
            h = read[:, number]
            for layer, (before, weights) in enumerate(zip(states, self.network.all_weights, strict=True)):
                states[layer] = visit(layer, number, self.cell(h, before, weights)[:, None])[:, 0]
                h = states[layer][:, :width]
            outputs.append(h)
        return torch.stack(outputs, dim=1)

    def _states(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        states: Tensor = self.network(tokens)[0]
        return states

    def _random(self) -> Callable[[Tensor], Tensor]:
        network = rounding.random_copy(self.network)
        return lambda tokens: network(tokens)[0]


def between(layers: int, dropout: float) -> float:
    """The dropout of a network of torch's, which warns where it has no layers to drop between."""
    return dropout if layers > 1 else 0.0
