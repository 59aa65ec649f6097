"""What a sequence model is made of: the values of a card that decide the shapes of its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from rlformer.agents.sequence.activations import ACTIVATIONS
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.backbones.base import Backbone
from rlformer.agents.sequence.encoders import ENCODERS, encoder_of, joined
from rlformer.agents.sequence.encoders.base import AUTO
from rlformer.agents.sequence.norms import NORMS
from rlformer.agents.sequence.ranges import MODEL
from rlformer.core import ranges
from rlformer.core.errors import InputError
from rlformer.core.spaces import ActionSpec, ObservationSpec, Spaces

_RANGES = {
    **MODEL,
    "backbone": ranges.one_of(*BACKBONES),
    "encoder": ranges.one_of(AUTO, *ENCODERS),
    "activation": ranges.one_of(*ACTIVATIONS),
    "norm": ranges.one_of(*NORMS),
    "max_timesteps": replace(MODEL["max_timesteps"], low=1),
}


@dataclass(frozen=True)
class Architecture:
    """What the weights' shapes depend on."""

    observation: ObservationSpec
    actions: ActionSpec
    backbone: str = "transformer"  # of BACKBONES
    conditioning: str = "return"  # that is asked for; "predicted": that the model expects at best; or "none"
    context_length: int = 20
    layers: int = 3
    heads: int = 1
    width: int = 128
    dropout: float = 0.1
    activation: str = "relu"
    norm: str = "layer"  # of tokens, in every block and behind the last; "rms", or "none"
    residual: bool = True  # of a transformer: whether each branch is added to what it read, or replaces it
    attention_band: int = 0  # steps that each layer attends to, where the backbone streams; 0: all of the context
    segment_length: int = 10  # steps that a transformer-xl reads at once in training
    memory_length: int = 10  # steps before each token whose tokens its layers attend to, whatever segment they are of
    conv_window: int = 6  # tokens that each filter of a conv reads, its own the last
    chunk_length: int = 1  # actions that an encoder-decoder foresees at once
    chunk_executed: str = "first"  # of them, before it looks again; or "all"
    latent_width: int = 0  # numbers that observations are squeezed through before they are read; 0: none
    latent_frozen: bool = True  # whether imitation leaves what makes them as an autoencoder's pretraining left it
    action_head: str = "deterministic"  # of Box actions; "gaussian": mean and standard deviation
    tokens: str = "separate"  # return, observation and action of a step, as in the paper; "step": one of them all
    timestep_encoding: str = "episode"  # of the step in its episode, as in the paper; "window": in its window; "none"
    max_timesteps: int = 1000  # rows of the episode encoding; later steps share the last one
    encoder: str = AUTO  # of ENCODERS, for the parts of observations that it takes; "auto": by their kinds and sizes
    random_shift: int = 0  # pixels by which images are shifted at random while it trains

    def check(self) -> None:
        """Raise InputError, with what would be right, unless every value is usable."""
        ranges.check(vars(self), _RANGES)
        if self.attention_band:
            self._check_band()
        if self.predicts_returns:
            self._check_predicted()
        if self.chunk_length > 1 and self.kind.chunk_work is None:
            able = ", ".join(name for name, kind in BACKBONES.items() if kind.chunk_work)
            raise InputError(f"chunk_length: belongs to the {able}; with the {self.backbone} it must be 1")
        if not self.kind.history:
            if self.context_length != 1:
                raise InputError(f"context_length: the {self.backbone} reads one step, got {self.context_length}")
            if self.tokens != "step":
                raise InputError(f"tokens: the {self.backbone} reads one token, so that they must be 'step'")
        if self.latent_width > self.observation.size:
            raise InputError(
                f"latent_width: {self.latent_width} is more than the {self.observation.size} numbers of an "
                "observation, so nothing would be compressed"
            )
        if self.latent_width and self.observation.has_images:
            raise InputError("latent_width: images are not compressed; with images it must be 0")
        sides = [side for part in self.observation.parts if part.kind == "image" for side in part.shape[1:]]
        if self.random_shift >= min(sides, default=math.inf):
            raise InputError(
                f"random_shift: {self.random_shift} pixels shift an image out of sight whose side has {min(sides)}"
            )
        self.kind.check(self)
        for part in joined(self.observation):
            encoder_of(part, self.encoder)

    def _check_predicted(self) -> None:
        """A return that is predicted from the observation can only be read in a token behind it."""
        if not self.kind.history:
            raise InputError(f"conditioning: the {self.backbone} reads one token, and a predicted return needs its own")
        if self.tokens != "separate":
            raise InputError("conditioning: a predicted return needs a token of its own: tokens must be 'separate'")

    def _check_band(self) -> None:
        """A banded layer goes on for ever, one token a step: nothing may depend on where a window begins."""
        if not self.kind.banded:
            able = ", ".join(name for name, kind in BACKBONES.items() if kind.banded)
            raise InputError(f"attention_band: belongs to the {able}; with the {self.backbone} it must be 0")
        if self.tokens != "step":
            raise InputError("attention_band: needs one token a step: tokens must be 'step'")
        if self.timestep_encoding == "window":
            raise InputError(
                "attention_band: no window begins while it acts: timestep_encoding must be episode or none"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any], spaces: Spaces, longest: int) -> Architecture:
        """That of a card's values, unchecked. longest: rows of the episode encoding where they say 0."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known |= {"observation": spaces.observation, "actions": spaces.actions}
        return cls(**{**known, "max_timesteps": values["max_timesteps"] or longest})

    @property
    def kind(self) -> Backbone:
        """What the backbone says of itself."""
        return BACKBONES[self.backbone]

    @property
    def conditioned(self) -> bool:
        """Whether it reads a return."""
        return self.conditioning != "none"

    @property
    def predicts_returns(self) -> bool:
        """Whether it predicts that return itself, so that nobody asks for one."""
        return self.conditioning == "predicted"

    @property
    def executes_chunks(self) -> bool:
        """Whether it acts on what it foresaw, without looking, until a chunk of actions has passed."""
        return self.chunk_executed == "all" and self.chunk_length > 1

    @property
    def reads_actions(self) -> bool:
        """Whether it reads earlier actions."""
        return self.kind.history and self.context_length > 1

    @property
    def tokens_per_step(self) -> int:
        """Tokens that show one step."""
        return 1 + self.conditioned + self.reads_actions if self.tokens == "separate" else 1

    @property
    def tokens_per_window(self) -> int:
        """Tokens that show a window: no step follows to read the last action, which is left out."""
        return self.tokens_per_step * self.context_length - (self.tokens == "separate" and self.reads_actions)

    @property
    def streams(self) -> bool:
        """Whether acting goes on from what each layer keeps of the past, instead of reading windows."""
        if self.kind.endless(self):
            return True
        needed = self._needed
        return needed is not None and needed <= self.context_length and self.timestep_encoding != "window"

    @property
    def reach(self) -> int:
        """Steps that a prediction depends on, the current one included."""
        needed = self._needed
        return needed if needed is not None and self.streams else self.context_length

    @property
    def _needed(self) -> int | None:
        """Steps that the tokens lie in on which a prediction depends where it sees a whole episode; None: all."""
        tokens = self.kind.reach(self)
        if tokens is None:
            return None
        if self.tokens == "step":
            return tokens + self.reads_actions  # the oldest: only its action, in the token after it
        shown = 1 + self.conditioned  # tokens of the current step until its prediction
        return 1 + math.ceil(max(0, tokens - shown) / self.tokens_per_step)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "observation": self.observation.to_dict(), "actions": self.actions.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """The inverse of `to_dict`. Files from before observations had parts say how many numbers one holds."""
        known = {key: value for key, value in data.items() if key not in ("observation", "observation_size", "actions")}
        if "observation" in data:
            observation = ObservationSpec.from_dict(data["observation"])
        else:
            observation = ObservationSpec.vector(data["observation_size"])
        return cls(observation, ActionSpec.from_dict(data["actions"]), **known)
