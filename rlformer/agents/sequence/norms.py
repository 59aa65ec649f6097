"""Normalisation of the residual stream by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

# RMS: by the root of the mean square alone, without a mean or a shift (Zhang and Sennrich 2019).
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "layer": nn.LayerNorm,
    "rms": lambda width: nn.RMSNorm(width, eps=1e-6),
    "none": lambda width: nn.Identity(),
}
