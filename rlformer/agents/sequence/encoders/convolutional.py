"""Images: convolutions, then one linear layer. `convolutions` says which, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from rlformer.agents import convolutions, rounding
from rlformer.agents.convolutions import LEAST_OF_NATURE, Layer
from rlformer.agents.sequence.encoders.base import Encoder
from rlformer.core.flops import Work, linear
from rlformer.core.spaces import Part
from rlformer.envs.images import LEAST_SIDE


class Convolutional(nn.Module):
    """(B, K, *part) of any dtype -> (B, K, D). Its numbers become real here, where the network is, and lie from 0 to 1.

    random_shift: by how many pixels at most the images of a window are shifted, all alike, while it trains; what comes
    in at an edge repeats the edge (Yarats et al. 2021, arXiv:2004.13649).
    """

    def __init__(self, part: Part, layers: Sequence[Layer], width: int, random_shift: int = 0) -> None:
        super().__init__()
        self._part, self._shift = part, random_shift
        self.layers = trunk(layers)
        self.linear = rounding.Linear(convolutions.size(tuple(layers)), width)

    def forward(self, numbers: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """See `Encoder`. The log's moments are not read."""
        if self._shift and self.training:
            numbers = _shifted(numbers.unflatten(-1, self._part.shape) if numbers.ndim == 3 else numbers, self._shift)
        lead = numbers.shape[:2]
        images = numbers.reshape(-1, *self._part.shape).float() / self._part.peak
        return self.linear(rounding.chain(self.layers, images)).unflatten(0, lead)


def trunk(layers: Sequence[Layer]) -> nn.Sequential:
    """(N, C, H, W) from 0 to 1 -> (N, `convolutions.size`)."""
    modules: list[nn.Module] = []
    for layer in layers:
        modules += [nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, layer.stride), nn.ReLU()]
    return nn.Sequential(*modules, nn.Flatten())


def _shifted(images: Tensor, most: int) -> Tensor:
    """(B, K, C, H, W): each window by a step of its own from -most to most, down and across."""
    count, (height, width) = len(images), images.shape[-2:]
    steps = torch.randint(-most, most + 1, (2, count, 1), device=images.device)
    rows = (torch.arange(height, device=images.device) + steps[0]).clamp(0, height - 1)  # (B, H)
    columns = (torch.arange(width, device=images.device) + steps[1]).clamp(0, width - 1)
    down = images.gather(3, rows[:, None, None, :, None].expand(images.shape))
    return down.gather(4, columns[:, None, None, None].expand(images.shape))


def _encoder(name: str, layers: Callable[[Part], tuple[Layer, ...]], least: int) -> Encoder:
    def build(part: Part, width: int, random_shift: int = 0) -> nn.Module:
        return Convolutional(part, layers(part), width, random_shift)

    def work(part: Part, width: int) -> Work:
        found = layers(part)
        return convolutions.work(found) + linear(convolutions.size(found), width)

    return Encoder(name, frozenset({"image"}), build, work, least_side=least)


CNN = _encoder("cnn", convolutions.nature, LEAST_OF_NATURE)
SMALL_CNN = _encoder("small-cnn", convolutions.small, LEAST_SIDE)
