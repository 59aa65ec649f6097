"""The causal transformer as a backbone: how it is built, what it needs and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlformer.agents.sequence.backbones.base import Backbone
from rlformer.agents.sequence.backbones.transformer.network import Block, Transformer
from rlformer.agents.sequence.backbones.transformer.sliding import SlidingWindows
from rlformer.core.errors import InputError
from rlformer.core.flops import Work, attention, linear

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture

__all__ = ["TRANSFORMER", "Block", "Transformer"]


def _build(a: Architecture) -> Transformer:
    return Transformer(a.width, a.layers, a.heads, a.dropout, a.activation, a.norm, a.residual, a.attention_band)


def _check(a: Architecture) -> None:
    if a.width % a.heads:
        raise InputError(f"heads: {a.heads} do not divide the width {a.width}")


def _work(a: Architecture, tokens: int, asked: int) -> Work:
    """The last layer is computed at the asked rows alone. A band saves nothing where windows are read whole."""
    return _layer(tokens, tokens, a.width) * (a.layers - 1) + _layer(tokens, asked, a.width)


def _step_work(a: Architecture) -> Work:
    return _layer(1, 1, a.width, a.attention_band) * a.layers


def _reach(a: Architecture) -> int | None:
    return a.layers * (a.attention_band - 1) + 1 if a.attention_band else None


def _layer(tokens: int, asked: int, width: int, seen: int = 0) -> Work:
    """Queries and what follows at the asked rows, keys and values at every token.

    seen: tokens that each row attends to, where that is not all of them.
    """
    projections = linear(width, width) * (2 * asked) + linear(width, 2 * width) * tokens
    inner = (linear(width, 4 * width) + linear(4 * width, width)) * asked
    return projections + attention(asked, seen or tokens, width) + inner


TRANSFORMER = Backbone(
    name="transformer",
    build=_build,
    work=_work,
    matrices=12,
    check=_check,
    attends=True,
    banded=True,
    endless=lambda a: a.attention_band > 0,
    step_work=_step_work,
    reach=_reach,
    sliding=SlidingWindows,
    both_ways_work=lambda a, tokens: _layer(tokens, tokens, a.width) * a.layers,
)
