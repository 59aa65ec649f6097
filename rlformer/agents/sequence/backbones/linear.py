"""No layer at all: what is predicted is a linear function of the token, and of all that is embedded linearly in it.

The control of fully connected layers: what an MLP knows beyond it, it knows by its nonlinearities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from rlformer.agents.sequence.backbones.base import Backbone, Visit
from rlformer.agents.sequence.dropout import draw, drop
from rlformer.agents.sequence.rows import Rows, take
from rlformer.core.errors import InputError
from rlformer.core.flops import Work

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


class Direct(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D): those at the asked rows, as they are."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows."""
        asked = take(tokens, rows)
        (mask,) = draw([asked.shape], self.dropout if self.training else 0.0, asked.device)
        return drop(asked, mask)

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`. The one layer passes on what it read."""
        return visit(0, 0, tokens)


def _check(a: Architecture) -> None:
    if a.layers != 1:
        raise InputError(f"layers: the linear has none of its own, so that it must be 1, got {a.layers}")


LINEAR = Backbone(
    name="linear",
    build=lambda a: Direct(a.dropout),
    work=lambda a, tokens, asked: Work(),
    matrices=0,
    check=_check,
    history=False,
)
