"""A perceptron on the current step alone: the memoryless backbone (Emmons et al. 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from rlformer.models.transformer import take_rows


class Mlp(nn.Module):
    """(B, K, D) step embeddings -> (B, M, D) at the asked rows; a row sees itself alone."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        stack: list[nn.Module] = [nn.ReLU()]  # the embedding was linear
        for _ in range(layers):
            stack += [nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)]
        self.stack = nn.Sequential(*stack)

    def forward(self, steps: Tensor, rows: Tensor) -> Tensor:
        """steps: (B, K, D). rows: (M,) or (B, M) -> (B, M, D)."""
        return self.stack(take_rows(steps, rows))  # type: ignore[no-any-return]
