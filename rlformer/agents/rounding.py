"""Rows that are rounded alike, however many are computed side by side.

Which kernel makes a matrix product, and so the order in which it adds, depends on the processor, on the library and on
the number of rows. The same row beside others may then differ in its last bit, and an episode goes another way: the
return of a policy would depend on the number of environments. Here a work on rows is first tried on copies of a row,
once for each shape. Where every copy comes out as in a block of reference, all rows are given at once. Elsewhere they
are given in blocks of that size, or one by one where a block does not treat its own rows alike.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import local

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Work = Callable[..., Tensor]

# Rows of a block for each thread, the preferred size first. On x86 kernels have 4, 6, 8, 12, 16, 24 or 48 rows.
_BLOCKS = (16, 24, 48)
_NUMBERS = 128  # that are compared at least: of two orders of adding, one number alone rarely shows a difference


class _State(local):
    on = False  # whether rows are rounded alike
    plain = True  # whether all that was asked for since then could be done as without


_state = _State()
_sizes: dict[Hashable, int] = {}  # what `together` found


class Alike:
    """Asks `linear` and `rowwise` to round rows alike, and remembers for how many rows they do so anyway."""

    def __init__(self) -> None:
        self._plain: set[tuple[int, int]] = set()

    @contextmanager
    def __call__(self, count: int) -> Iterator[None]:
        """Around a work whose shapes follow from `count` and the number of threads."""
        known = (count, torch.get_num_threads())
        if known in self._plain:
            yield
            return
        _state.on = _state.plain = True
        try:
            yield
        finally:
            _state.on = False
        if _state.plain:
            self._plain.add(known)


def rows() -> int:
    """How many rows are best given at least: fewer take other kernels on most processors, and are filled up."""
    return _BLOCKS[0] * torch.get_num_threads()


def rowwise(key: Hashable, work: Work, *inputs: Tensor, trial: Callable[[], Work] | None = None) -> Tensor:
    """work(*inputs), whose row i depends on row i of every input alone; all are (M, ...).

    key: what the kernels depend on beside the shapes. trial: makes the same work with random weights, if it has any;
    weights that are zero would show no difference.
    """
    if not _state.on:
        return work(*inputs)
    count, size = len(inputs[0]), together(key, trial or (lambda: work), *(x.shape for x in inputs))
    return work(*inputs) if size == count else _in_blocks(work, size, *inputs)


def together(key: Hashable, trial: Callable[[], Work], *shapes: torch.Size) -> int:
    """How many rows to give at once, for inputs of these shapes (M, ...): M, or the size of a block to fill."""
    known = (key, torch.get_num_threads(), *shapes)
    if known not in _sizes:
        before, _state.on = _state.on, False
        try:
            with torch.inference_mode():
                _sizes[known] = _size(trial(), shapes)
        finally:
            _state.on = before
    return _sizes[known]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """F.linear: x (..., K), weight (N, K), bias (N,) -> (..., N)."""
    return product(x, weight, bias) if _state.on else F.linear(x, weight, bias)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`linear`, of which one column is made with two: alone it is another kernel, even where nothing is asked for."""
    if not _state.on:
        return _product(x, weight, bias)
    count, (outputs, inputs) = x.shape[:-1].numel(), weight.shape
    size = _together(count, inputs, outputs)
    if size == count and x.is_contiguous():  # without, other kernels are taken
        return _product(x, weight, bias)
    work = partial(_product, weight=weight, bias=bias)
    return _in_blocks(work, size, x.reshape(count, inputs)).view(*x.shape[:-1], outputs)


class Linear(nn.Linear):
    """nn.Linear, whose rows are rounded alike where that is asked for."""

    def forward(self, input: Tensor) -> Tensor:  # the name is nn.Linear's
        """(..., K) -> (..., N)."""
        return linear(input, self.weight, self.bias)


def chain(network: nn.Module, x: Tensor) -> Tensor:
    """network(x) for layers that each work on rows (M, K), such as those of stable-baselines3."""
    if isinstance(network, nn.Sequential):
        for layer in network:
            x = chain(layer, x)
        return x
    if type(network) is nn.Linear:
        return linear(x, network.weight, network.bias)
    return rowwise(repr(network), network, x, trial=lambda: random_copy(network))


