"""The backbones by name. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from rlformer.models.lstm import Lstm
from rlformer.models.mlp import Mlp
from rlformer.models.transformer import Transformer


@dataclass(frozen=True)
class Backbone:
    """How to build one, and what it reads."""

    build: Callable[[Any], nn.Module]  # from a models.trajectory.Architecture
    tokens: str  # "separate": return, observation and action are tokens of their own; "step": one token a step
    history: bool = True  # whether it reads earlier steps at all


BACKBONES: dict[str, Backbone] = {
    "transformer": Backbone(lambda a: Transformer(a.width, a.layers, a.heads, a.dropout, a.activation), "separate"),
    "lstm": Backbone(lambda a: Lstm(a.width, a.layers, a.dropout), "step"),
    "mlp": Backbone(lambda a: Mlp(a.width, a.layers, a.dropout), "step", history=False),
}
