"""Floating-point operations, counted from shapes.

Counted are matrix products, a multiply-add being 2 operations: linear layers, convolutions, gates of an LSTM or a GRU,
attention scores and mixtures, filters over time, as they are computed (a causal mask saves nothing). A backward pass
costs one product for the weights' gradients and one for the inputs', where these are needed. Left out, because they are
a few operations a number where a product has hundreds: biases, activations, normalisation, softmax, dropout,
embeddings' lookups, losses, optimisers, averages for target networks. Left out too: environments, and everything that
evaluates, in the environment or on held-out windows. torch's own counter sees none of an LSTM, a GRU and fused
attention on the CPU, which would flatter whoever uses them: hence formulas, which the tests hold against it where it
does see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

GATES, GRU_GATES = 4, 3  # of an LSTM's cell, and of a GRU


@dataclass(frozen=True)
class Work:
    """Operations of a forward pass, and of the backward pass that may follow it."""

    forward: float = 0.0
    backward: float = 0.0

    @property
    def training(self) -> float:
        """Of both passes."""
        return self.forward + self.backward

    def __add__(self, other: Work) -> Work:
        return Work(self.forward + other.forward, self.backward + other.backward)

    def __mul__(self, times: float) -> Work:
        return Work(self.forward * times, self.backward * times)


def product(rows: float, inner: float, columns: float) -> float:
    """Operations of (rows, inner) @ (inner, columns): a multiply-add is 2."""
    return 2.0 * rows * inner * columns


def linear(inputs: int, outputs: int, input_gradient: bool = True) -> Work:
    """A linear layer on one row.

    Its backward pass forms the weights' gradient, and the inputs' unless they are data (no `input_gradient`).
    """
    once = product(1, inputs, outputs)
    return Work(once, once * (1 + input_gradient))


def mlp(sizes: Sequence[int], input_gradient: bool = False) -> Work:
    """Linear layers of these sizes, from the input's to the output's, on one row.

    >>> mlp([4, 64, 2])
    Work(forward=768.0, backward=1024.0)
    """
    layers = [linear(a, b, input_gradient or i > 0) for i, (a, b) in enumerate(pairwise(sizes))]
    return sum(layers, Work())


def lstm(inputs: int, hidden: int, layers: int = 1, input_gradient: bool = True) -> Work:
    """One step of an LSTM on one row: four gates, each from the input and from the hidden state before.

    Hochreiter & Schmidhuber 1997, with forget gates (Gers et al. 2000). Backward, the hidden state always needs a
    gradient, since steps came before; the first layer's input only with `input_gradient`.
    """
    return _recurrent(GATES, inputs, hidden, layers, input_gradient)


def gru(inputs: int, hidden: int, layers: int = 1, input_gradient: bool = True) -> Work:
    """The same of a GRU: three gates (Cho et al. 2014, in the form in which each has two products, as torch has it)."""
    return _recurrent(GRU_GATES, inputs, hidden, layers, input_gradient)


def _recurrent(gates: int, inputs: int, hidden: int, layers: int, input_gradient: bool) -> Work:
    from_state = linear(hidden, gates * hidden)
    first = linear(inputs, gates * hidden, input_gradient)
    return first + from_state + (linear(hidden, gates * hidden) + from_state) * (layers - 1)


def convolution(inputs: int, outputs: int, kernel: int, places: int, input_gradient: bool = True) -> Work:
    """A convolution of one image: kernel x kernel filters over `inputs` channels, at so many places."""
    once = product(places, inputs * kernel * kernel, outputs)
    return Work(once, once * (1 + input_gradient))


def depthwise(width: int, window: int) -> Work:
    """A filter for each of `width` numbers over the last `window` rows, at one row; backward twice as much."""
    once = product(1, window, width)
    return Work(once, 2 * once)


def attention(queries: int, keys: int, width: int) -> Work:
    """Scores and mixtures of all heads of one sequence, `width` wide together, without their projections.

    (queries, width) @ (width, keys), then (queries, keys) @ (keys, width); backward, two products for each (Vaswani
    et al. 2017).
    """
    once = product(queries, width, keys) + product(queries, keys, width)
    return Work(once, 2 * once)
