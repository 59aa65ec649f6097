"""The trajectory model: embeds a window, runs a backbone over it, and predicts each step's action.

With the transformer as its backbone and returns as its condition it is the Decision Transformer (Chen et al. 2021);
the other rungs of the ladder are other values of `Architecture`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.sequence import placement
from rlformer.agents.sequence.actions import ActionCodec
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.backbones.transformer import ACTIVATIONS, Transformer
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.rows import Rows
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.spaces import ActionSpec
from rlformer.data.scales import Scales


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
    norm: str = "layer"  # of tokens, in every block and behind the last; "rms", or "none"
    residual: bool = True  # of a transformer: whether each branch is added to what it read, or replaces it
    attention_band: int = 0  # of a transformer: how many steps each layer attends to; 0: all of the context
    action_head: str = "deterministic"  # of Box actions; "gaussian": mean and deviation
    tokens: str = "separate"  # return, observation and action of a step, as in the paper; "step": one of them all
    timestep_encoding: str = "episode"  # of the step in its episode, as in the paper; "window": in its window; "none"
    max_timesteps: int = 1000  # rows of the episode encoding; later steps share the last one

    def check(self) -> None:
        """Raise InputError, with what would be right, unless every value is usable."""
        choices = {
            "backbone": tuple(BACKBONES),
            "conditioning": ("return", "none"),
            "tokens": ("separate", "step"),
            "timestep_encoding": ("episode", "window", "none"),
            "activation": tuple(ACTIVATIONS),
            "norm": tuple(NORMS),
            "action_head": ("deterministic", "gaussian"),
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
        if self.attention_band < 0:
            raise InputError(f"attention_band: {self.attention_band} is negative")
        if self.attention_band:
            self._check_band()
        if not BACKBONES[self.backbone].history:
            if self.context_length != 1:
                raise InputError(f"context_length: the {self.backbone} reads one step, got {self.context_length}")
            if self.tokens != "step":
                raise InputError(f"tokens: the {self.backbone} reads one token, so that they must be 'step'")

    def _check_band(self) -> None:
        """A banded layer goes on for ever, one token a step: nothing may depend on where a window begins."""
        if self.backbone != "transformer":
            raise InputError(f"attention_band: belongs to the transformer; with the {self.backbone} it must be 0")
        if self.tokens != "step":
            raise InputError("attention_band: needs one token a step: tokens must be 'step'")
        if self.timestep_encoding == "window":
            raise InputError(
                "attention_band: no window begins while it acts: timestep_encoding must be episode or none"
            )

    @property
    def streams(self) -> bool:
        """Whether acting goes on from what each layer keeps of the past, instead of reading windows."""
        return self.attention_band > 0

    @property
    def reach(self) -> int:
        """Steps that a prediction depends on, the current one included."""
        if not self.streams:
            return self.context_length
        return self.layers * (self.attention_band - 1) + 2  # the oldest: only its action, in the token after it

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "actions": self.actions.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """The inverse of `to_dict`."""
        return cls(**{**data, "actions": ActionSpec.from_dict(data["actions"])})


class TrajectoryModel(nn.Module):
    """Windows in, one prediction a step out.

    A step's tokens are its return-to-go, its observation, which predicts the action, and the action ("separate"); or
    one token, the sum of its return-to-go, its observation and the action before it ("step").
    """

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
        self.codec = ActionCodec(a.actions, scales.action_mean, scales.action_std, a.action_head)
        self._separate, self._conditioned = a.tokens == "separate", a.conditioning == "return"
        self._reads_actions = BACKBONES[a.backbone].history and a.context_length > 1
        self._per_step = 1 + self._conditioned + self._reads_actions if self._separate else 1  # tokens
        self._first = 1 if self._separate and self._conditioned else 0  # token of the first step's prediction
        self.embed_observation = nn.Linear(a.observation_size, a.width)
        if self._conditioned:
            self.embed_return = nn.Linear(1, a.width)
        if self._reads_actions:
            self.embed_action = nn.Linear(self.codec.width, a.width)
        if a.timestep_encoding != "none":
            rows = a.max_timesteps if a.timestep_encoding == "episode" else a.context_length
            self.embed_timestep = nn.Embedding(rows, a.width)
            nn.init.normal_(self.embed_timestep.weight, std=0.02)
        self.backbone = BACKBONES[a.backbone].build(a)
        self.predict_action = nn.Linear(a.width, self.codec.outputs)

    def forward(self, window: Window) -> Tensor:
        """Predictions at every step: (B, K, A). Those behind an episode's end mean nothing."""
        every = slice(None) if self._per_step == 1 else slice(self._first, None, self._per_step)
        return self.predict_action(self._backbone(window, every))

    def predict_at(self, window: Window, steps: Tensor, copies: int = 1) -> Tensor:
        """Predictions at one step of each window: steps (B,) -> (B, A).

        The step is computed `copies` times: products of few rows take other kernels, which round otherwise.
        """
        rows = self.row_of(steps)[:, None].expand(-1, copies)  # (B, M)
        return self.head(self._backbone(window, rows))[:, 0]

    def step(self, latest: Window, before: Tensor, memory: Tensor) -> Tensor:
        """Predictions at the next step of each of N episodes, (N, A), with an `attention_band` alone.

        latest: that step, as windows (N, 1, ...) with the timesteps in the episode; its actions are not read.
        before: the actions before it (N, *act), whatever at the first. memory: (N, *memory_shape), which it changes.
        """
        times = latest.timesteps[:, 0]
        tokens = self.embed(latest)[:, 0]
        if self._reads_actions:
            tokens = tokens + self.embed_action(self.codec.encode(before)) * (times > 0)[:, None]
        return self.head(cast(Transformer, self.backbone).step(tokens, times, memory))

    @property
    def slides(self) -> bool:
        """Whether a token is the same wherever its window begins, so that `arriving` is all that a step changes."""
        a = self.architecture
        apart = self._separate and self._reads_actions and a.timestep_encoding != "window"
        return apart and isinstance(self.backbone, Transformer)

    def arriving(self, latest: Window, before: Tensor) -> Tensor:
        """The n tokens that the next step of each of N episodes brings, (N, n, D), where the model `slides`.

        The action before it is the first of them. `latest` and `before` are as for `step`.
        """
        earlier = replace(latest, timesteps=(latest.timesteps - 1).clamp(min=0))
        place, action = self._place(latest), self.embed_action(self.codec.encode(before))[:, None]
        return torch.cat([action + self._place(earlier), *(part + place for part in self._told(latest))], dim=1)

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Of what `step` keeps of one episode; (0,) where there is no `attention_band`."""
        return cast(Transformer, self.backbone).memory_shape if self.architecture.streams else (0,)

    def scores(self, window: Window) -> Tensor:
        """See `core.policy.Scorer`: the predictions at the last real step of each window, (B, A)."""
        return self.predict_at(window, window.mask.long().sum(dim=1) - 1)

    @property
    def inputs_of_tokens(self) -> tuple[tuple[str, ...], ...]:
        """What the tokens of a step are made of, in their order: "return", "observation", "action" (of the step);
        "before" is the action of the step before.
        """
        returns, actions = ("return",) * self._conditioned, ("action",) * self._reads_actions
        if self._separate:
            return tuple((kind,) for kind in (*returns, "observation", *actions))
        return ((*returns, "observation", *(("before",) if actions else ())),)

    def row_of(self, steps: Tensor) -> Tensor:
        """Which token of a window predicts the action at a step of it; any shape."""
        return self._first + self._per_step * steps

    @property
    def token_of_scores(self) -> int:
        """Which token of a step predicts its action."""
        return self._first

    def attention(self, window: Window) -> list[Tensor]:
        """The attention weights of every layer over the window's tokens, (B, heads, T, T).

        Raises InputError where the backbone is no transformer.
        """
        if not isinstance(self.backbone, Transformer):
            raise InputError(f"the {self.architecture.backbone} has no attention")
        with torch.no_grad():
            return self.backbone.attention(self.embed(window))

    def embed(self, window: Window) -> Tensor:
        """The window as tokens (B, T, D). No step follows to read the last action, which is left out."""
        parts, actions, place = self._told(window), window.actions, self._place(window)
        if self._separate:
            if self._reads_actions:
                parts.append(self.embed_action(self.codec.encode(actions)))
            stacked = torch.stack([part + place for part in parts], dim=2)  # (B, K, n, D)
            tokens = stacked.flatten(1, 2)
            return tokens[:, :-1] if self._reads_actions else tokens
        if self._reads_actions:
            before = self.embed_action(self.codec.encode(actions[:, :-1]))
            parts.append(F.pad(before, (0, 0, 1, 0)))  # what came before the window is not seen
        return sum(parts, start=place)  # type: ignore[return-value]

    def _told(self, window: Window) -> list[Tensor]:
        """What a step says before its action is chosen, each (B, K, D): its return-to-go and its observation."""
        parts = [self.embed_return((window.returns_to_go / self.return_scale)[..., None])] if self._conditioned else []
        observations = (window.observations - self.observation_mean) / self.observation_std
        return [*parts, self.embed_observation(observations)]

    @property
    def rows_per_window(self) -> int:
        """Rows that a window brings into each of the backbone's matrix products."""
        kind = BACKBONES[self.architecture.backbone]
        if kind.recurrent or not kind.history:
            return 1
        return self._per_step * self.architecture.context_length - (self._separate and self._reads_actions)

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients change."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def head(self, h: Tensor) -> Tensor:
        """(..., D) -> (..., outputs), rounded alike whatever the number of rows: products of one column are not."""
        head, outputs = self.predict_action, self.codec.outputs
        columns = max(2, outputs)
        return F.linear(h, head.weight.expand(columns, -1), head.bias.expand(columns))[..., :outputs]

    def _backbone(self, window: Window, rows: Rows) -> Tensor:
        """(B, M, D) at the asked rows. On a GPU that can, its products are bf16's; what goes in and comes out is not:
        of a return of 3,600 bf16 tells no 3,605 apart.
        """
        tokens = self.embed(window)
        with torch.autocast("cuda", torch.bfloat16, enabled=placement.halves(tokens), cache_enabled=False):
            h = self.backbone(tokens, rows)
        return cast(Tensor, h.float())

    def _place(self, window: Window) -> Tensor | float:
        """What tells a step's time: (B, K, D), (K, D) or 0."""
        encoding = self.architecture.timestep_encoding
        if encoding == "episode":
            return _looked_up(
                self.embed_timestep.weight, window.timesteps.clamp(max=self.architecture.max_timesteps - 1)
            )
        if encoding == "window":
            return self.embed_timestep.weight[: window.observations.shape[1]]
        return 0.0


def _looked_up(table: Tensor, rows: Tensor) -> Tensor:
    """table (R, D), rows (...) -> (..., D)."""
    if placement.on_host(rows.device):
        return F.embedding(rows, table)
    # An embedding's gradient at more than 3,072 rows waits for a number from the GPU, which no recording can.
    return table.index_select(0, rows.flatten()).unflatten(0, rows.shape)
