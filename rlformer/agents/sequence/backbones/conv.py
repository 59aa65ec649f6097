"""Causal depthwise convolution, the local mixing of Decision ConvFormer (Kim et al. 2024, arXiv:2310.03022).

A block is a transformer's with filters in the place of attention: each number of a row becomes a weighted sum of that
number over the last `window` tokens. Where return, observation and action are tokens of their own, each kind of token
has filters of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents import rounding
from rlformer.agents.rounding import Linear
from rlformer.agents.sequence.activations import ACTIVATIONS
from rlformer.agents.sequence.backbones import weights
from rlformer.agents.sequence.backbones.base import Backbone, Visit
from rlformer.agents.sequence.dropout import Noise, draw, drop
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.rows import Rows, count, take
from rlformer.core.flops import Work, depthwise, linear

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture

_EVERY = slice(None)


class Conv(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows.

    kinds: of tokens, which follow each other in turn. A row depends on layers * (window - 1) tokens before it; what a
    layer keeps for later ones are the last `window` rows that it mixes (`step`).
    """

    def __init__(
        self,
        width: int,
        layers: int,
        window: int,
        kinds: int,
        dropout: float,
        activation: str,
        norm: str = "layer",
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.width, self.window, self.dropout = width, window, dropout
        self.embedding_norm = NORMS[norm](width)
        blocks = [ConvBlock(width, window, kinds, activation, norm, residual) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = NORMS[norm](width)
        for block in blocks:
            weights.initialise(block.expand)
            weights.behind_branches([block.contract], layers)
            nn.init.zeros_(block.contract.bias)
            if not residual:
                weights.alone(block.expand, rectified=block.contract)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows. A row sees the tokens at and before it."""
        noise = self._noise(tokens, rows)
        h = drop(self.embedding_norm(tokens), next(noise))
        for block in self.blocks[:-1]:
            h = block(h, _EVERY, noise)
        return cast(Tensor, self.norm(self.blocks[-1](h, rows, noise)))

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`. Of each block the residual stream behind it."""
        h = self.embedding_norm(tokens)
        for number, block in enumerate(self.blocks):
            h = visit(number, 0, block(h, _EVERY, repeat(0.0)))
        return cast(Tensor, self.norm(h))

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Of what `step` keeps of one sequence: the last rows that each layer mixed."""
        return (len(self.blocks), self.window, self.width)

    def step(self, tokens: Tensor, times: Tensor, memory: Tensor) -> Tensor:
        """The next token of each sequence, (N, D), and how many came before it, (N,) -> (N, D), as `forward` at it.

        memory: (N, *memory_shape), rings in which token t lies, and is put, in place t % window.
        """
        h = self.embedding_norm(tokens)
        for block, kept in zip(cast(Iterable[ConvBlock], self.blocks), memory.unbind(1), strict=True):
            h = block.step(h, times, kept)
        return cast(Tensor, self.norm(h))

    def _noise(self, tokens: Tensor, rows: Rows) -> Iterator[Noise]:
        """Dropout's noise in the order in which the layers apply it."""
        batch, length, width = tokens.shape
        shapes = [(batch, length, width)]
        for asked in (*repeat(length, len(self.blocks) - 1), count(rows, length)):
            shapes += [(batch, asked, width)] * 2
        return draw(shapes, self.dropout if self.training else 0.0, tokens.device)


class ConvBlock(nn.Module):
    """A layer: filters over the tokens, then a wide inner layer of each row alone."""

    def __init__(self, width: int, window: int, kinds: int, activation: str, norm: str, residual: bool) -> None:
        super().__init__()
        self.mixing_norm = NORMS[norm](width)
        self.filters = Filters(width, window, kinds)
        self.inner_norm = NORMS[norm](width)
        self.expand = Linear(width, 4 * width)
        self.activation = ACTIVATIONS[activation]
        self.contract = Linear(4 * width, width)
        self.residual = residual

    def forward(self, h: Tensor, rows: Rows, noise: Iterator[Noise]) -> Tensor:
        """(B, T, D) -> (B, M, D): the filters run at every row, the inner layer at those that are asked for."""
        mixed = drop(take(self.filters(self.mixing_norm(h)), rows), next(noise))
        h = take(h, rows) + mixed if self.residual else mixed
        inner = drop(self._inner(self.inner_norm(h).flatten(0, 1)).view_as(h), next(noise))
        return h + inner if self.residual else inner

    def step(self, h: Tensor, times: Tensor, kept: Tensor) -> Tensor:
        """One token of each sequence, (N, D) -> (N, D); see `Filters.step`."""
        mixed = self.filters.step(self.mixing_norm(h), times, kept)
        h = h + mixed if self.residual else mixed
        inner = self._inner(self.inner_norm(h))
        return h + inner if self.residual else inner

    def _inner(self, flat: Tensor) -> Tensor:
        return self.contract(rounding.rowwise(self.activation, self.activation, self.expand(flat)))


class Filters(nn.Module):
    """A filter for each number of a row and each kind of token: sums of the last `window` rows, zeros before the first.

    Products and sums are made number by number, in the order of time: rounded alike however many rows there are, and
    alike in `forward` and `step`.
    """

    def __init__(self, width: int, window: int, kinds: int) -> None:
        super().__init__()
        self.window, self.kinds = window, kinds
        self.weight = nn.Parameter(torch.empty(kinds, window, width))
        self.bias = nn.Parameter(torch.zeros(kinds * width))  # a vector: biases are not decayed
        nn.init.uniform_(self.weight, -1 / math.sqrt(window), 1 / math.sqrt(window))  # as torch.nn.Conv1d

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, D), a whole number of steps but for the last tokens -> (B, T, D)."""
        length = x.shape[1]
        padded = F.pad(x, (0, 0, self.window - 1, 0))
        weight: Tensor = self.weight
        bias = self.bias.unflatten(0, (self.kinds, -1))
        if self.kinds > 1:  # of each token; repeated, since the gradient of a look-up is slower on a GPU
            turns = -(-length // self.kinds)
            weight, bias = weight.repeat(turns, 1, 1)[:length], bias.repeat(turns, 1)[:length]
        return _mixed([padded[:, j : j + length] for j in range(self.window)], weight, bias)

    def step(self, x: Tensor, times: Tensor, kept: Tensor) -> Tensor:
        """Token number `times` (N,) of each sequence, (N, D) -> (N, D). It goes into its place of kept (N, W, D)."""
        every = torch.arange(x.shape[0], device=x.device)  # of tracing, len() would fix the size
        kept[every, times % self.window] = x
        back = torch.arange(self.window - 1, -1, -1, device=x.device)
        order = (times[:, None] - back) % self.window  # (N, W): places in the order of time
        absent = (back > times[:, None])[..., None]  # before the first token
        rows = kept.gather(1, order[..., None].expand(-1, -1, x.shape[1])).masked_fill(absent, 0.0)
        kinds, bias = times % self.kinds, self.bias.unflatten(0, (self.kinds, -1))
        return _mixed(rows.unbind(1), self.weight[kinds], bias[kinds])


def _mixed(rows: Iterable[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """W rows (..., n, D) in the order of time, their weights (n or 1, W, D), bias (n or 1, D) -> (..., n, D)."""
    mixed = bias
    for j, row in enumerate(rows):
        mixed = mixed + row * weight[:, j]
    return mixed


def _build(a: Architecture) -> Conv:
    kinds = a.tokens_per_step
    return Conv(a.width, a.layers, a.conv_window, kinds, a.dropout, a.activation, a.norm, a.residual)


def _work(a: Architecture, tokens: int, asked: int) -> Work:
    """The filters at every token, the last inner layer at the asked rows alone."""
    return depthwise(a.width, a.conv_window) * (tokens * a.layers) + _inner(a) * (tokens * (a.layers - 1) + asked)


def _step_work(a: Architecture) -> Work:
    return (depthwise(a.width, a.conv_window) + _inner(a)) * a.layers


def _inner(a: Architecture) -> Work:
    return linear(a.width, 4 * a.width) + linear(4 * a.width, a.width)


CONV = Backbone(
    name="conv",
    build=_build,
    work=_work,
    matrices=8,
    step_work=_step_work,
    reach=lambda a: a.layers * (a.conv_window - 1) + 1,
)
