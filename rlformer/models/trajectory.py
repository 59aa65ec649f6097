"""The trajectory model: embeds a window, runs a backbone over it, and predicts each step's action.

With the transformer as its backbone and returns as its condition it is the Decision Transformer (Chen et al. 2021);
the other rungs of the ladder are other values of `Architecture`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlformer.errors import InputError
from rlformer.models.actions import ActionCodec
from rlformer.models.backbones import BACKBONES
from rlformer.types import ActionSpec, Array, Window


@dataclass(frozen=True)
class Architecture:
    """What the weights' shapes depend on."""

    observation_size: int
    actions: ActionSpec
    backbone: str = "transformer"
    conditioning: str = "return"  # or "none"
    context_length: int = 20
    layers: int = 3
    heads: int = 1
    width: int = 128
    dropout: float = 0.1
    activation: str = "relu"
    timestep_encoding: str = "episode"  # of the step in its episode, as in the paper; "window": in its window; "none"
    max_timesteps: int = 1000  # rows of the episode encoding; later steps share the last one

    def check(self) -> None:
        """Raise InputError, with what would be right, unless every value is usable."""
        choices = {
            "backbone": tuple(BACKBONES),
            "conditioning": ("return", "none"),
            "timestep_encoding": ("episode", "window", "none"),
            "activation": ("relu", "gelu"),
        }
        for key, valid in choices.items():
            if getattr(self, key) not in valid:
                raise InputError(f"{key}: '{getattr(self, key)}' is none of {', '.join(valid)}")
        for key in ("context_length", "layers", "heads", "width", "max_timesteps"):
            if getattr(self, key) < 1:
                raise InputError(f"{key}: {getattr(self, key)} is not positive")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: {self.dropout} is not in [0, 1)")
        if self.backbone == "transformer" and self.width % self.heads:
            raise InputError(f"heads: {self.heads} do not divide the width {self.width}")
        if not BACKBONES[self.backbone].history and self.context_length != 1:
            raise InputError(f"context_length: the {self.backbone} reads one step, got {self.context_length}")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "actions": self.actions.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """The inverse of `to_dict`."""
        return cls(**{**data, "actions": ActionSpec.from_dict(data["actions"])})


@dataclass(frozen=True)
class Scales:
    """A log's statistics, by which a model's inputs are scaled."""

    observation_mean: Array  # (O,)
    observation_std: Array  # (O,)
    action_mean: Array | None = None  # (A,), Box alone
    action_std: Array | None = None
    return_scale: float = 1.0  # returns-to-go are divided by it


class TrajectoryModel(nn.Module):
    """Windows in, one prediction a step out."""

    observation_mean: Tensor
    observation_std: Tensor
    return_scale: Tensor

    def __init__(self, architecture: Architecture, scales: Scales | None = None) -> None:
        super().__init__()
        architecture.check()
        self.architecture = a = architecture
        scales = scales or Scales(np.zeros(a.observation_size), np.ones(a.observation_size))
        self.register_buffer("observation_mean", torch.as_tensor(scales.observation_mean, dtype=torch.float32))
        self.register_buffer("observation_std", torch.as_tensor(scales.observation_std, dtype=torch.float32))
        self.register_buffer("return_scale", torch.tensor(float(scales.return_scale)))
        self.codec = ActionCodec(a.actions, scales.action_mean, scales.action_std)
        kind = BACKBONES[a.backbone]
        self._separate, self._conditioned = kind.tokens == "separate", a.conditioning == "return"
        self._reads_actions = kind.history and a.context_length > 1
        self.embed_observation = nn.Linear(a.observation_size, a.width)
        if self._conditioned:
            self.embed_return = nn.Linear(1, a.width)
        if self._reads_actions:
            self.embed_action = nn.Linear(self.codec.width, a.width)
        if a.timestep_encoding != "none":
            rows = a.max_timesteps if a.timestep_encoding == "episode" else a.context_length
            self.embed_timestep = nn.Embedding(rows, a.width)
            nn.init.normal_(self.embed_timestep.weight, std=0.02)
        self.backbone = kind.build(a)
        self.predict_action = nn.Linear(a.width, self.codec.width)

    def forward(self, window: Window) -> Tensor:
        """Predictions at every step: (B, K, A). Those behind an episode's end mean nothing."""
        tokens, step_rows = self.embed(window)
        return self.predict_action(self.backbone(tokens, step_rows))  # type: ignore[no-any-return]

    def predict_at(self, window: Window, steps: Tensor) -> Tensor:
        """Predictions at one step of each window: steps (B,) -> (B, A)."""
        tokens, step_rows = self.embed(window)
        rows = step_rows[steps][:, None]  # (B, 1)
        return self.predict_action(self.backbone(tokens, rows)[:, 0])  # type: ignore[no-any-return]

    def scores(self, window: Window) -> Tensor:
        """See `types.Scorer`: the predictions at the last real step of each window, (B, A)."""
        return self.predict_at(window, window.mask.long().sum(dim=1) - 1)

    def embed(self, window: Window) -> tuple[Tensor, Tensor]:
        """The window as tokens (B, T, D), and the row of each step's observation token (K,)."""
        observations = (window.observations - self.observation_mean) / self.observation_std
        steps = observations.shape[1]
        place = self._place(window)  # (B, K, D), (K, D) or None
        parts = []
        if self._conditioned:
            parts.append(self.embed_return((window.returns_to_go / self.return_scale)[..., None]))
        parts.append(self.embed_observation(observations))
        if self._separate:
            if self._reads_actions:
                parts.append(self.embed_action(self.codec.encode(window.actions)))
            stacked = torch.stack([p if place is None else p + place for p in parts], dim=2)  # (B, K, n, D)
            tokens = stacked.flatten(1, 2)
            if self._reads_actions:
                tokens = tokens[:, :-1]  # no step follows to read the last action
            first = 1 if self._conditioned else 0
            return tokens, torch.arange(first, steps * len(parts), len(parts), device=tokens.device)
        if self._reads_actions:
            before = self.codec.encode(window.actions[:, :-1])
            parts.append(nn.functional.pad(self.embed_action(before), (0, 0, 1, 0)))
        tokens = torch.stack(parts).sum(dim=0) + (0.0 if place is None else place)
        return tokens, torch.arange(steps, device=tokens.device)

    def _place(self, window: Window) -> Tensor | None:
        encoding = self.architecture.timestep_encoding
        if encoding == "episode":
            return self.embed_timestep(window.timesteps.clamp(max=self.architecture.max_timesteps - 1))  # type: ignore[no-any-return]
        if encoding == "window":
            return self.embed_timestep.weight[: window.observations.shape[1]]
        return None

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients change."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
