"""Actions as numbers a network reads and writes: one code for every action space."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.core.spaces import ActionSpec, Array

_LOG_STD = (-5.0, 2.0)  # of a Gaussian head, in units of the scaled action
_UNIFORM = (2.0**-24, 1 - 2.0**-24)  # inverted, the ends would be infinite


class ActionCodec(nn.Module):
    """Encodes actions, scores predictions, and decodes them.

    Categories: one-hot vectors in, logits out, cross-entropy summed over the C components. Reals: scaled to
    [-1, 1] by the bounds where they are finite, by the log's range where they lie far beyond it (`ActionSpec.within`),
    and by the log's mean and standard deviation where there are none; squared error, as in the Decision Transformer;
    predictions of bounded dimensions pass through tanh. With `head` "gaussian" reals
    get a standard deviation too, and the loss is the negative log-likelihood of a normal around that same mean, mean
    over dimensions (as in the Online Decision Transformer, Zheng et al. 2022, whose normal is squashed after it is
    drawn; here what is drawn beyond a bound is clipped).
    """

    center: Tensor  # reals: (A,) of what is subtracted, divided by, and bounded
    scale: Tensor
    bounded: Tensor
    component: Tensor  # categories: (width,) of the component and the level that each logit is for
    level: Tensor
    top_level: Tensor  # (C,)
    logit: Tensor  # (C, levels) of where each logit stands; `width` where the component has no such level

    def __init__(
        self,
        spec: ActionSpec,
        mean: Array | None = None,
        std: Array | None = None,
        head: str = "deterministic",
        log_range: tuple[Array, Array] | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self._gaussian = spec.kind == "box" and head == "gaussian"
        if spec.kind == "box":
            self._init_reals(spec if log_range is None else spec.within(*log_range), mean, std)
        else:
            self._init_categories()

    def _init_reals(self, scaled: ActionSpec, mean: Array | None, std: Array | None) -> None:
        low, high = np.asarray(scaled.low), np.asarray(scaled.high)
        self.width = len(low)
        self.outputs, self.components = (2 * self.width, self.width) if self._gaussian else (self.width, 1)
        finite = np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):
            center = np.where(finite, (low + high) / 2, 0.0 if mean is None else mean)
            scale = np.where(finite, (high - low) / 2, 1.0 if std is None else std)
        self.register_buffer("center", torch.tensor(center, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(np.maximum(scale, 1e-6), dtype=torch.float32))
        self.register_buffer("bounded", torch.tensor(finite))

    def _init_categories(self) -> None:
        counts = np.asarray(self.spec.nvec)
        self.width = self.outputs = int(counts.sum())  # numbers of an encoded action, of a prediction
        self.components = len(counts)  # uniform numbers that a sample needs
        first, levels = (np.cumsum(counts) - counts)[:, None], np.arange(counts.max())
        tables = {
            "component": np.repeat(np.arange(len(counts)), counts),
            "level": np.concatenate([np.arange(n) for n in counts]),
            "top_level": counts - 1,
            "logit": np.where(levels < counts[:, None], first + levels, self.width),
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.tensor(table), persistent=False)
        self._ragged = len(set(self.spec.nvec)) > 1

    def encode(self, actions: Tensor) -> Tensor:
        """(..., *act) -> (..., width). Categories that are reals already are encoded: they pass as they are."""
        if self.spec.kind == "box":
            return (actions - self.center) / self.scale
        if actions.is_floating_point():
            return actions
        if self.spec.kind == "discrete":
            return (actions[..., None] == self.level).float()
        return (actions[..., self.component] == self.level).float()

    def loss(self, predictions: Tensor, actions: Tensor) -> Tensor:
        """predictions (..., outputs), actions (..., *act) -> the loss of each action (...)."""
        if self._gaussian:
            mean, log_std = self._normal(predictions)
            deviations = (self.encode(actions) - mean) * (-log_std).exp()
            return (0.5 * deviations.square() + log_std + 0.5 * math.log(2 * math.pi)).mean(dim=-1)
        if self.spec.kind == "box":
            return (self._squash(predictions) - self.encode(actions)).square().mean(dim=-1)
        logits = self.levels(predictions)  # (..., C, levels)
        target = actions[..., None] if self.spec.kind == "discrete" else actions  # (..., C)
        losses = F.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
        return losses.view(target.shape).sum(dim=-1)

    def greedy(self, predictions: Tensor) -> Tensor:
        """(..., outputs) -> the greedy actions (..., *act)."""
        if self.spec.kind == "box":
            return self._squash(predictions[..., : self.width]) * self.scale + self.center
        return self._action(self.levels(predictions).argmax(dim=-1))

    def sample(self, predictions: Tensor, uniform: Tensor) -> Tensor:
        """(..., outputs) and numbers uniform in [0, 1), (..., components) -> actions (..., *act), by inversion.

        Of the deterministic head for reals a sampled action is the greedy one.
        """
        if self._gaussian:
            return self.drawn(predictions, torch.special.ndtri(uniform.clamp(*_UNIFORM)))
        if self.spec.kind == "box":
            return self.greedy(predictions)
        below = self.levels(predictions).softmax(dim=-1).cumsum(dim=-1) <= uniform[..., None]
        drawn = below.sum(dim=-1)  # the sum may end just under 1, and a number lie between
        return self._action(torch.minimum(drawn, self.top_level))

    def drawn(self, predictions: Tensor, normal: Tensor) -> Tensor:
        """As `sample`, of the head "gaussian", by standard normal numbers (..., components)."""
        mean, log_std = self._normal(predictions)
        drawn = mean + log_std.exp() * normal
        return torch.where(self.bounded, drawn.clamp(-1, 1), drawn) * self.scale + self.center

    def _normal(self, predictions: Tensor) -> tuple[Tensor, Tensor]:
        """(..., outputs) -> mean and log of the standard deviation, each (..., width), of the scaled action."""
        mean, log_std = predictions.split(self.width, dim=-1)
        return self._squash(mean), log_std.clamp(*_LOG_STD)

    def _squash(self, predictions: Tensor) -> Tensor:
        return torch.where(self.bounded, predictions.tanh(), predictions)

    def levels(self, predictions: Tensor) -> Tensor:
        """(..., width) -> (..., C, levels), minus infinity where a component has fewer levels than another."""
        if self._ragged:
            return F.pad(predictions, (0, 1), value=-torch.inf)[..., self.logit]
        return predictions.unflatten(-1, self.logit.shape)

    def _action(self, levels: Tensor) -> Tensor:
        """(..., C) -> (..., *act)."""
        return levels[..., 0] if self.spec.kind == "discrete" else levels
