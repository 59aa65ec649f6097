"""Actions as numbers a network reads and writes: one code for every action space."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from rlformer.types import ActionSpec, Array


class ActionCodec(nn.Module):
    """Encodes actions, scores them, and decodes predictions.

    Categories: one-hot vectors in, logits out, cross-entropy summed over the components. Reals: scaled to [-1, 1]
    by the bounds where they are finite, and by the log's mean and deviation elsewhere; squared error, as in the
    Decision Transformer; predictions of bounded dimensions pass through tanh.
    """

    center: Tensor
    scale: Tensor
    squashed: Tensor

    def __init__(self, spec: ActionSpec, mean: Array | None = None, std: Array | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.width = len(spec.low) if spec.kind == "box" else sum(spec.nvec)
        if spec.kind == "box":
            low, high = np.asarray(spec.low), np.asarray(spec.high)
            finite = np.isfinite(low) & np.isfinite(high)
            mean, std = (np.zeros(len(low)) if mean is None else mean), (np.ones(len(low)) if std is None else std)
            with np.errstate(invalid="ignore"):
                center, scale = np.where(finite, (low + high) / 2, mean), np.where(finite, (high - low) / 2, std)
            self.register_buffer("center", torch.tensor(center, dtype=torch.float32))
            self.register_buffer("scale", torch.tensor(np.maximum(scale, 1e-6), dtype=torch.float32))
            self.register_buffer("squashed", torch.tensor(finite))

    def encode(self, actions: Tensor) -> Tensor:
        """(..., *act) -> (..., width)."""
        if self.spec.kind == "box":
            return (actions - self.center) / self.scale
        if self.spec.kind == "discrete":
            return F.one_hot(actions, self.width).float()
        hot = [F.one_hot(actions[..., i], n) for i, n in enumerate(self.spec.nvec)]
        return torch.cat(hot, dim=-1).float()

    def loss(self, predictions: Tensor, actions: Tensor) -> Tensor:
        """predictions (..., width), actions (..., *act) -> the loss of each action (...)."""
        if self.spec.kind == "box":
            return (self._squash(predictions) - self.encode(actions)).square().mean(dim=-1)
        losses = [
            F.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none").view(target.shape)
            for logits, target in zip(self._split(predictions), self._components(actions), strict=True)
        ]
        return torch.stack(losses).sum(dim=0)

    def greedy(self, predictions: Tensor) -> Tensor:
        """(B, width) -> the likeliest actions (B, *act)."""
        if self.spec.kind == "box":
            return self._squash(predictions) * self.scale + self.center
        best = [logits.argmax(dim=-1) for logits in self._split(predictions)]
        return best[0] if self.spec.kind == "discrete" else torch.stack(best, dim=-1)

    def sample(self, predictions: Tensor, uniform: Tensor) -> Tensor:
        """(B, width) and uniform numbers (B, components) -> actions (B, *act) drawn by inversion.

        The head for reals is deterministic, so that a sampled action is the greedy one.
        """
        if self.spec.kind == "box":
            return self.greedy(predictions)
        drawn = []
        for i, logits in enumerate(self._split(predictions)):
            below = logits.softmax(dim=-1).cumsum(dim=-1) < uniform[:, i : i + 1]
            drawn.append(below.sum(dim=-1).clamp(max=logits.shape[-1] - 1))
        return drawn[0] if self.spec.kind == "discrete" else torch.stack(drawn, dim=-1)

    @property
    def components(self) -> int:
        """Uniform numbers that `sample` needs for one action."""
        return max(1, len(self.spec.nvec))

    def _squash(self, predictions: Tensor) -> Tensor:
        return torch.where(self.squashed, predictions.tanh(), predictions)

    def _split(self, predictions: Tensor) -> tuple[Tensor, ...]:
        return predictions.split(list(self.spec.nvec), dim=-1)

    def _components(self, actions: Tensor) -> tuple[Tensor, ...]:
        return (actions,) if self.spec.kind == "discrete" else actions.unbind(dim=-1)
