"""The keys of a card of a sequence model, each with its range.

Words that a registry knows (backbones, norms, ...) are checked where it is imported, before anything is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.core.ranges import FLAG, TEXT, Range, one_of, real, whole
from rlformer.core.spaces import ActionSpec

MODEL: Mapping[str, Range] = {  # what decides the shapes of the weights
    "backbone": TEXT,
    "encoder": TEXT,
    "random_shift": whole(0, 64),
    "conditioning": one_of("return", "predicted", "none"),
    "tokens": one_of("separate", "step"),
    "context_length": whole(1, 4096),
    "layers": whole(1, 64),
    "heads": whole(1, 64),
    "width": whole(1, 8192),
    "dropout": real(0, 1, below=True),
    "activation": TEXT,
    "norm": TEXT,
    "residual": FLAG,
    "attention_band": whole(0, 4096),
    "segment_length": whole(1, 4096),
    "memory_length": whole(1, 4096),
    "conv_window": whole(1, 4096),
    "chunk_length": whole(1, 4096),
    "chunk_executed": one_of("first", "all"),
    "latent_width": whole(0, 8192),
    "latent_frozen": FLAG,
    "action_head": one_of("deterministic", "gaussian"),
    "timestep_encoding": one_of("episode", "window", "none"),
    "max_timesteps": whole(0, 10**6),
}
OBJECTIVE: Mapping[str, Range] = {  # what an objective is made with, each read by one of them
    "expectile": real(0, 1, above=True, below=True),
    "mask_ratio_least": real(0, 1, above=True, below=True),
    "mask_ratio_most": real(0, 1, above=True, below=True),
    "pretraining": TEXT,
    "pretraining_share": real(0, 1, above=True, below=True),
}
RANGES: Mapping[str, Range] = {
    **MODEL,
    "episode_filter": one_of("none", "top"),
    "episode_filter_share": real(0, 1, above=True),
    "held_out_share": real(0, 1, above=True, below=True),
    "standardise": FLAG,
    "return_scale": real(0, 1e12),
    "target_return": TEXT,
    "action_selection": one_of("greedy", "sampled"),
    "objective": TEXT,
    **OBJECTIVE,
    "gradient_steps": whole(1, 10**9),
    "batch_size": whole(1, 10**6),
    "learning_rate": real(0, 1e38, above=True),
    "final_learning_rate": real(0, 1e3),
    "warmup_steps": whole(0, 10**9),
    "weight_decay": real(0, 1e3),
    "gradient_clip": real(0, 1e9),
    "validate_every": whole(1, 10**9),
    "patience": whole(0, 10**9),
}


# Runs from before these keys have none of them: what they say by default is what was done then.
_LATER = (
    *("action_selection", "segment_length", "memory_length", "chunk_length", "chunk_executed"),
    *("latent_width", "latent_frozen", "standardise", "encoder", "random_shift"),
)
LATER = frozenset({*_LATER, *OBJECTIVE})


def can_sample(values: Mapping[str, Any], actions: ActionSpec) -> bool:
    """Whether a model with these values has a distribution to sample from: of reals the gaussian head alone has one."""
    return actions.kind != "box" or values.get("action_head") == "gaussian"
