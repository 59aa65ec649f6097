"""Where tensors lie, which decides between two ways of the same computation: each is the faster one at its place."""

from __future__ import annotations

import torch
from torch import Tensor


def on_host(device: torch.device) -> bool:
    """Whether this is the host's own memory."""
    return device.type == "cpu"


def halves(x: Tensor) -> bool:
    """Whether products with x are better made in bf16: on a GPU whose hardware has it."""
    return x.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
