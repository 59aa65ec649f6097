"""A transformer over windows that slide by a step at a time: the same pass, for less than its price."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from rlformer.models.transformer import Attention, Block, Transformer

_ABSENT = 1 << 62  # number of a token that did not come yet: later than any


class SlidingWindows:
    """The last `length` tokens of each of P sequences, which a transformer without a band reads as they come.

    Token number t of a sequence lies in place t % length, and stays there: attention goes by the numbers. What the
    first layer projects a token to depends on that token alone: it is computed once and kept, an eighth of the work.
    All else depends on where the window begins, and is computed anew, in memory that is taken once. Both are exact.
    """

    def __init__(self, transformer: Transformer, length: int) -> None:
        self._transformer, self._length = transformer, length
        self._blocks = list(cast(Iterable[Block], transformer.blocks))
        width = transformer.width
        self._hidden, self._projected = torch.zeros(0, length, width), torch.zeros(0, length, 3 * width)  # (P, T, *)
        self._room = _Room.of(0, 0, length, transformer)

    def put(self, tokens: Tensor, numbers: Tensor) -> None:
        """The next n tokens of each of the first P sequences, (P, n, D), and their numbers (P, n)."""
        missing = len(tokens) - len(self._hidden)
        if missing > 0:
            kept = (self._hidden, self._projected)
            self._hidden, self._projected = (torch.cat([old, old.new_zeros(missing, *old.shape[1:])]) for old in kept)
        first = self._blocks[0]
        hidden = self._transformer.embedding_norm(tokens)
        places = (torch.arange(len(tokens))[:, None], numbers % self._length)
        self._hidden[places] = hidden
        self._projected[places] = first.attention.qkv(first.attention_norm(hidden))

    def read(self, newest: Tensor, rows: int) -> Tensor:
        """The transformer's output at the newest token of each of the first P sequences; `newest` (P,) are its numbers.

        (R, D), where R is P or `rows` if that is more. Behind P nothing is meant: products of fewer rows take other
        kernels, which round otherwise.
        """
        size, width = len(newest), self._transformer.width
        if size > self._room.size or rows > self._room.rows:
            self._room = _Room.of(size, rows, self._length, self._transformer)
        room, added = self._room, self._added(newest)  # (P*nh, T, T)
        h = self._hidden[:size].flatten(0, 1)  # (P*T, D)
        products = self._projected[:size]  # (P, T, 3 D)
        for block, following in zip(self._blocks, self._blocks[1:], strict=False):
            h = room.layer(block, h, room.attend(block.attention, products[..., :width], products, added))
            left_out = width if following is self._blocks[-1] else 0  # the last layer's queries: of one row each
            weight, bias = following.attention.qkv.weight[left_out:], following.attention.qkv.bias[left_out:]
            out = room.products[: len(h) * len(weight)].view(len(h), len(weight))
            torch.addmm(bias, following.attention_norm(h), weight.t(), out=out)
            products = out.unflatten(0, (size, -1))  # (P, T, 3 D or 2 D)
        return self._read_last(h, products, newest, added, max(rows, size))

    def _read_last(self, h: Tensor, products: Tensor, newest: Tensor, added: Tensor, rows: int) -> Tensor:
        block, room, size, width = self._blocks[-1], self._room, len(newest), self._transformer.width
        attention, every, places = block.attention, torch.arange(size), newest % self._length
        h = _filled(h.unflatten(0, (size, -1))[every, places], rows)  # (R, D)
        weight, bias = attention.qkv.weight[:width], attention.qkv.bias[:width]
        query = F.linear(block.attention_norm(h), weight, bias)[:size, None]  # (P, 1, D)
        of_row = added.unflatten(0, (size, -1))[every, :, places].flatten(0, 1)[:, None]  # (P*nh, 1, T)
        mixed = _filled(room.attend(attention, query, products, of_row), rows)
        return self._transformer.norm(room.layer(block, h, mixed))

    def _added(self, newest: Tensor) -> Tensor:
        """What is added to the scores: minus infinity where a row's token is before a column's, (P*nh, T, T)."""
        places = torch.arange(self._length)
        numbers = newest[:, None] - (newest[:, None] - places) % self._length  # (P, T)
        numbers = numbers.masked_fill_(numbers < 0, _ABSENT)
        future = numbers[:, None] > numbers[..., None]
        heads = self._transformer.heads
        added = self._room.added[: len(newest) * heads].zero_()
        added.unflatten(0, (-1, heads)).masked_fill_(future[:, None], -torch.inf)
        return added


@dataclass(frozen=True)
class _Room:
    """To work in, for P sequences of T tokens and for R rows of the last layer."""

    size: int  # P
    rows: int  # R
    products: Tensor  # (P*T*3 D,): queries, keys and values
    stream: Tensor  # (P*T or R, D): the rows between two layers
    inner: Tensor  # (P*T or R, 4 D)
    mixed: Tensor  # (P*T*D,)
    added: Tensor  # (P*nh, T, T), as the next two
    scores: Tensor
    weights: Tensor

    @classmethod
    def of(cls, size: int, rows: int, length: int, transformer: Transformer) -> _Room:
        width, heads, most = transformer.width, transformer.heads, max(rows, size * length)
        squares = (torch.empty(size * heads, length, length) for _ in range(3))
        stream, inner = torch.empty(most, width), torch.empty(most, 4 * width)
        flat = (torch.empty(size * length * 3 * width), stream, inner, torch.empty(size * length * width))
        return cls(size, rows, *flat, *squares)

    def attend(self, attention: Attention, query: Tensor, products: Tensor, added: Tensor) -> Tensor:
        """query (P, M, D), products (P, T, *) that end in keys and values, added (P*nh, M, T) -> (P*M, D)."""
        _, key, value = products.split([products.shape[2] - 2 * query.shape[2], *2 * [query.shape[2]]], dim=2)
        query, key, value = map(attention.split, (query, key, value))
        scores, weights = (room.view(-1)[: added.numel()].view_as(added) for room in (self.scores, self.weights))
        torch.baddbmm(added, query, key.transpose(1, 2), alpha=1 / math.sqrt(key.shape[2]), out=scores)
        torch.softmax(scores, 2, out=weights)
        mixed = torch.bmm(weights, value, out=self.mixed[: query.numel()].view(query.shape))
        return attention.join(mixed).flatten(0, 1)

    def layer(self, block: Block, h: Tensor, mixed: Tensor) -> Tensor:
        """The rest of a layer at rows h, (R, D), and what its heads gathered there -> (R, D), in place of the last."""
        stream, inner = self.stream[: len(h)], self.inner[: len(h)]
        project, expand, contract = block.attention.project, block.expand, block.contract
        if block.residual:  # products are added to what is there
            torch.add(h, project.bias, out=stream).addmm_(mixed, project.weight.t())
        else:
            torch.addmm(project.bias, mixed, project.weight.t(), out=stream)
        torch.addmm(expand.bias, block.inner_norm(stream), expand.weight.t(), out=inner)
        inner = block.activation(inner)
        if block.residual:
            return stream.add_(contract.bias).addmm_(inner, contract.weight.t())
        return torch.addmm(contract.bias, inner, contract.weight.t(), out=stream)


def _filled(x: Tensor, rows: int) -> Tensor:
    """(R, D) -> (rows, D) with zeros behind."""
    return F.pad(x, (0, 0, 0, rows - len(x))) if rows > len(x) else x
