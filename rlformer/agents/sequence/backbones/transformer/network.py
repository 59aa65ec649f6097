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

from rlformer.agents import rounding
from rlformer.agents.rounding import Linear, linear
from rlformer.agents.sequence import placement
from rlformer.agents.sequence.activations import ACTIVATIONS
from rlformer.agents.sequence.backbones import weights
from rlformer.agents.sequence.backbones.base import Visit
from rlformer.agents.sequence.dropout import Noise, draw, drop
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.rows import Rows, count, take

_EVERY = slice(None)


class Transformer(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows.

    The last layer is computed at the asked rows alone: no other row of it is read (exact, and a fifth of the work).

    band: how many tokens, its own the last, a row of each layer attends to; 0: all before it. With a band, a learnt
    number for each head and distance is added to the scores, and tokens can come one by one (`step`): what a layer
    keeps of the past is then the keys and values of the band, which no later token changes.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        activation: str,
        norm: str = "layer",
        residual: bool = True,
        band: int = 0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} cannot be split into {heads} heads")
        self.width, self.heads, self.dropout, self.band = width, heads, dropout, band
        self.embedding_norm = NORMS[norm](width)
        blocks = [Block(width, heads, activation, norm, residual, band) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = NORMS[norm](width)
        self.apply(weights.initialise)
        for block in blocks:
            block.initialise_one_of(layers)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows. A row sees the tokens at and before it."""
        noise = self._noise(tokens, rows)
        h = drop(self.embedding_norm(tokens), next(noise))  # (B, T, D)
        rate = self.dropout if self.training else 0.0
        for block in self.blocks[:-1]:
            h = block(h, _EVERY, noise, rate)
        return self.norm(self.blocks[-1](h, rows, noise, rate))  # (B, M, D)

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`. Of each block the residual stream behind it."""
        h = self.embedding_norm(tokens)
        for number, block in enumerate(self.blocks):
            h = visit(number, 0, block(h, _EVERY, repeat(0.0), 0.0))
        return cast(Tensor, self.norm(h))

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Of what `step` keeps of one sequence: the keys and values of each layer, of band tokens."""
        return (len(self.blocks), 2, self.band, self.width)

    def step(self, tokens: Tensor, times: Tensor, memory: Tensor) -> Tensor:
        """The next token of each sequence, (N, D), and how many came before it, (N,) -> (N, D), as `forward` at it.

        memory: (N, *memory_shape), in which the keys and values of token t lie, and are put, in place t % band.
        """
        places = times % self.band  # (N,)
        distances = (
            places[:, None] - torch.arange(self.band, device=places.device)
        ) % self.band  # (N, band): of each place, in tokens
        absent = (distances > times[:, None])[..., None]  # before the first token
        h = self.embedding_norm(tokens)
        for block, kept in zip(cast(Iterable[Block], self.blocks), memory.unbind(1), strict=True):
            h = block.step(h, *kept.unbind(1), places, distances, absent)
        return self.norm(h)

    def both_ways(self, tokens: Tensor, absent: Tensor) -> Tensor:
        """Every row attends to all tokens but the `absent` ones, (B, T) bool: (B, T, D) -> (B, T, D). No band."""
        rate = self.dropout if self.training else 0.0
        noise = draw([tuple(tokens.shape)] * (1 + 2 * len(self.blocks)), rate, tokens.device)
        h = drop(self.embedding_norm(tokens), next(noise))
        for block in cast(Iterable[Block], self.blocks):
            h = block.read(h, absent, noise, rate)
        return cast(Tensor, self.norm(h))

    @torch.no_grad()
    def attention(self, tokens: Tensor) -> list[Tensor]:
        """The attention weights of every layer, (B, heads, T, T), without dropout."""
        h = self.embedding_norm(tokens)
        weights = []
        for block in cast(Iterable[Block], self.blocks):
            of_layer, _ = block.attention.weights(block.attention_norm(h), _EVERY)
            weights.append(of_layer.unflatten(0, (-1, self.heads)))
            h = block(h, _EVERY, repeat(0.0), 0.0)
        return weights

    def _noise(self, tokens: Tensor, rows: Rows) -> Iterator[Noise]:
        """Dropout's noise in the order in which the layers apply it."""
        batch, length, width = tokens.shape
        shapes = [(batch, length, width)]
        for asked in (*repeat(length, len(self.blocks) - 1), count(rows, length)):
            if not _fuses(tokens, self.band):
                shapes.append((batch * self.heads, asked, length))
            shapes += [(batch, asked, width), (batch, asked, width)]
        return draw(shapes, self.dropout if self.training else 0.0, tokens.device)


class Block(nn.Module):
    """A layer: attention, then a wide inner layer of each row alone."""

    def __init__(self, width: int, heads: int, activation: str, norm: str, residual: bool, band: int) -> None:
        super().__init__()
        self.attention_norm = NORMS[norm](width)
        self.attention = Attention(width, heads, band)
        self.inner_norm = NORMS[norm](width)
        self.expand = Linear(width, 4 * width)
        self.activation = ACTIVATIONS[activation]
        self.contract = Linear(4 * width, width)
        self.residual = residual

    def initialise_one_of(self, layers: int) -> None:
        """Behind `weights.initialise`: the weights of one of so many layers."""
        weights.behind_branches((self.attention.project, self.contract), layers)
        if not self.residual:
            weights.alone(self.attention.qkv, self.attention.project, self.expand, rectified=self.contract)

    def forward(self, h: Tensor, rows: Rows, noise: Iterator[Noise], rate: float) -> Tensor:
        mixed = drop(self.attention(self.attention_norm(h), rows, noise, rate), next(noise))  # (B, M, D)
        h = take(h, rows) + mixed if self.residual else mixed
        flat = self.inner_norm(h).flatten(0, 1)  # (B*M, D): its product is no view, which in place would be copied
        inner = drop(self._inner(flat).view_as(h), next(noise))
        return h + inner if self.residual else inner

    def read(self, h: Tensor, hidden: Tensor, noise: Iterator[Noise], rate: float) -> Tensor:
        """In both directions: h (B, T, D), hidden (B, T), tokens that no other attends to -> (B, T, D)."""
        mixed = drop(self.attention.over(self.attention_norm(h), hidden, rate), next(noise))
        h = h + mixed if self.residual else mixed
        inner = drop(self._inner(self.inner_norm(h).flatten(0, 1)).view_as(h), next(noise))
        return h + inner if self.residual else inner

    def step(self, h: Tensor, *memory: Tensor) -> Tensor:
        """One token of each sequence, (N, D) -> (N, D); see `Attention.step`."""
        mixed = self.attention.step(self.attention_norm(h), *memory)
        h = h + mixed if self.residual else mixed
        inner = self._inner(self.inner_norm(h))
        return h + inner if self.residual else inner

    def _inner(self, flat: Tensor) -> Tensor:
        return self.contract(rounding.rowwise(self.activation, self.activation, self.expand(flat)))


class Attention(nn.Module):
    """Causal self-attention of several heads."""

    def __init__(self, width: int, heads: int, band: int) -> None:
        super().__init__()
        self.heads, self.band = heads, band
        self.qkv = Linear(width, 3 * width)
        self.project = Linear(width, width)
        if band:
            self.of_distance = nn.Parameter(torch.zeros(band, heads))

    def forward(self, x: Tensor, rows: Rows, noise: Iterator[Noise], rate: float) -> Tensor:
        """x: (B, T, D) -> (B, M, D). The next of the noise drops weights; `rate` does where they are fused."""
        if _fuses(x, self.band):
            return self.project(self.fused(x, rows, rate))
        weights, value = self.weights(x, rows)
        return self.project(self.join(torch.bmm(drop(weights, next(noise)), value)))

    def fused(self, x: Tensor, rows: Rows, rate: float) -> Tensor:
        """The heads' results (B, M, D) without the weights in memory, where there is no band."""
        parts = self._queries_keys_values(x, rows)
        query, key, value = (t.unflatten(0, (-1, self.heads)) for t in parts)  # (B, nh, *, hs)
        if isinstance(rows, slice) and rows == _EVERY:
            mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=rate, is_causal=True)
        else:
            future = self._future(rows, x.shape[1], x.device)  # (M, T) or (B*nh, M, T)
            seen = (future if future.ndim == 2 else future.unflatten(0, (-1, self.heads))) == 0
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, dropout_p=rate)
        return self.join(mixed.flatten(0, 1))

    def over(self, x: Tensor, hidden: Tensor, rate: float) -> Tensor:
        """To all tokens but the hidden ones, (B, T): x (B, T, D) -> (B, T, D). `rate` drops weights."""
        query, key, value = (by_head(t, self.heads) for t in self.qkv(x).split(x.shape[2], dim=2))
        return cast(Tensor, self.project(attend(query, key, value, hidden, rate)))

    def weights(self, x: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """x: (B, T, D) -> attention weights (B*nh, M, T) and values (B*nh, T, hs)."""
        query, key, value = self._queries_keys_values(x, rows)
        added = self._banded(rows, x) if self.band else self._future(rows, x.shape[1], x.device)
        scale = 1 / math.sqrt(key.shape[2])
        scores = torch.baddbmm(added, query, key.transpose(1, 2), alpha=scale)
        return scores.softmax(dim=2), value

    def _queries_keys_values(self, x: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """x: (B, T, D) -> (B*nh, M, hs), (B*nh, T, hs), (B*nh, T, hs)."""
        width = x.shape[2]
        if isinstance(rows, slice) and rows == _EVERY:
            query, key, value = self.qkv(x).split(width, dim=2)
        else:  # queries at the asked rows, keys and values at all
            weight, bias = self.qkv.weight, self.qkv.bias
            query = linear(take(x, rows), weight[:width], bias[:width])
            key, value = linear(x, weight[width:], bias[width:]).split(width, dim=2)
        return self.split(query), self.split(key), self.split(value)

    def step(
        self, x: Tensor, keys: Tensor, values: Tensor, places: Tensor, distances: Tensor, absent: Tensor
    ) -> Tensor:
        """One token of each sequence: x (N, D) -> (N, D). Its key and value go into `places` (N,) of (N, band, D)."""
        query, key, value = self.qkv(x).split(x.shape[1], dim=1)
        every = torch.arange(x.shape[0], device=x.device)  # of tracing, len() would fix the size
        keys[every, places], values[every, places] = key, value
        # Sums of products, whose rounding does not depend on N, as that of batched matrix products may.
        size = x.shape[1] // self.heads
        scores = (query[:, None] * keys).unflatten(2, (self.heads, size)).sum(dim=3)  # (N, band, nh)
        scores = scores / math.sqrt(size) + self.of_distance[distances]
        weights = scores.masked_fill_(absent, -torch.inf).softmax(dim=1)
        mixed = (weights[..., None] * values.unflatten(2, (self.heads, size))).sum(dim=1)  # (N, nh, hs)
        return self.project(mixed.flatten(1))

    def split(self, t: Tensor) -> Tensor:
        """(B, *, D) -> (B*nh, *, hs)."""
        return t.unflatten(2, (self.heads, -1)).transpose(1, 2).flatten(0, 1)

    def join(self, mixed: Tensor) -> Tensor:
        """(B*nh, M, hs) -> (B, M, D)."""
        return mixed.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2)

    def _future(self, rows: Rows, length: int, device: torch.device) -> Tensor:
        """What is added to the scores: minus infinity at tokens behind the row, (M, T) or (B*nh, M, T)."""
        if isinstance(rows, slice):
            return _future_of_slice(rows.start, rows.stop, rows.step, length, device)
        return _behind(rows, length).repeat_interleave(self.heads, dim=0)

    def _banded(self, rows: Rows, x: Tensor) -> Tensor:
        """What is added to the scores: of each distance its number, minus infinity out of the band, (B*nh, M, T)."""
        batch, length = x.shape[:2]
        tokens = torch.arange(length, device=x.device)
        asked = tokens[rows][None] if isinstance(rows, slice) else rows  # (1, M) or (B, M)
        distances = asked[..., None] - tokens  # (1 or B, M, T)
        outside = (distances < 0) | (distances >= self.band)
        bias = self.of_distance[distances.clamp(0, self.band - 1)].masked_fill(outside[..., None], -torch.inf)
        return bias.movedim(3, 1).expand(batch, -1, -1, -1).flatten(0, 1)  # (., M, T, nh) -> (B*nh, M, T)


def by_head(t: Tensor, heads: int) -> Tensor:
    """(B, T, D) -> (B, nh, T, hs)."""
    return t.unflatten(2, (heads, -1)).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor, rate: float) -> Tensor:
    """query (B, nh, M, hs), key and value (B, nh, T, hs), hidden (B, T) -> (B, M, D). Rounded alike for any B."""
    added = torch.zeros(hidden.shape, device=hidden.device).masked_fill(hidden, -torch.inf)[:, None, None]

    def mix(query: Tensor, key: Tensor, value: Tensor, added: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, added, dropout_p=rate)

    added = added.expand(-1, -1, query.shape[2], -1)
    return rounding.rowwise("attention", mix, query, key, value, added).transpose(1, 2).flatten(2)


def _fuses(x: Tensor, band: int) -> bool:
    """Whether attention is fused: on a CPU explicit products are faster at these sizes, and a band has a bias."""
    return not placement.on_host(x.device) and not band


@lru_cache(maxsize=64)
def _future_of_slice(
    start: int | None, stop: int | None, step: int | None, length: int, device: torch.device
) -> Tensor:
    return _behind(torch.arange(length, device=device)[start:stop:step], length)  # (M, T)


def _behind(rows: Tensor, length: int) -> Tensor:
    """(..., M) -> (..., M, T)."""
    behind = torch.arange(length, device=rows.device) > rows[..., None]
    return torch.zeros(behind.shape, device=rows.device).masked_fill_(behind, -torch.inf)
