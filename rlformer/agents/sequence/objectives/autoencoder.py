"""An autoencoder of observations: what the latent keeps is what it takes to make the observation again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from rlformer.agents.rounding import Linear
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.encoders.vector import flat
from rlformer.agents.sequence.latent import Latent
from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.flops import Work, mlp
from rlformer.core.records import Window


def restore(model: TrajectoryModel, window: Window) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Of each step, (B, K), the squared error of its observation, standardised, as made of the latent."""
    seen = flat(window.observations.float(), model.observation_mean, model.observation_std)
    code = cast(Latent, model.embed_observation).encode(seen)
    made = model.auxiliary[AUTOENCODER.name](code)
    return (made - seen).square().mean(dim=-1).masked_fill(~window.mask, 0.0), {}


def _decoder(a: Architecture) -> nn.Module:
    return nn.Sequential(Linear(a.latent_width, a.width), nn.ReLU(), Linear(a.width, a.observation.size))


def _check(a: Architecture) -> None:
    if not a.latent_width:
        raise InputError("an autoencoder needs a latent: latent_width must be 1 or more")


def _work(a: Architecture) -> Work:
    sizes = [a.observation.size, a.width, a.latent_width, a.width, a.observation.size]
    return mlp(sizes) * a.context_length


AUTOENCODER = Objective(name="autoencoder", make=lambda options: restore, work=_work, check=_check, auxiliary=_decoder)
