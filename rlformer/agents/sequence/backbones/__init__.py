"""The backbones by name. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from rlformer.agents.sequence.backbones.lstm import Lstm
from rlformer.agents.sequence.backbones.mlp import Mlp
from rlformer.agents.sequence.backbones.transformer import Transformer


@dataclass(frozen=True)
class Backbone:
    """How to build one, and how it reads.

    build takes a `models.trajectory.Architecture` and returns a module of (tokens (B, T, D), rows) -> (B, M, D), in
    which a row depends on the tokens at and before it alone.
    """

    build: Callable[[Any], nn.Module]
    history: bool = True  # whether it reads earlier tokens at all
    recurrent: bool = False  # whether it goes through them one by one


BACKBONES: dict[str, Backbone] = {
    "transformer": Backbone(
        lambda a: Transformer(a.width, a.layers, a.heads, a.dropout, a.activation, a.norm, a.residual, a.attention_band)
    ),
    "lstm": Backbone(lambda a: Lstm(a.width, a.layers, a.dropout, a.norm), recurrent=True),
    "mlp": Backbone(lambda a: Mlp(a.width, a.layers, a.dropout), history=False),
}
