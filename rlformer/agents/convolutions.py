"""The convolutions that read images, as numbers: their layers, what comes out, what they cost. No torch is needed.

`nature`: Mnih et al. 2015 (doi:10.1038/nature14236), for images of 36 pixels or more on each side, 84 as a rule.
`small`: for smaller ones, maps of 7 x 7 as a rule; its three layers of 2 x 2 filters are those of MiniGrid's own
tutorial (minigrid.farama.org, "Training Minigrid Environments"), with a stride of 2 while an image is 12 wide or more.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.core.flops import Work, convolution
from rlformer.core.spaces import Part

LEAST_OF_NATURE = 36  # pixels on each side


@dataclass(frozen=True)
class Layer:
    """A convolution without padding, and a rectifier behind it."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    places: tuple[int, int]  # where it is computed: height and width of what comes out


def nature(part: Part) -> tuple[Layer, ...]:
    """32 filters of 8 x 8, stride 4; 64 of 4 x 4, stride 2; 64 of 3 x 3."""
    return _layers(part, ((32, 8, 4), (64, 4, 2), (64, 3, 1)))


def small(part: Part) -> tuple[Layer, ...]:
    """16, 32 and 64 filters of 2 x 2."""
    side, layers = min(part.shape[1:]), []
    for outputs in (16, 32, 64):
        stride = 2 if side >= 12 else 1
        layers.append((outputs, 2, stride))
        side = (side - 2) // stride + 1
    return _layers(part, tuple(layers))


def size(layers: tuple[Layer, ...]) -> int:
    """How many numbers come out of the last layer."""
    last = layers[-1]
    return last.outputs * last.places[0] * last.places[1]


def work(layers: tuple[Layer, ...]) -> Work:
    """Operations of one image, of whose numbers no gradient is asked for."""
    each = [
        convolution(layer.inputs, layer.outputs, layer.kernel, layer.places[0] * layer.places[1], i > 0)
        for i, layer in enumerate(layers)
    ]
    return sum(each, Work())


def _layers(part: Part, kinds: tuple[tuple[int, int, int], ...]) -> tuple[Layer, ...]:
    channels, height, width = part.shape
    layers = []
    for outputs, kernel, stride in kinds:
        height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
        layers.append(Layer(channels, outputs, kernel, stride, (height, width)))
        channels = outputs
    return tuple(layers)
