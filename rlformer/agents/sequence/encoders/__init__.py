"""The encoders of observations by name. A new one is a file (or folder) that describes itself, and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from rlformer.agents.sequence.encoders.base import AUTO, Encoder
from rlformer.agents.sequence.encoders.convolutional import CNN, SMALL_CNN
from rlformer.agents.sequence.encoders.vector import VECTOR
from rlformer.core.errors import InputError
from rlformer.core.flops import Work
from rlformer.core.spaces import ObservationSpec, Part

ENCODERS: dict[str, Encoder] = {
    kind.name: kind
    for kind in (VECTOR, CNN, SMALL_CNN)  # the first that a part fits reads it
}


class Parts(nn.Module):
    """Several parts of a flattened observation, each by an encoder of its own: (B, K, O) -> the sum, (B, K, D)."""

    def __init__(self, parts: Sequence[Part], width: int, name: str = AUTO, random_shift: int = 0) -> None:
        super().__init__()
        self._shapes = [part.shape for part in parts]
        self._sizes = [part.size for part in parts]
        self.encoders = nn.ModuleList(encoder_of(part, name).build(part, width, random_shift) for part in parts)

    def forward(self, numbers: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """See `Encoder`."""
        split = [tensor.split(self._sizes, dim=-1) for tensor in (numbers, mean, std)]
        shares = [
            encoder(*(flat.unflatten(-1, shape) for flat in of_part))
            for encoder, shape, of_part in zip(self.encoders, self._shapes, zip(*split, strict=True), strict=True)
        ]
        return sum(shares[1:], start=shares[0])


def build(observation: ObservationSpec, width: int, name: str = AUTO, random_shift: int = 0) -> nn.Module:
    """The encoder of whole observations, (B, K, *obs) with the log's moments (*obs,): see `Encoder`.

    name, random_shift: as an architecture has them. Raises InputError where no encoder takes one of its parts.
    """
    parts = joined(observation)
    if len(parts) > 1:
        return Parts(parts, width, name, random_shift)
    return encoder_of(parts[0], name).build(parts[0], width, random_shift)


def work(observation: ObservationSpec, width: int, name: str = AUTO) -> Work:
    """Operations of one observation."""
    return sum((encoder_of(part, name).work(part, width) for part in joined(observation)), start=Work())


def encoder_of(part: Part, name: str = AUTO) -> Encoder:
    """The encoder that reads this part: the one of that name where it takes such parts, else the first that fits.

    Raises InputError where there is none, or the part is too small for the one that is named.
    """
    chosen = ENCODERS.get(name)
    if chosen is not None and part.kind in chosen.takes:
        if not chosen.fits(part):
            raise InputError(
                f"encoder: {name} reads images of {chosen.least_side} pixels at least on each side, '{part.name}' has "
                f"{part.shape[1]} x {part.shape[2]}"
            )
        return chosen
    for encoder in ENCODERS.values():
        if encoder.fits(part):
            return encoder
    known = "; ".join(f"{name} takes {', '.join(sorted(encoder.takes))}" for name, encoder in ENCODERS.items())
    raise InputError(f"no encoder reads the {part.kind} '{part.name}' of the observation ({known})")


def joined(observation: ObservationSpec) -> tuple[Part, ...]:
    """Its parts, neighbours that are flat and read by the same encoder made one: one product instead of several."""
    parts: list[Part] = []
    for part in observation.parts:
        if parts and _joins(parts[-1], part):
            before = parts.pop()
            part = Part(f"{before.name}, {part.name}", "vector", (before.size + part.size,), before.dtype)
        parts.append(part)
    return tuple(parts)


def _joins(first: Part, second: Part) -> bool:
    encoder, flat = encoder_of(first), len(first.shape) == len(second.shape) == 1
    return flat and encoder is encoder_of(second) and "vector" in encoder.takes
