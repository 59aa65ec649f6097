"""An LSTM over the steps of a window (Siebenborn et al. 2022: how crucial is the transformer?)."""

from __future__ import annotations

from torch import Tensor, nn

from rlformer.models.transformer import take_rows


class Lstm(nn.Module):
    """(B, K, D) step embeddings -> (B, M, D) at the asked rows; the state begins at zero with each window."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, steps: Tensor, rows: Tensor) -> Tensor:
        """steps: (B, K, D). rows: (M,) or (B, M) -> (B, M, D). A row sees the steps at and before it."""
        h, _ = self.lstm(self.norm(steps))
        return take_rows(h, rows)