def whole(count: int, *weights: Tensor) -> int:
    """How many rows memory wants for `count` rows that are multiplied with each of these weights (N, K).

    `count` where all of them can be given at once, else so many that blocks are filled there once, and not at every
    product.
    """
    sizes = [_together(count, inputs, outputs) for outputs, inputs in (weight.shape for weight in weights)]
    block = max((size for size in sizes if size != count), default=1)
    return math.ceil(count / block) * block


class Product:
    """x @ weight.T + bias into memory, `target` (M, N), where it stays: for x (M, K), weight (N, K), bias (N,)."""

    def __init__(self, weight: Tensor, bias: Tensor, target: Tensor) -> None:
        outputs, inputs = weight.shape
        self._weight, self._bias, self._target = weight.t(), bias, target
        size = _together(len(target), inputs, outputs)
        self._size = size if size != len(target) else None  # None: all rows at once

    def put(self, x: Tensor, onto: Tensor | None = None) -> None:
        """`onto`, (M, N), which may be the target itself, is added."""
        if onto is None and self._size is None:
            torch.addmm(self._bias, x, self._weight, out=self._target)
            return
        target = self._target.copy_(self._bias) if onto is None else torch.add(onto, self._bias, out=self._target)
        if self._size is None:
            target.addmm_(x, self._weight)
            return
        for part, rows in zip(target.split(self._size), x.split(self._size), strict=True):
            if len(rows) == self._size:
                part.addmm_(rows, self._weight)
            else:
                filled = _filled(part, self._size).addmm_(_filled(rows, self._size), self._weight)
                part.copy_(filled[: len(part)])


def random_copy(module: nn.Module) -> nn.Module:
    """The same module with random weights, for a trial."""
    copied, generator = copy.deepcopy(module), torch.Generator().manual_seed(1)
    for parameter in copied.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / math.sqrt(parameter.shape[-1])
    return copied


def _in_blocks(work: Work, size: int, *inputs: Tensor) -> Tensor:
    """work(*inputs), given `size` rows at a time."""
    _state.plain = False
    parts = zip(*(x.split(size) for x in inputs), strict=True)
    return torch.cat([work(*(_filled(x, size) for x in part)) for part in parts])[: len(inputs[0])]


def _together(count: int, inputs: int, outputs: int) -> int:
    """`together` of a product of (M, K) and (K, N), with a bias or without."""
    trial = partial(_random_product, inputs, outputs)
    return together(("product", outputs), trial, torch.Size((count, inputs)))


def _random_product(inputs: int, outputs: int) -> Work:
    generator = torch.Generator().manual_seed(1)
    weight, bias = (torch.randn(shape, generator=generator) for shape in ((outputs, inputs), (outputs,)))
    return partial(_product, weight=weight, bias=bias)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if len(weight) > 1:
        return F.linear(x, weight, bias)
    _state.plain = False
    return F.linear(x, weight.expand(2, -1), None if bias is None else bias.expand(2))[..., :1]


def _filled(x: Tensor, size: int) -> Tensor:
    """(M, ...) -> (size, ...), with zeros behind."""
    if len(x) == size:
        return x
    filled = x.new_zeros(size, *x.shape[1:])
    filled[: len(x)] = x
    return filled


def _size(work: Work, shapes: tuple[torch.Size, ...]) -> int:
    """The fewest rows, M if that will do, whose results are those of the first block that treats its rows alike."""
    count, generator = shapes[0][0], torch.Generator().manual_seed(0)
    first = [torch.randn(1, *shape[1:], generator=generator) for shape in shapes]
    examples = [first]
    for i in range(1, _NUMBERS // max(1, work(*first).numel())):
        example = [torch.randn(x.shape, generator=generator) for x in first]
        if i % 2:  # terms of unlike sizes: of few terms, alike in size, the order shows more seldom
            example = [x * 2 ** (12 * torch.rand(x.shape, generator=generator) - 6) for x in example]
        examples.append(example)

    def result(example: list[Tensor], size: int) -> Tensor:
        return work(*(x.expand(size, *x.shape[1:]).clone() for x in example))

    threads = torch.get_num_threads()
    for block in (*(n * threads for n in _BLOCKS), 1):
        found = [result(example, block) for example in examples]
        if all(bool((rows == rows[:1]).all()) for rows in found):
            break
    expected = [rows[:1] for rows in found]
    powers = (2**n for n in range(block.bit_length()) if count < 2**n < block)
    for size in (count, *powers):
        if all(bool((result(example, size) == row).all()) for example, row in zip(examples, expected, strict=True)):
            return size
    return block
