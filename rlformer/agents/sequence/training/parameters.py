"""A model's parameters as one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlatParameters:
    """All parameters in one vector and their gradients in another; the model's own become views of them.

    Small models spend a tenth of a step on clearing, measuring and stepping dozens of small tensors; these are one.
    Matrices come first, since weight decay is theirs alone: biases and gains are not decayed.
    """

    def __init__(self, model: nn.Module) -> None:
        own = sorted(model.parameters(), key=lambda parameter: parameter.ndim < 2)  # stable: in the model's order
        self.values = torch.cat([parameter.detach().reshape(-1) for parameter in own])  # (n,)
        self.gradients = torch.zeros_like(self.values)  # (n,)
        sizes = [parameter.numel() for parameter in own]
        parts = zip(own, self.values.split(sizes), self.gradients.split(sizes), strict=True)
        for parameter, value, gradient in parts:
            parameter.data, parameter.grad = value.view_as(parameter), gradient.view_as(parameter)
        self._matrices = sum(parameter.numel() for parameter in own if parameter.ndim >= 2)

    def groups(self, weight_decay: float) -> list[dict[str, object]]:
        """What an optimiser takes: the matrices with `weight_decay`, and the rest without."""
        groups: list[dict[str, object]] = []
        for part, decay in ((slice(self._matrices), weight_decay), (slice(self._matrices, None), 0.0)):
            parameter = nn.Parameter(self.values[part])
            parameter.grad = self.gradients[part]
            groups.append({"params": [parameter], "weight_decay": decay})
        return groups

    def clip_gradients(self, most: float) -> Tensor:
        """Scale the gradients down to a norm of `most`; returns the norm they had, (), without waiting for it."""
        norm = torch.linalg.vector_norm(self.gradients)
        self.gradients.mul_((most / norm).clamp(max=1.0))
        return norm
