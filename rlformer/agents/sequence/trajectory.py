"""The trajectory model: embeds a window, runs a backbone over it, and predicts each step's action.

With the transformer as its backbone and returns as its condition it is the Decision Transformer (Chen et al. 2021);
the other rungs of the ladder are other values of `Architecture`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.rounding import Linear, product
from rlformer.agents.sequence import encoders, placement
from rlformer.agents.sequence.actions import ActionCodec
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones.base import Attending, Chunking, Streaming, Visit, Walked
from rlformer.agents.sequence.latent import Latent
from rlformer.agents.sequence.rows import Rows
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.data.scales import Scales


@dataclass(frozen=True)
class Encoded(Window):
    """Windows whose observations are shares of tokens already, (B, K, D): see `TrajectoryModel.encode`."""


class TrajectoryModel(nn.Module):
    """Windows in, one prediction a step out.

    A step's tokens are its return-to-go, its observation, which predicts the action, and the action ("separate"); or
    one token, the sum of its return-to-go, its observation and the action before it ("step"). Where the model predicts
    returns itself, the observation comes first: its token predicts the return-to-go, whose token predicts the action.
    """

    observation_mean: Tensor
    observation_std: Tensor
    return_scale: Tensor

    def __init__(self, architecture: Architecture, scales: Scales | None = None) -> None:
        super().__init__()
        architecture.check()
        self.architecture = a = architecture
        scales = scales or Scales(np.zeros(a.observation.shape), np.ones(a.observation.shape))
        self.register_buffer("observation_mean", torch.as_tensor(scales.observation_mean, dtype=torch.float32))
        self.register_buffer("observation_std", torch.as_tensor(scales.observation_std, dtype=torch.float32))
        self.register_buffer("return_scale", torch.tensor(float(scales.return_scale)))
        self.codec = ActionCodec(a.actions, scales.action_mean, scales.action_std, a.action_head, scales.action_range)
        self._separate, self._conditioned = a.tokens == "separate", a.conditioned
        self.predicts_returns = a.predicts_returns
        self._reads_actions, self._per_step = a.reads_actions, a.tokens_per_step
        self._first = 1 if self._separate and self._conditioned else 0  # token of the first step's prediction
        if a.latent_width:
            self.embed_observation: nn.Module = Latent(a.observation.size, a.latent_width, a.width, a.latent_frozen)
        else:
            self.embed_observation = encoders.build(a.observation, a.width, a.encoder, a.random_shift)
        if self._conditioned:
            self.embed_return = Linear(1, a.width)
        if self._reads_actions:
            self.embed_action = Linear(self.codec.width, a.width)
        if a.timestep_encoding != "none":
            rows = a.max_timesteps if a.timestep_encoding == "episode" else a.context_length
            self.embed_timestep = nn.Embedding(rows, a.width)
            nn.init.normal_(self.embed_timestep.weight, std=0.02)
        self.backbone = a.kind.build(a)
        self.predict_action = Linear(a.width, self.codec.outputs)
        if self.predicts_returns:
            self.predict_return = Linear(a.width, 1)
        self.auxiliary = nn.ModuleDict()  # what objectives need beside it while they teach it; see `objectives.base`

    def forward(self, window: Window) -> Tensor:
        """Predictions at every step: (B, K, A). Those behind an episode's end mean nothing."""
        return self.predict_action(self._backbone(window, self._every))

    def with_returns(self, window: Window) -> tuple[Tensor, Tensor]:
        """Of a model that predicts returns: actions (B, K, A) and scaled returns-to-go (B, K) at every step.

        An action is predicted from the window's own return at its step, a return from what came before it.
        """
        h = self._backbone(window, slice(None))
        returns = self.predict_return(h[:, :: self._per_step])[..., 0]
        return self.predict_action(h[:, self._every]), returns

    def walk(self, window: Window, visit: Visit) -> Tensor:
        """Predictions at every step, (B, K, A), with all that passes from layer to layer told; see `sequence.tracing`.

        visit: as of `backbones.base.Visit`; layer 0 is the tokens, layer i + 1 the backbone's layer i.
        """

        def of_backbone(layer: int, first: int, h: Tensor) -> Tensor:
            return visit(layer + 1, first, h)

        h = cast(Walked, self.backbone).walk(visit(0, 0, self.embed(window)), of_backbone)
        return self.predict_action(h[:, self._every])

    def predict_at(self, window: Window, steps: Tensor) -> Tensor:
        """Predictions at one step of each window: steps (B,) -> (B, A)."""
        return self.head(self._backbone(window, self.row_of(steps)[:, None]))[:, 0]

    def chunks(self, window: Window, steps: Tensor | None = None) -> Tensor:
        """Of a model that foresees chunks of k actions: predictions of those from each step on, (B, K, k, A).

        steps (B,): from that one of each window, (B, 1, k, A).
        """
        rows = self._every if steps is None else self.row_of(steps)[:, None]
        foreseen = cast(Chunking, self.backbone).chunk(self.embed(window), rows)
        return self.predict_action(foreseen) if steps is None else self.head(foreseen)  # as `forward`, and `predict_at`

    def decide(self, window: Window, steps: Tensor) -> tuple[Tensor, Tensor]:
        """As `predict_at`, and the returns-to-go (B,) on which the model acts at these steps: the window's, or where it
        predicts them its own, whatever the window has there.
        """
        every = torch.arange(len(steps), device=steps.device)
        if not self.predicts_returns:
            return self.predict_at(window, steps), window.returns_to_go[every, steps]
        expected = self.returned(self._backbone(window, (self._per_step * steps)[:, None])[:, 0])  # (B,)
        at = F.one_hot(steps, window.returns_to_go.shape[1]).bool()
        chosen = torch.where(at, expected[:, None], window.returns_to_go)
        return self.predict_at(replace(window, returns_to_go=chosen), steps), expected

    def returned(self, h: Tensor) -> Tensor:
        """(..., D) -> the return-to-go that is expected there at best, (...)."""
        return cast(Tensor, self.predict_return(h)[..., 0]) * self.return_scale

    def imagined(self, window: Window) -> Window:
        """The window with the returns-to-go that the model acts on if its episode began there: of a model that predicts
        them its own, one step after the other; else the window as it is.
        """
        if not self.predicts_returns:
            return window
        unknown, found = torch.zeros_like(window.returns_to_go[:, 0]), list[Tensor]()
        steps = window.returns_to_go.shape[1]
        for t in range(steps):
            known = torch.stack([*found, *[unknown] * (steps - t)], dim=1)
            h = self._backbone(replace(window, returns_to_go=known), slice(self._per_step * t, self._per_step * t + 1))
            found.append(self.returned(h[:, 0]))
        return replace(window, returns_to_go=torch.stack(found, dim=1))

    def step(self, latest: Window, before: Tensor, memory: Tensor) -> Tensor:
        """Predictions at the next step of each of N episodes, (N, A), where the architecture `streams`. A model that
        predicts returns does not read the window's.

        latest: that step, as windows (N, 1, ...) with the timesteps in the episode; its actions are not read.
        before: the actions before it (N, *act), whatever at the first. memory: (N, *memory_shape), which it changes.
        """
        times, backbone = latest.timesteps[:, 0], cast(Streaming, self.backbone)
        if self._separate:
            return self.head(self._stepped(latest, before, times, memory))
        tokens = self.embed(latest)[:, 0]
        if self._reads_actions:
            tokens = tokens + self.embed_action(self.codec.encode(before)) * (times > 0)[:, None]
        return self.head(backbone.step(tokens, times, memory))

    def _stepped(self, latest: Window, before: Tensor, times: Tensor, memory: Tensor) -> Tensor:
        """(N, D) at the last of the tokens that the next step brings. Before the first step there is no action: what
        then stands in its place is token -1, which no token sees.
        """
        tokens = self.arriving(latest, before)  # (N, n, D)
        numbers = self._per_step * times - int(self._reads_actions)
        for i in range(tokens.shape[1]):
            h = cast(Streaming, self.backbone).step(tokens[:, i], numbers + i, memory)
        if self.predicts_returns:
            expected = (self.returned(h) / self.return_scale)[:, None, None]
            token = (self.embed_return(expected) + self._time(latest))[:, 0]
            h = cast(Streaming, self.backbone).step(token, numbers + tokens.shape[1], memory)
        return h

    @property
    def slides(self) -> bool:
        """Whether a token is the same wherever its window begins, so that `arriving` is all that a step changes."""
        a = self.architecture
        apart = self._separate and self._reads_actions and a.timestep_encoding != "window" and not self.predicts_returns
        return apart and a.kind.sliding is not None

    def arriving(self, latest: Window, before: Tensor) -> Tensor:
        """The n tokens that the next step of each of N episodes brings, (N, n, D), where they are "separate" and tell
        no time in a window. The action before it is the first, where actions are read; a return that is predicted is
        not among them. Arguments are as for `step`.
        """
        earlier = replace(latest, timesteps=(latest.timesteps - 1).clamp(min=0))
        time = self._time(latest)
        inputs = [self._observed(latest)] if self.predicts_returns else self._inputs(latest)
        shown = [part + time for part in inputs]
        if self._reads_actions:
            shown = [self.embed_action(self.codec.encode(before))[:, None] + self._time(earlier), *shown]
        return torch.cat(shown, dim=1)

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Of what `step` keeps of one episode; (0,) where the architecture does not stream."""
        return cast(Streaming, self.backbone).memory_shape if self.architecture.streams else (0,)

    def scores(self, window: Window) -> Tensor:
        """See `core.policy.Scorer`: the predictions at the last real step of each window, (B, A)."""
        return self.predict_at(self.imagined(window), window.mask.long().sum(dim=1) - 1)

    @property
    def inputs_of_tokens(self) -> tuple[tuple[str, ...], ...]:
        """What the tokens of a step are made of, in their order: "return", "observation", "action" (of the step);
        "before" is the action of the step before.
        """
        returns, actions = ("return",) * self._conditioned, ("action",) * self._reads_actions
        if self._separate:
            inputs = ("observation", *returns) if self.predicts_returns else (*returns, "observation")
            return tuple((kind,) for kind in (*inputs, *actions))
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

        Raises InputError where the backbone has none.
        """
        if not self.architecture.kind.attends:
            raise InputError(f"the {self.architecture.backbone} has no attention")
        with torch.no_grad():
            return cast(Attending, self.backbone).attention(self.embed(window))

    def embed(self, window: Window) -> Tensor:
        """The window as tokens (B, T, D). No step follows to read the last action, which is left out."""
        parts, actions, time = self._inputs(window), window.actions, self._time(window)
        if self._separate:
            if self._reads_actions:
                parts.append(self.embed_action(self.codec.encode(actions)))
            stacked = torch.stack([part + time for part in parts], dim=2)  # (B, K, n, D)
            tokens = stacked.flatten(1, 2)
            return tokens[:, :-1] if self._reads_actions else tokens
        if self._reads_actions:
            before = self.embed_action(self.codec.encode(actions[:, :-1]))
            parts.append(F.pad(before, (0, 0, 1, 0)))  # what came before the window is not seen
        return sum(parts, start=time)  # type: ignore[return-value]

    def _inputs(self, window: Window) -> list[Tensor]:
        """What a step shows before its action is chosen, each (B, K, D): its return-to-go and its observation, in the
        order of their tokens.
        """
        parts = [self.embed_return((window.returns_to_go / self.return_scale)[..., None])] if self._conditioned else []
        seen = self._observed(window)
        return [seen, *parts] if self.predicts_returns else [*parts, seen]

    @property
    def fixed(self) -> list[nn.Parameter]:
        """What imitation must not change, not even by weight decay."""
        return self.embed_observation.fixed if isinstance(self.embed_observation, Latent) else []

    def time_of(self, window: Window) -> Tensor | float:
        """What tells a step's time: (B, K, D), (K, D) or 0."""
        return self._time(window)

    def _observed(self, window: Window) -> Tensor:
        """(B, K, D)."""
        if isinstance(window, Encoded):
            return window.observations
        embedded: Tensor = self.embed_observation(window.observations, self.observation_mean, self.observation_std)
        return embedded

    def encode(self, observations: Tensor) -> Tensor:
        """The share of a token that each observation has, (N, *obs) -> (N, D): the same in every window."""
        shown = self.embed_observation(observations[:, None], self.observation_mean, self.observation_std)
        return cast(Tensor, shown[:, 0])

    @property
    def rows_per_window(self) -> int:
        """Rows that a window brings into each of the backbone's matrix products."""
        kind = self.architecture.kind
        return 1 if kind.recurrent or not kind.history else self.architecture.tokens_per_window

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients change."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def head(self, h: Tensor) -> Tensor:
        """(..., D) -> (..., outputs)."""
        return product(h, self.predict_action.weight, self.predict_action.bias)

    @property
    def _every(self) -> slice:
        """The tokens of a window that predict an action."""
        return slice(None) if self._per_step == 1 else slice(self._first, None, self._per_step)

    def _backbone(self, window: Window, rows: Rows) -> Tensor:
        """(B, M, D) at the asked rows. On a GPU that can, its products are bf16's; what goes in and comes out is not:
        of a return of 3,600 bf16 tells no 3,605 apart.
        """
        tokens = self.embed(window)
        with torch.autocast("cuda", torch.bfloat16, enabled=placement.halves(tokens), cache_enabled=False):
            h = self.backbone(tokens, rows)
        return cast(Tensor, h.float())

    def _time(self, window: Window) -> Tensor | float:
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
