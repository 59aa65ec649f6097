"""What a backbone is: the network between a window's tokens and its predictions.

Shapes: B windows of T tokens, D numbers wide; M rows of each are asked for (see `sequence.rows`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from torch import Tensor, nn

from rlformer.agents.sequence.rows import Rows
from rlformer.core.flops import Work

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


# Told a layer's number from 0, the number of a token from 0 and the layer's activations from that token on, (B, n, W);
# what it returns, of the same shape, goes on in their place.
Visit: TypeAlias = Callable[[int, int, Tensor], Tensor]


def _accept(architecture: Architecture) -> None:
    """Every architecture."""


def _nothing(architecture: Architecture) -> Work:
    """All work is of windows."""
    return Work()


def _never(architecture: Architecture) -> bool:
    """Where it goes on from what layers keep, that must lie in a window."""
    return False


def _whole(architecture: Architecture) -> None:
    """On all tokens of the window."""


@dataclass(frozen=True)
class Backbone:
    """A kind of backbone, and all that others need to know of it.

    `build` gives a module of (tokens (B, T, D), rows) -> (B, M, D) that is `Walked` too. Unless it is `bidirectional`,
    a row depends on the tokens at and before it alone; without `history`, on the token at it alone.
    """

    name: str  # as a card says it
    build: Callable[[Architecture], nn.Module]
    work: Callable[[Architecture, int, int], Work]  # operations of one window of T tokens at M asked rows
    matrices: int  # of a layer, of width times width: what its parameters are at least
    shared: Callable[[Architecture], Work] = _nothing  # beside `work`, once for all windows of a pass
    check: Callable[[Architecture], None] = _accept  # raises InputError where it cannot be built so
    history: bool = True  # whether it reads other tokens than the one at the asked row
    bidirectional: bool = False  # whether it reads later tokens too
    recurrent: bool = False  # whether it goes through the tokens one by one
    recorded: bool = True  # whether a CUDA graph can record it
    attends: bool = False  # whether what it builds is an `Attending`
    # Of one token where what it builds is a `Streaming`; None: it is none. It is where `reach` says a number.
    step_work: Callable[[Architecture], Work] | None = None
    banded: bool = False  # whether an `attention_band` can limit what its layers read
    endless: Callable[[Architecture], bool] = _never  # whether it acts over whole episodes, however long windows are
    reach: Callable[[Architecture], int | None] = _whole  # how many tokens, its own the last, a row depends on
    # As `work`, of a whole chunk of actions where what it builds is a `Chunking`; None: it is none.
    chunk_work: Callable[[Architecture, int, int], Work] | None = None
    # Of a window of T tokens where what it builds is a `BothWays`; None: it is none.
    both_ways_work: Callable[[Architecture, int], Work] | None = None
    # A reader of windows that slide, made of what it builds and of tokens a window; None: windows are read whole.
    sliding: Callable[[Any, int], Sliding] | None = None


class Walked(Protocol):
    """What every backbone is: a network whose activations can be read, and replaced, layer by layer."""

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """As `forward` at every row, without dropout: (B, T, D) -> (B, T, D).

        Each layer tells `visit` what it passes on of each token once: all that a later layer reads of it and, where it
        is recurrent, all that it keeps for the next token. It may tell all tokens at once, or one after the other.
        """


class Attending(Protocol):
    """A backbone that weighs tokens against each other."""

    def attention(self, tokens: Tensor) -> list[Tensor]:
        """The attention weights of every layer, (B, heads, T, T), without dropout."""


class Streaming(Protocol):
    """A backbone that can go on from what its layers keep of earlier tokens."""

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Of what `step` keeps of one sequence."""

    def step(self, tokens: Tensor, times: Tensor, memory: Tensor) -> Tensor:
        """The next token of each of N sequences, (N, D), and how many came before it, (N,) -> (N, D).

        As `forward` at that token of the whole sequence. memory: (N, *memory_shape), which it changes.
        """


class Chunking(Protocol):
    """A backbone that foresees several actions at once."""

    def chunk(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, k, D): what the next k actions are read from, the first as in `forward`."""


class BothWays(Protocol):
    """A backbone that reads the past alone, and on demand in both directions, with the same weights."""

    def both_ways(self, tokens: Tensor, absent: Tensor) -> Tensor:
        """Every row sees all tokens but the absent ones, (B, T) bool: (B, T, D) -> (B, T, D)."""


class Sliding(Protocol):
    """The last tokens of each of P sequences, read as they come: exactly what reading the whole window gives."""

    def put(self, tokens: Tensor, numbers: Tensor | None = None) -> None:
        """The next n tokens of each of the first P sequences, (P, n, D), and their numbers (P, n).

        Without numbers, whole windows: (P, T, D), counted from 0.
        """

    def read(self, newest: Tensor, rows: int) -> Tensor:
        """The output at the tokens `newest` (P,): (R, D), where R is P or `rows` if that is more."""
