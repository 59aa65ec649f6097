"""A perceptron on the current token alone: the memoryless backbone (Emmons et al. 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from rlformer.models.rows import Rows, take


class Mlp(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows; a row sees itself alone."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        stack: list[nn.Module] = [nn.ReLU()]  # the embedding was linear
        for _ in range(layers):
            stack += [nn.Linear(width, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.stack = nn.Sequential(*stack)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """tokens: (B, T, D) -> (B, M, D) at the asked rows."""
        return self.stack(take(tokens, rows))
