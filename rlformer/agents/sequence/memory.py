"""What a training of a sequence model takes at least, so that what cannot fit is refused before it is begun."""

from __future__ import annotations

import torch

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.machine import check_fits

# Of each parameter: itself, its gradient, Adam's two moments, the best weights.
_COPIES = 5
# Numbers kept for the gradient, of each token, layer and unit of the width: norms, queries, keys, values, the MLP's.
_KEPT = 12


def parameters(architecture: Architecture) -> int:
    """How many numbers are learned. Nothing is allocated for them."""
    with torch.device("meta"):
        return TrajectoryModel(architecture).num_parameters


def check_memory(architecture: Architecture, batch_size: int) -> None:
    """Raise InputError, with the estimate, where a training of that model in such batches needs more than there is."""
    a, count = architecture, parameters(architecture)
    tokens = batch_size * a.tokens_per_window
    kept = 4 * tokens * a.width * a.layers * _KEPT
    sizes = f"layers {a.layers}, width {a.width}, context_length {a.context_length}, batch_size {batch_size}"
    check_fits(f"{sizes}: a training of {count:,} parameters", 4 * _COPIES * count + kept)
