"""Masked trajectories: tokens are hidden, and made again of the others, as in MTM (Wu et al. 2023, arXiv:2305.02968)
and MaskDP (Liu et al. 2022, arXiv:2211.12740).

Two passes with the same weights. In both directions: of each window a share of the tokens is hidden at random, as many
as a ratio drawn for it says. Of the past alone: each observation and action is foreseen from the tokens before it,
which is the autoregressive mask at all places at once, and what acting does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.rounding import Linear
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones.base import BothWays
from rlformer.agents.sequence.encoders.vector import flat
from rlformer.agents.sequence.objectives.base import Objective, ObjectiveOptions
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.agents.sequence.work import embedding, predicting
from rlformer.core.errors import InputError
from rlformer.core.flops import Work, linear
from rlformer.core.records import Window


class Reconstruction(nn.Module):
    """What stands for a hidden token of each kind, and what reads observations and returns off a row."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.hidden = nn.Parameter(0.02 * torch.randn(a.tokens_per_step, a.width))
        self.observation = Linear(a.width, a.observation.size)
        self.returned = Linear(a.width, 1)


def reconstruct(
    model: TrajectoryModel, window: Window, least: float, most: float
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Of each step, (B, K): squared errors of its hidden observation and return, standardised, and the loss of its
    hidden action, each 0 where it was shown; and those of its observation and action as foreseen.
    """
    teacher = cast(Reconstruction, model.auxiliary[MASKED.name])
    kinds = [kind for (kind,) in model.inputs_of_tokens]
    tokens = model.embed(window)  # (B, T, D): without the last action
    length = tokens.shape[1]
    real = window.mask.repeat_interleave(len(kinds), dim=1)[:, :length]
    hidden = hidden_tokens(real, least, most, model.training)
    places = teacher.hidden.repeat(window.mask.shape[1], 1)[:length] + _by_token(model, window, len(kinds), length)
    shown = torch.where(hidden[..., None], places, tokens)
    both = cast(BothWays, model.backbone).both_ways(shown, ~real)
    past = model.backbone(tokens, slice(None))
    seen = flat(window.observations.float(), model.observation_mean, model.observation_std)
    at = {kind: slice(number, None, len(kinds)) for number, kind in enumerate(kinds)}
    last = window.actions.shape[1] - 1

    def of_observation(h: Tensor, wanted: Tensor) -> Tensor:
        return (teacher.observation(h) - wanted).square().mean(dim=-1)

    def of_action(h: Tensor, wanted: Tensor) -> Tensor:
        return model.codec.loss(model.predict_action(h), wanted)

    made = of_observation(both[:, at["observation"]], seen) * hidden[:, at["observation"]]
    if "return" in at:
        error = teacher.returned(both[:, at["return"]])[..., 0] - window.returns_to_go / model.return_scale
        made = made + error.square() * hidden[:, at["return"]]
    again = of_action(both[:, at["action"]], window.actions[:, :last]) * hidden[:, at["action"]]
    made = made + F.pad(again, (0, 1))
    foreseen = of_action(past[:, model.row_of(torch.arange(last + 1))], window.actions)
    following = of_observation(past[:, at["action"]], seen[:, 1:])
    foreseen = foreseen + F.pad(following, (1, 0))
    made, foreseen = (part.masked_fill(~window.mask, 0.0) for part in (made, foreseen))
    return made + foreseen, {"reconstruction_loss": made, "foresight_loss": foreseen}


def _by_token(model: TrajectoryModel, window: Window, kinds: int, length: int) -> Tensor | float:
    """What tells a token's time: (B, T, D), (T, D) or 0."""
    time = model.time_of(window)
    return time.repeat_interleave(kinds, dim=-2)[..., :length, :] if isinstance(time, Tensor) else time


def hidden_tokens(real: Tensor, least: float, most: float, training: bool) -> Tensor:
    """Which of the real tokens are hidden, (B, T). Of what is held out always the same."""
    rows, length = real.shape
    if training:
        drawn = torch.rand(rows, length + 1, device=real.device)
    else:
        drawn = torch.rand(rows, length + 1, generator=torch.Generator().manual_seed(0)).to(real.device)
    ratio = least + (most - least) * drawn[:, :1]
    return (drawn[:, 1:] < ratio) & real


def _check(a: Architecture) -> None:
    if a.observation.has_images:
        raise InputError("masked makes vectors and categories again, and no images")
    if a.kind.both_ways_work is None or a.attention_band:
        raise InputError("masked needs a backbone that reads in both directions too: the transformer, without a band")
    if a.tokens != "separate" or not a.reads_actions:
        raise InputError(
            "masked hides observations and actions apart: tokens must be 'separate', as in dt-masked, and "
            "context_length at least 2"
        )
    if a.timestep_encoding == "none":
        raise InputError("masked needs to know where a token was hidden: timestep_encoding must not be none")


def _make(options: ObjectiveOptions) -> partial[tuple[Tensor, Mapping[str, Tensor]]]:
    least, most = options.mask_ratio_least, options.mask_ratio_most
    if least > most:
        raise InputError(f"mask_ratio_least: {least} is above mask_ratio_most {most}")
    return partial(reconstruct, least=least, most=most)


def _work(a: Architecture) -> Work:
    assert a.kind.both_ways_work is not None
    length, steps = a.tokens_per_window, a.context_length
    passes = a.kind.both_ways_work(a, length) + a.kind.work(a, length, length)
    heads = (linear(a.width, a.observation.size) + predicting(a)) * (2 * steps - 1)
    returns = linear(a.width, 1) * steps if a.conditioned else Work()
    return embedding(a) + passes + heads + returns


MASKED = Objective(name="masked", make=_make, work=_work, check=_check, auxiliary=Reconstruction, hides_the_future=True)
