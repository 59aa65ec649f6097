"""An observation squeezed through few numbers, of which a policy reads those alone: the half of an autoencoder.

The other half, which makes the observation of them again, is there while the autoencoder is trained (see
`objectives.autoencoder`).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.rounding import Linear
from rlformer.agents.sequence.encoders.vector import flat
from rlformer.core.flops import Work, linear, mlp


class Latent(nn.Module):
    """(B, K, *obs), whose mean and standard deviation in the log are (*obs,) -> (B, K, D)."""

    def __init__(self, size: int, latent: int, width: int, frozen: bool) -> None:
        super().__init__()
        self.frozen = frozen
        self.expand, self.squeeze = Linear(size, width), Linear(width, latent)
        self.read = Linear(latent, width)

    def forward(self, numbers: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """See `encoders.base.Encoder`. Frozen, no gradient goes into what made the latent."""
        code = self.encode(flat(numbers, mean, std))
        read: Tensor = self.read(code.detach() if self.frozen else code)
        return read

    def encode(self, standardised: Tensor) -> Tensor:
        """(B, K, numbers) -> the latent (B, K, L)."""
        code: Tensor = self.squeeze(F.relu(self.expand(standardised)))
        return code

    @property
    def fixed(self) -> list[nn.Parameter]:
        """What imitation must not change."""
        return [*self.expand.parameters(), *self.squeeze.parameters()] if self.frozen else []


def work(size: int, latent: int, width: int, frozen: bool) -> Work:
    """Operations of one observation."""
    made = mlp([size, width, latent])
    return (Work(made.forward) if frozen else made) + linear(latent, width, input_gradient=not frozen)
