"""A transformer over windows that slide by a step at a time: the same pass, for less than its price."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from rlformer.agents import rounding
from rlformer.agents.sequence.backbones.transformer.network import Block, Transformer


class SlidingWindows:
    """The last `length` tokens of each of P sequences, which a transformer without a band reads as they come.

    Token number t of a sequence lies in place t % length, and stays there: attention goes by the numbers. What the
    first layer projects a token to depends on that token alone: it is computed once and kept, an eighth of the work.
    All else depends on where the window begins, and is computed anew, in memory that is taken once. Both are exact.

    Tokens that change as the window slides are all put anew.
    """

    def __init__(self, transformer: Transformer, length: int) -> None:
        self._transformer, self._length = transformer, length
        self._first = next(iter(cast(Iterable[Block], transformer.blocks)))
        width = transformer.width
        self._hidden, self._projected = torch.zeros(0, width), torch.zeros(0, 3 * width)  # (P*T, *)
        self._plan: _Plan | None = None
        self._planned: tuple[int, ...] = ()  # what it was made for
        self._reserved: set[tuple[int, int]] = set()  # numbers of tokens, and threads, that there is room for
        self._unread = False  # whether whole windows were put that are not projected yet
        self._parameters = list(transformer.parameters())
        places = torch.arange(2 * length) % length
        unseen = torch.zeros(2 * length, 2 * length).masked_fill_(places > places[:, None], -torch.inf)
        # What is added to the scores, (T + 1, T, T): view i is for windows whose oldest token lies in place T - i.
        self._added = unseen.as_strided((length + 1, length, length), (2 * length + 1, 2 * length, 1))

    def put(self, tokens: Tensor, numbers: Tensor | None = None) -> None:
        """The next n tokens of each of the first P sequences, (P, n, D), and their numbers (P, n).

        Without numbers, whole windows: (P, T, D), counted from 0.
        """
        count = self._length * len(tokens)
        self._reserve(count)
        hidden = self._transformer.embedding_norm(tokens.flatten(0, 1))
        if numbers is None:
            self._hidden[:count], self._unread = hidden, True
            return
        projected = self._first.attention.qkv(self._first.attention_norm(hidden))
        places = (numbers % self._length).add_(self._length * torch.arange(len(tokens))[:, None]).flatten()
        self._hidden.index_copy_(0, places, hidden)
        self._projected.index_copy_(0, places, projected)

    def read(self, newest: Tensor, rows: int) -> Tensor:
        """The transformer's output at the newest token of each of the first P sequences; `newest` (P,) are its numbers.

        (R, D), where R is P or `rows` if that is more. Behind P nothing is meant (see `rounding.rows`).
        """
        size, length = len(newest), self._length
        rows = max(rows, size)
        self._reserve(size * length)  # fewer windows than were put may want more rows, to fill blocks
        threads = torch.get_num_threads()
        needed = (size, rows, threads, *(p.data_ptr() for p in self._parameters))  # weights may be put elsewhere
        if self._plan is None or self._planned != needed:
            self._plan = _Plan(self._transformer, self._hidden, self._projected, size, rows, length)
            self._planned = needed
        if self._unread:
            self._plan.project()
            self._unread = False
        # Before a window is full, places are in order of time; behind the newest token nothing is seen.
        oldest = ((newest + 1) % length).mul_(newest >= length)
        added = self._added[length - oldest] if size > 1 else self._added[length - int(oldest)][None]
        of_newest = self._added[length, newest.clamp(max=length - 1)]  # (P, T)
        return self._plan.run(newest % length, added[:, None], of_newest[:, None, None])

    def _reserve(self, count: int) -> None:
        """Room for so many tokens, and for what fills blocks up; what is there is kept."""
        reserved = (count, torch.get_num_threads())
        if reserved in self._reserved:
            return
        self._reserved.add(reserved)
        missing = _whole(self._transformer, count) - len(self._hidden)
        if missing > 0:
            kept = (self._hidden, self._projected)
            self._hidden, self._projected = (torch.cat([old, old.new_zeros(missing, old.shape[1])]) for old in kept)
            self._plan = None


def _whole(transformer: Transformer, count: int) -> int:
    """How many rows to keep for so many tokens: see `rounding.whole`."""
    block = next(iter(cast(Iterable[Block], transformer.blocks)))
    inside = (block.attention.qkv, block.attention.project, block.expand, block.contract)
    return rounding.whole(count, *(layer.weight for layer in inside))


class _Plan:
    """The pass over P windows of T tokens, with R rows in the last layer: its memory, and every view of it, made once.

    For one environment the views of a pass, made anew, took longer than its products.
    """

    def __init__(
        self, transformer: Transformer, hidden: Tensor, projected: Tensor, size: int, rows: int, length: int
    ) -> None:
        self._size, count = size, size * length
        rows_kept = _whole(transformer, count)
        width, heads, blocks = transformer.width, transformer.heads, list(cast(Iterable[Block], transformer.blocks))
        self._norm, self._start = transformer.norm, length * torch.arange(size)
        stream, inner = torch.zeros(rows_kept, width), torch.zeros(rows_kept, 4 * width)
        self._gathered = torch.zeros(rows_kept, width)  # what the heads mix
        self._by_head = self._gathered[:count].unflatten(0, (size, length)).unflatten(2, (heads, -1)).transpose(1, 2)
        self._hidden, source = hidden[:rows_kept], projected[:rows_kept]
        first = blocks[0].attention
        self._arrival = _Projection(blocks[0].attention_norm, first.qkv.weight, first.qkv.bias, source)
        self._layers = []
        for block, following in pairwise(blocks):
            left_out = width if following is blocks[-1] else 0  # the last layer's queries: of one row each
            qkv = following.attention.qkv
            target = torch.zeros(rows_kept, 3 * width - left_out)
            onward = _Projection(following.attention_norm, qkv.weight[left_out:], qkv.bias[left_out:], target)
            self._layers.append((_Layer(block, stream, inner), _heads(source[:count], size, heads, width), onward))
            source = target
        last = blocks[-1]
        weight, bias = last.attention.qkv.weight[:width], last.attention.qkv.bias[:width]
        query = torch.zeros(rows, width)
        self._last = _Layer(last, torch.empty(rows, width), torch.empty(rows, 4 * width))
        self._query = _Projection(last.attention_norm, weight, bias, query)
        *_, key, value = _heads(source[:count], size, heads, width)
        self._of_last = (*_heads(query[:size], size, heads, width), key, value)
        self._at_newest, self._mixed = torch.zeros(rows, width), torch.zeros(rows, width)

    def project(self) -> None:
        """All tokens, as the first layer reads them."""
        self._arrival.run(self._hidden)

    def run(self, places: Tensor, added: Tensor, of_newest: Tensor) -> Tensor:
        """places (P,) of the newest tokens; what is added to all scores (P, 1, T, T) and to theirs (P, 1, 1, T)."""
        h = self._hidden
        for layer, of_tokens, onward in self._layers:
            query, key, value = of_tokens
            self._by_head.copy_(_attend(query, key, value, added))
            h = layer.run(h, self._gathered)
            onward.run(h)
        torch.index_select(h, 0, places + self._start, out=self._at_newest[: self._size])
        self._query.run(self._at_newest)
        query, key, value = self._of_last
        self._mixed[: self._size] = _attend(query, key, value, of_newest).transpose(1, 2).flatten(1)
        return self._norm(self._last.run(self._at_newest, self._mixed))


class _Projection:
    """A norm and the product behind it, into memory of its own."""

    def __init__(self, norm: torch.nn.Module, weight: Tensor, bias: Tensor, target: Tensor) -> None:
        self._norm, self._product = norm, rounding.Product(weight, bias, target)

    def run(self, h: Tensor) -> None:
        """(R, D) -> its target, (R, *)."""
        self._product.put(self._norm(h))


class _Layer:
    """What follows attention in a block."""

    def __init__(self, block: Block, stream: Tensor, inner: Tensor) -> None:
        self._residual, self._activation = block.residual, block.activation
        self._stream, self._inner = stream, inner
        project, contract = block.attention.project, block.contract
        self._project = rounding.Product(project.weight, project.bias, stream)
        self._expand = _Projection(block.inner_norm, block.expand.weight, block.expand.bias, inner)
        self._contract = rounding.Product(contract.weight, contract.bias, stream)

    def run(self, h: Tensor, mixed: Tensor) -> Tensor:
        """Rows h, (R, D), and what the heads gathered there, (R, D) -> (R, D), in the place of the layer before."""
        add = self._residual  # to what is there
        self._project.put(mixed, h if add else None)
        self._expand.run(self._stream)
        inner = rounding.rowwise(self._activation, self._activation, self._inner)
        self._contract.put(inner, self._stream if add else None)
        return self._stream


def _heads(flat: Tensor, size: int, heads: int, width: int) -> tuple[Tensor, ...]:
    """(P*M, n D) -> n views (P, nh, M, hs)."""
    parts = flat.unflatten(0, (size, -1)).split(width, dim=2)
    return tuple(part.unflatten(2, (heads, -1)).transpose(1, 2) for part in parts)


def _attend(query: Tensor, key: Tensor, value: Tensor, added: Tensor) -> Tensor:
    """query (P, nh, M, hs), keys and values (P, nh, T, hs), added (P, 1, M, T) -> (P, nh, M, hs)."""
    return rounding.rowwise("attention", F.scaled_dot_product_attention, query, key, value, added)
