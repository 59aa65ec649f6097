"""What a training of a sequence model takes at least, so that what cannot fit is refused before it is begun."""

from __future__ import annotations

from pathlib import Path

from rlformer.agents.sequence.architecture import Architecture
from rlformer.core.errors import InputError
from rlformer.core.machine import check_fits

# Of each parameter: itself, its gradient, Adam's two moments, the best weights.
_COPIES = 5
# Numbers kept for the gradient, of each token, layer and unit of the width: norms, queries, keys, values, the MLP's.
_KEPT = 12
_LARGEST = 10**8  # numbers of an observation or an action


def parameters(architecture: Architecture) -> int:
    """How many numbers are learned, at least: the matrices of the layers and what embeds observations and timesteps."""
    a = architecture
    rows = {"episode": a.max_timesteps, "window": a.context_length}.get(a.timestep_encoding, 0)
    flat = sum(part.size for part in a.observation.parts if part.kind != "image")  # filters are few numbers
    return a.width * (a.kind.matrices * a.layers * a.width + flat + rows)


def check_weights(architecture: Architecture, path: Path) -> None:
    """Raise InputError where a file of weights is far smaller than those of the model: which is then not built."""
    a = architecture
    if a.observation.size > _LARGEST or sum(a.actions.nvec) + len(a.actions.low) > _LARGEST:
        raise InputError(f"observations of {a.observation.describe()} and actions of {a.actions.describe()}: too large")
    count, size = parameters(architecture), path.stat().st_size
    if size < count:  # a number takes two bytes at least
        raise InputError(f"a model of at least {count:,} parameters, and {path.name} has {size:,} bytes")


def check_memory(architecture: Architecture, batch_size: int) -> None:
    """Raise InputError, with the estimate, where a training of that model in such batches needs more than there is."""
    a, count = architecture, parameters(architecture)
    tokens = batch_size * a.tokens_per_window
    kept = 4 * tokens * a.width * a.layers * _KEPT + 4 * batch_size * a.context_length * _image_numbers(a)
    sizes = f"layers {a.layers}, width {a.width}, context_length {a.context_length}, batch_size {batch_size}"
    check_fits(f"{sizes}: a training of {count:,} parameters or more", 4 * _COPIES * count + kept)


def _image_numbers(a: Architecture) -> int:
    """Of one observation, as reals: its images, and about as many again for what filters make of them."""
    return 2 * sum(part.size for part in a.observation.parts if part.kind == "image")
