"""An MLP on the current token alone: the memoryless backbone (Emmons et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.rounding import Linear
from rlformer.agents.sequence.backbones.base import Backbone, Visit
from rlformer.agents.sequence.dropout import draw, drop
from rlformer.agents.sequence.rows import Rows, take
from rlformer.core.flops import Work, linear

if TYPE_CHECKING:
    from rlformer.agents.sequence.architecture import Architecture


class Mlp(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows; a row sees itself alone."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.layers = nn.ModuleList(Linear(width, width) for _ in range(layers))

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows."""
        asked = take(tokens, rows)  # (B, M, D)
        h = F.relu(asked).flatten(0, 1)  # the embedding was linear
        masks = draw([h.shape] * len(self.layers), self.dropout if self.training else 0.0, h.device)
        for layer, mask in zip(self.layers, masks, strict=True):
            h = drop(F.relu_(layer(h)), mask)
        return h.view_as(asked)

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        """See `backbones.base.Walked`."""
        h = F.relu(tokens)
        for number, layer in enumerate(self.layers):
            h = visit(number, 0, F.relu(layer(h.flatten(0, 1))).view_as(h))
        return h


def _work(a: Architecture, tokens: int, asked: int) -> Work:
    return linear(a.width, a.width) * (a.layers * asked)


MLP = Backbone(
    name="mlp",
    build=lambda a: Mlp(a.width, a.layers, a.dropout),
    work=_work,
    matrices=1,
    history=False,
)
