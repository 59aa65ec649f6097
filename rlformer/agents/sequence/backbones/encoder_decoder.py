"""An encoder of the past, read in both directions, and a decoder of the next actions (as in ACT, Zhao et al. 2023,
arXiv:2304.13705).

At each asked row the tokens up to it, and no others, are encoded anew, each told how long ago it was; what the decoder
asks of them with cross-attention are the next `chunk` actions, side by side. Its questions are learned and the same for
every window: a layer of self-attention between them would say nothing that they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from rlformer.agents import rounding
from rlformer.agents.sequence.backbones import weights
from rlformer.agents.sequence.backbones.base import Backbone, Visit
from rlformer.agents.sequence.backbones.transformer.network import Block, attend, by_head
from rlformer.agents.sequence.dropout import Noise, draw, drop
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.rows import Rows, count
from rlformer.core import flops
from rlformer.core.errors import InputError
from rlformer.core.flops import Work

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


class EncoderDecoder(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows: what the first action of each chunk is read from."""

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        tokens: int,
        chunk: int,
        dropout: float,
        activation: str,
        norm: str = "layer",
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.width, self.heads, self.dropout = width, heads, dropout
        self.embedding_norm = NORMS[norm](width)
        self.ago = nn.Parameter(torch.empty(tokens, width))  # of each token: how many came after it
        blocks = [Block(width, heads, activation, norm, residual, band=0) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.decoder = Decoder(width, heads, chunk, activation, norm, residual)
        self.norm = NORMS[norm](width)
        self.apply(weights.initialise)
        nn.init.normal_(self.ago, std=0.02)
        nn.init.normal_(self.decoder.questions, std=0.02)
        for block in blocks:
            block.initialise_one_of(layers)
        if not residual:
            self.decoder.initialise_one_of(1)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows. A row sees the tokens at and before it."""
        return self._decoded(tokens, rows, 1)[:, :, 0]

    def chunk(self, tokens: Tensor, rows: Rows) -> Tensor:
        """As `forward`, of every action of a chunk: (B, M, k, D)."""
        return self._decoded(tokens, rows, len(self.decoder.questions))

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`. Of each layer what it makes of a token for every row, (B, T, T D)."""
        length = tokens.shape[1]
        h, hidden = self._prefixes(self.embedding_norm(tokens), slice(None))
        for number, block in enumerate(cast(Iterable[Block], self.blocks)):
            h = block.read(h, hidden, repeat(0.0), 0.0)
            by_token = h.unflatten(0, (-1, length)).transpose(1, 2).flatten(2)
            h = visit(number, 0, by_token).unflatten(2, (length, -1)).transpose(1, 2).flatten(0, 1)
        return cast(Tensor, self.norm(self.decoder.answers(h, hidden, 1, repeat(0.0)))).unflatten(0, (-1, length))[
            :, :, 0
        ]

    def _decoded(self, tokens: Tensor, rows: Rows, actions: int) -> Tensor:
        """(B, M, actions, D)."""
        batch, length, width = tokens.shape
        asked, rate = count(rows, length), self.dropout if self.training else 0.0
        shapes = [(batch, length, width), *[(batch * asked, length, width)] * (2 * len(self.blocks))]
        noise = draw([*shapes, *[(batch * asked, actions, width)] * 2], rate, tokens.device)
        h, hidden = self._prefixes(drop(self.embedding_norm(tokens), next(noise)), rows)
        for block in cast(Iterable[Block], self.blocks):
            h = block.read(h, hidden, noise, rate)
        decoded: Tensor = self.norm(self.decoder.answers(h, hidden, actions, noise))
        return decoded.unflatten(0, (batch, asked))

    def _prefixes(self, h: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> of each row a sequence of its own, (B M, T, D), and what of it lies behind the row, (B M, T)."""
        batch, length, _ = h.shape
        places = torch.arange(length, device=h.device)
        asked = places[rows].expand(batch, -1) if isinstance(rows, slice) else rows  # (B, M)
        after = asked[..., None] - places  # (B, M, T)
        ago = self.ago[after.clamp(0, len(self.ago) - 1)]
        return (h[:, None] + ago).flatten(0, 1), (after < 0).flatten(0, 1)


class Decoder(Block):
    """A layer: each question attends to the encoded tokens, then a wide inner layer."""

    def __init__(self, width: int, heads: int, chunk: int, activation: str, norm: str, residual: bool) -> None:
        super().__init__(width, heads, activation, norm, residual, band=0)
        self.heads = heads
        self.questions = nn.Parameter(torch.empty(chunk, width))
        self.encoded_norm = NORMS[norm](width)

    def answers(self, encoded: Tensor, hidden: Tensor, actions: int, noise: Iterator[Noise]) -> Tensor:
        """encoded: (B, T, D), hidden: (B, T) -> (B, actions, D)."""
        width, weight, bias = encoded.shape[2], self.attention.qkv.weight, self.attention.qkv.bias
        h = self.questions[:actions].repeat(encoded.shape[0], 1, 1)
        query = by_head(rounding.linear(self.attention_norm(h), weight[:width], bias[:width]), self.heads)
        known = rounding.linear(self.encoded_norm(encoded), weight[width:], bias[width:])
        key, value = (by_head(t, self.heads) for t in known.split(width, dim=2))
        mixed = drop(self.attention.project(attend(query, key, value, hidden, 0.0)), next(noise))
        h = h + mixed if self.residual else mixed
        inner = drop(self._inner(self.inner_norm(h).flatten(0, 1)).view_as(h), next(noise))
        return h + inner if self.residual else inner


def _build(a: Architecture) -> EncoderDecoder:
    return EncoderDecoder(
        a.width, a.layers, a.heads, a.tokens_per_window, a.chunk_length, a.dropout, a.activation, a.norm, a.residual
    )


def _check(a: Architecture) -> None:
    if a.width % a.heads:
        raise InputError(f"heads: {a.heads} do not divide the width {a.width}")
    if a.chunk_length > a.context_length:
        raise InputError(
            f"chunk_length: {a.chunk_length} actions are learned from windows of context_length {a.context_length}: "
            "at most that"
        )
    if a.chunk_executed == "all" and a.predicts_returns:
        raise InputError("chunk_executed: a return that is predicted at each step needs 'first'")


def _work(a: Architecture, tokens: int, asked: int, actions: int = 1) -> Work:
    """Of each asked row all tokens are encoded, those behind it too, since windows are computed whole."""
    width = a.width
    inner = flops.linear(width, 4 * width) + flops.linear(4 * width, width)
    layer = (flops.linear(width, 4 * width) + inner) * tokens + flops.attention(tokens, tokens, width)
    known = flops.linear(width, 2 * width) * tokens + flops.attention(actions, tokens, width)
    decoder = known + (flops.linear(width, 2 * width) + inner) * actions
    return (layer * a.layers + decoder) * asked


def _chunk_work(a: Architecture, tokens: int, asked: int) -> Work:
    return _work(a, tokens, asked, a.chunk_length)


ENCODER_DECODER = Backbone(
    name="encoder-decoder",
    build=_build,
    work=_work,
    matrices=12,
    check=_check,
    chunk_work=_chunk_work,
)
