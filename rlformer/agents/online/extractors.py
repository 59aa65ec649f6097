"""Features of observations with images, for stable-baselines3's policies; see `images`."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN
from torch import Tensor, nn

from rlformer.agents import convolutions, rounding
from rlformer.agents.online.images import WIDTH, features_of, is_picture, layers_of
from rlformer.agents.sequence.encoders.convolutional import trunk
from rlformer.core.spaces import ObservationSpec


class PartsExtractor(BaseFeaturesExtractor):
    """Flat observations (N, D), as reals, to what their parts show: (N, `features_of(spec).size`)."""

    def __init__(self, observation_space: spaces.Space[Any], spec: ObservationSpec) -> None:
        super().__init__(observation_space, features_of(spec).size)
        self._parts = spec.parts
        self.images = nn.ModuleDict()
        for i, part in enumerate(spec.parts):
            if part.kind == "image":
                layers = layers_of(part)
                head = nn.Linear(convolutions.size(layers), WIDTH)
                self.images[str(i)] = nn.Sequential(trunk(layers), head, nn.ReLU())

    def forward(self, observations: Tensor) -> Tensor:
        """See above."""
        found = []
        for i, (part, flat) in enumerate(
            zip(self._parts, observations.split([part.size for part in self._parts], dim=-1), strict=True)
        ):
            if part.kind == "image":
                found.append(rounding.chain(self.images[str(i)], flat.unflatten(-1, part.shape) / part.peak))
            else:
                found.append(flat)
        return torch.cat(found, dim=-1)


class Picture(nn.Module):
    """Stable-baselines3's NatureCNN on pixels from 0 to 255, with rows rounded alike where that is asked for."""

    def __init__(self, cnn: NatureCNN) -> None:
        super().__init__()
        self.cnn = cnn

    def forward(self, observations: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 512)."""
        return rounding.chain(self.cnn.linear, rounding.chain(self.cnn.cnn, observations / 255.0))


def policy_arguments(spec: ObservationSpec) -> dict[str, Any]:
    """What a policy is built with, so that it reads such observations."""
    if is_picture(spec):
        return {"features_extractor_class": NatureCNN}
    return {"features_extractor_class": PartsExtractor, "features_extractor_kwargs": {"spec": spec}}


def reader_of(extractor: Any) -> nn.Module | None:
    """What makes features of observations as they are stored, as reals; None where they are read as they are."""
    if isinstance(extractor, NatureCNN):
        return Picture(extractor)
    return extractor if isinstance(extractor, PartsExtractor) else None
