"""A causal transformer in the form of GPT-2: normalisation first, residual connections, a wide inner layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import repeat
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.models.dropout import draw, drop
from rlformer.models.rows import Rows, count, take

_EVERY = slice(None)


class Transformer(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows.

    The last layer is computed at the asked rows alone: no other row of it is read (exact, and a fifth of the work).
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float, activation: str) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} cannot be split into {heads} heads")
        self.heads, self.dropout = heads, dropout
        self.embedding_norm = nn.LayerNorm(width)
        blocks = [_Block(width, heads, activation) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.apply(_initialise)
        for block in blocks:  # GPT-2: keeps the variance of the residual stream flat over depth
            for projection in (block.attention.project, block.contract):
                nn.init.normal_(projection.weight, std=0.02 / math.sqrt(2 * layers))

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows. A row sees the tokens at and before it."""
        masks = self._masks(tokens, rows)
        h = drop(self.embedding_norm(tokens), next(masks))  # (B, T, D)
        for block in self.blocks[:-1]:
            h = block(h, _EVERY, masks)
        return self.norm(self.blocks[-1](h, rows, masks))  # (B, M, D)

    @torch.no_grad()
    def attention(self, tokens: Tensor) -> list[Tensor]:
        """The attention weights of every layer, (B, heads, T, T), without dropout."""
        h = self.embedding_norm(tokens)
        weights = []
        for block in cast(Iterable[_Block], self.blocks):
            of_layer, _ = block.attention.weights(block.attention_norm(h), _EVERY)
            weights.append(of_layer.unflatten(0, (-1, self.heads)))
            h = block(h, _EVERY, repeat(None))
        return weights

    def _masks(self, tokens: Tensor, rows: Rows) -> Iterator[Tensor | None]:
        """Dropout's masks in the order in which the layers apply them."""
        batch, length, width = tokens.shape
        shapes = [(batch, length, width)]
        for asked in (*repeat(length, len(self.blocks) - 1), count(rows, length)):
            shapes += [(batch * self.heads, asked, length), (batch, asked, width), (batch, asked, width)]
        return draw(shapes, self.dropout if self.training else 0.0, tokens.device)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, activation: str) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.inner_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = {"relu": F.relu_, "gelu": F.gelu}[activation]  # ReLU's gradient needs its output only
        self.contract = nn.Linear(4 * width, width)

    def forward(self, h: Tensor, rows: Rows, masks: Iterator[Tensor | None]) -> Tensor:
        mixed = self.attention(self.attention_norm(h), rows, next(masks))  # (B, M, D)
        h = take(h, rows) + drop(mixed, next(masks))
        flat = self.inner_norm(h).flatten(0, 1)  # (B*M, D): its product is no view, which in place would be copied
        inner = self.contract(self.activation(self.expand(flat)))
        return h + drop(inner.view_as(h), next(masks))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor, rows: Rows, mask: Tensor | None) -> Tensor:
        weights, value = self.weights(x, rows)
        mixed = torch.bmm(drop(weights, mask), value)  # (B*nh, M, hs)
        mixed = mixed.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2)  # (B, M, D)
        return self.project(mixed)

    def weights(self, x: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """x: (B, T, D) -> attention weights (B*nh, M, T) and values (B*nh, T, hs)."""
        length, width = x.shape[1:]
        if isinstance(rows, slice) and rows == _EVERY:
            query, key, value = self.qkv(x).split(width, dim=2)
        else:  # queries at the asked rows, keys and values at all
            weight, bias = self.qkv.weight, self.qkv.bias
            query = F.linear(take(x, rows), weight[:width], bias[:width])
            key, value = F.linear(x, weight[width:], bias[width:]).split(width, dim=2)
        query, key, value = self._split(query), self._split(key), self._split(value)
        scale = 1 / math.sqrt(width // self.heads)
        scores = torch.baddbmm(self._future(rows, length, x.device), query, key.transpose(1, 2), alpha=scale)
        return scores.softmax(dim=2), value

    def _split(self, t: Tensor) -> Tensor:
        """(B, *, D) -> (B*nh, *, hs)."""
        return t.unflatten(2, (self.heads, -1)).transpose(1, 2).flatten(0, 1)

    def _future(self, rows: Rows, length: int, device: torch.device) -> Tensor:
        """What is added to the scores: minus infinity at tokens behind the row, (M, T) or (B*nh, M, T)."""
        if isinstance(rows, slice):
            return _future_of_slice(rows.start, rows.stop, rows.step, length, device)
        return _behind(rows, length).repeat_interleave(self.heads, dim=0)


@lru_cache(maxsize=64)
def _future_of_slice(
    start: int | None, stop: int | None, step: int | None, length: int, device: torch.device
) -> Tensor:
    return _behind(torch.arange(length, device=device)[start:stop:step], length)  # (M, T)


def _behind(rows: Tensor, length: int) -> Tensor:
    """(..., M) -> (..., M, T)."""
    behind = torch.arange(length, device=rows.device) > rows[..., None]
    return torch.zeros(behind.shape, device=rows.device).masked_fill_(behind, -torch.inf)


def _initialise(module: nn.Module) -> None:
    """GPT-2's: weights from a normal of .02, biases zero."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
