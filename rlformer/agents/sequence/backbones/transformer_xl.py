"""Transformer-XL (Dai et al. 2019, arXiv:1901.02860): segments that read the states of earlier ones, and distances.

A window is read segment by segment. What a layer read of the tokens before is kept, without a gradient, and read again
by the next segment. Each token attends to as many tokens before it, wherever segments begin: what comes out does not
depend on them, and acting goes on from the kept keys and values, a token at a time, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from rlformer.agents.rounding import Linear, linear
from rlformer.agents.sequence.backbones import weights
from rlformer.agents.sequence.backbones.base import Backbone, Visit
from rlformer.agents.sequence.backbones.transformer.network import Attention, Block
from rlformer.agents.sequence.dropout import Noise, draw, drop
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.rows import Rows, take
from rlformer.core import flops
from rlformer.core.errors import InputError
from rlformer.core.flops import Work

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


class TransformerXl(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows.

    segment: tokens that are read at once. memory: tokens before each that it attends to, in every layer.
    """

    distances: Tensor

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        segment: int,
        memory: int,
        dropout: float,
        activation: str,
        norm: str = "layer",
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.width, self.heads, self.segment, self.memory, self.dropout = width, heads, segment, memory, dropout
        self.embedding_norm = NORMS[norm](width)
        blocks = [XlBlock(width, heads, memory, activation, norm, residual) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = NORMS[norm](width)
        self.apply(weights.initialise)
        for block in blocks:
            block.initialise_one_of(layers)
        self.register_buffer("distances", _waves(memory + 1, width), persistent=False)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows. A row sees the tokens at and before it."""
        rate = self.dropout if self.training else 0.0
        noise = draw(self._shapes(tokens), rate, tokens.device)
        h = drop(self.embedding_norm(tokens), next(noise))
        blocks = list(cast(Iterable[XlBlock], self.blocks))
        relative = [block.attention.relative(self.distances) for block in blocks]
        kept = [h[:, :0]] * len(blocks)
        outputs = []
        for part in h.split(self.segment, dim=1):
            for number, block in enumerate(blocks):
                before, kept[number] = kept[number], self._last(kept[number], part)
                part = block.read_on(before, part, relative[number], noise)
            outputs.append(part)
        return cast(Tensor, self.norm(take(torch.cat(outputs, dim=1), rows)))

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`. Of each block the residual stream behind it; all tokens are one segment."""
        h = self.embedding_norm(tokens)
        for number, block in enumerate(cast(Iterable[XlBlock], self.blocks)):
            relative = block.attention.relative(self.distances)
            h = visit(number, 0, block.read_on(h[:, :0], h, relative, repeat(0.0)))
        return cast(Tensor, self.norm(h))

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Of what `step` keeps of one sequence: the keys and values of each layer, of a token and those before it."""
        return (len(self.blocks), 2, self.memory + 1, self.width)

    def step(self, tokens: Tensor, times: Tensor, memory: Tensor) -> Tensor:
        """The next token of each sequence, (N, D), and how many came before it, (N,) -> (N, D), as `forward` at it.

        memory: (N, *memory_shape), in which the keys and values of token t lie, and are put, in place t % (memory + 1).
        """
        size = self.memory + 1
        places = times % size
        distances = (places[:, None] - torch.arange(size, device=places.device)) % size  # (N, size), in tokens
        absent = (distances > times.clamp(min=0)[:, None])[..., None]  # before the first token
        h = self.embedding_norm(tokens)
        for block, kept in zip(cast(Iterable[XlBlock], self.blocks), memory.unbind(1), strict=True):
            relative = block.attention.relative(self.distances)[distances]  # (N, size, D)
            h = block.step(h, *kept.unbind(1), places, relative, absent)
        return cast(Tensor, self.norm(h))

    @torch.no_grad()
    def attention(self, tokens: Tensor) -> list[Tensor]:
        """The attention weights of every layer, (B, heads, T, T), without dropout."""
        h, weights = self.embedding_norm(tokens), []
        for block in cast(Iterable[XlBlock], self.blocks):
            relative = block.attention.relative(self.distances)
            of_layer, _ = block.attention.weigh(block.attention_norm(h), h.shape[1], relative)
            weights.append(of_layer.unflatten(0, (-1, self.heads)))
            h = block.read_on(h[:, :0], h, relative, repeat(0.0))
        return weights

    def _last(self, kept: Tensor, part: Tensor) -> Tensor:
        """What the next segment reads of a layer's inputs so far: of the last tokens, without a gradient."""
        seen = torch.cat([kept, part.detach()], dim=1)
        return seen[:, max(0, seen.shape[1] - self.memory) :]

    def _shapes(self, tokens: Tensor) -> list[tuple[int, ...]]:
        """Of dropout's noise, in the order in which the layers apply it."""
        batch, length, width = tokens.shape
        shapes: list[tuple[int, ...]] = [(batch, length, width)]
        for size, before in _segments(length, self.segment, self.memory):
            of_layer = [(batch * self.heads, size, before + size), (batch, size, width), (batch, size, width)]
            shapes += of_layer * len(self.blocks)
        return shapes


class XlBlock(Block):
    """A layer: attention to a segment and what is kept, then a wide inner layer of each row alone."""

    attention: RelativeAttention

    def __init__(self, width: int, heads: int, memory: int, activation: str, norm: str, residual: bool) -> None:
        super().__init__(width, heads, activation, norm, residual, band=0)
        self.attention = RelativeAttention(width, heads, memory)

    def read_on(self, kept: Tensor, h: Tensor, relative: Tensor, noise: Iterator[Noise]) -> Tensor:
        """kept (B, m, D) of the tokens before, h (B, n, D) -> (B, n, D)."""
        seen = self.attention_norm(torch.cat([kept, h], dim=1))
        mixed = drop(self.attention.mix(seen, h.shape[1], relative, next(noise)), next(noise))
        h = h + mixed if self.residual else mixed
        inner = drop(self._inner(self.inner_norm(h).flatten(0, 1)).view_as(h), next(noise))
        return h + inner if self.residual else inner


class RelativeAttention(Attention):
    """Attention whose scores know contents and distances, each with a bias of its own (section 3.3 of the paper).

    The score of token i at j is (q_i + u) k_j + (q_i + v) W r(i - j), where r are waves of the distance.
    """

    def __init__(self, width: int, heads: int, memory: int) -> None:
        super().__init__(width, heads, band=0)
        self.memory = memory
        self.relative = Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(width))
        self.distance_bias = nn.Parameter(torch.zeros(width))

    def mix(self, seen: Tensor, count: int, relative: Tensor, noise: Noise) -> Tensor:
        """seen: (B, m + n, D), of which the last n = `count` ask; relative: (memory + 1, D) -> (B, n, D)."""
        weights, value = self.weigh(seen, count, relative)
        return cast(Tensor, self.project(self.join(torch.bmm(drop(weights, noise), value))))

    def weigh(self, seen: Tensor, count: int, relative: Tensor) -> tuple[Tensor, Tensor]:
        """The weights (B*nh, n, m + n) and the values (B*nh, m + n, hs)."""
        batch, length, width = seen.shape
        weight, bias = self.qkv.weight, self.qkv.bias
        query = linear(seen[:, length - count :], weight[:width], bias[:width])
        key, value = linear(seen, weight[width:], bias[width:]).split(width, dim=2)
        of_content = torch.bmm(self.split(query + self.content_bias), self.split(key).transpose(1, 2))
        far = self.split(relative.expand(batch, -1, -1)).transpose(1, 2)  # (B*nh, hs, memory + 1)
        of_distance = torch.bmm(self.split(query + self.distance_bias), far)
        places = torch.arange(length, device=seen.device)
        distances = places[length - count :, None] - places  # (n, m + n)
        within = distances.clamp(0, self.memory).expand(of_content.shape)
        scores = (of_content + of_distance.gather(2, within)) / math.sqrt(width // self.heads)
        outside = (distances < 0) | (distances > self.memory)
        return scores.masked_fill(outside, -torch.inf).softmax(dim=2), self.split(value)

    def step(
        self, x: Tensor, keys: Tensor, values: Tensor, places: Tensor, distances: Tensor, absent: Tensor
    ) -> Tensor:
        """One token of each sequence: x (N, D) -> (N, D). Its key and value go into `places` (N,) of (N, size, D).

        distances: (N, size, D), what `relative` makes of the distance of each place.
        """
        query, key, value = self.qkv(x).split(x.shape[1], dim=1)
        every = torch.arange(x.shape[0], device=x.device)  # of tracing, len() would fix the size
        keys[every, places], values[every, places] = key, value
        parts = (self.heads, x.shape[1] // self.heads)
        # Sums of products, whose rounding does not depend on N, as that of batched matrix products may.
        of_content = ((query + self.content_bias)[:, None] * keys).unflatten(2, parts).sum(dim=3)  # (N, size, nh)
        of_distance = ((query + self.distance_bias)[:, None] * distances).unflatten(2, parts).sum(dim=3)
        scores = (of_content + of_distance) / math.sqrt(parts[1])
        weights = scores.masked_fill(absent, -torch.inf).softmax(dim=1)
        mixed = (weights[..., None] * values.unflatten(2, parts)).sum(dim=1)  # (N, nh, hs)
        return cast(Tensor, self.project(mixed.flatten(1)))


def _waves(count: int, width: int) -> Tensor:
    """Of the distances 0 to count - 1: (count, width) sines, then cosines (Vaswani et al. 2017)."""
    half = (width + 1) // 2
    angles = torch.arange(count)[:, None] / 10_000 ** (torch.arange(half) / half)
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]


def _segments(length: int, segment: int, memory: int) -> Iterator[tuple[int, int]]:
    """Of each segment of a window, its tokens and those before it that it reads."""
    for start in range(0, length, segment):
        yield min(segment, length - start), min(start, memory)


def _memory(a: Architecture) -> int:
    """Tokens before each that it attends to."""
    return a.memory_length * a.tokens_per_step


def _build(a: Architecture) -> TransformerXl:
    segment = a.segment_length * a.tokens_per_step
    return TransformerXl(
        a.width, a.layers, a.heads, segment, _memory(a), a.dropout, a.activation, a.norm, a.residual
    )  # fmt: skip


def _check(a: Architecture) -> None:
    if a.width % a.heads:
        raise InputError(f"heads: {a.heads} do not divide the width {a.width}")
    if a.timestep_encoding == "window":
        raise InputError(
            "timestep_encoding: no window begins while the transformer-xl acts: it must be episode or none"
        )


def _work(a: Architecture, tokens: int, asked: int) -> Work:
    """Every layer is computed at every token; keys and values of what is kept are made anew in each segment."""
    found, width, kept = Work(), a.width, _memory(a) + 1
    for size, before in _segments(tokens, a.segment_length * a.tokens_per_step, _memory(a)):
        projections = flops.linear(width, width) * (2 * size) + flops.linear(width, 2 * width) * (before + size)
        once = flops.product(size, width, kept)
        scores = flops.attention(size, before + size, width) + Work(once, 2 * once)
        inner = (flops.linear(width, 4 * width) + flops.linear(4 * width, width)) * size
        found += projections + scores + inner
    return found * a.layers


def _shared(a: Architecture) -> Work:
    """What is made of the distances, for all windows of a pass."""
    return flops.linear(a.width, a.width, input_gradient=False) * ((_memory(a) + 1) * a.layers)


def _step_work(a: Architecture) -> Work:
    width, kept = a.width, _memory(a) + 1
    projections = flops.linear(width, width) * 2 + flops.linear(width, 2 * width)
    inner = flops.linear(width, 4 * width) + flops.linear(4 * width, width)
    scores = flops.attention(1, kept, width) + Work(flops.product(1, width, kept))
    return (projections + scores + inner) * a.layers + _shared(a)


TRANSFORMER_XL = Backbone(
    name="transformer-xl",
    build=_build,
    work=_work,
    shared=_shared,
    matrices=13,
    check=_check,
    attends=True,
    step_work=_step_work,
    endless=lambda a: True,
    reach=lambda a: a.layers * _memory(a) + 1,
)
