"""The weights in a folder of Hugging Face's: one file of safetensors, several with an index, or a pickle. Of GPT-2's
layers, which their Decision Transformer has too, our names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rlformer.core import files

WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLED = "pytorch_model.bin"
_MOST_FILES, _LARGEST_INDEX = 1000, 2**24  # of weights; bytes
THEIR_ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
# What is computed otherwise there, and the value with which it is not.
REFUSED = {"n_inner": None, "layer_norm_epsilon": 1e-5, "add_cross_attention": False}
BLOCK = {"ln_1": "attention_norm", "attn.c_attn": "attention.qkv", "attn.c_proj": "attention.project"} | {
    "ln_2": "inner_norm", "mlp.c_fc": "expand", "mlp.c_proj": "contract"
}  # fmt: skip


def read_weights(folder: Path, trust: bool) -> dict[str, Tensor]:
    """By their names, in float32, whatever they are stored in: what is added before use is not rounded to less.

    trust: whether pickled ones may be read. Raises ValueError, in one line, where there are none, a file is damaged or
    missing, or the index of several files says what cannot be.
    """
    if (folder / WEIGHTS).is_file():
        found = _tensors(folder, WEIGHTS)
    elif (folder / _INDEX).is_file():
        found = _sharded(folder)
    elif not (folder / _PICKLED).is_file():
        raise ValueError(f"no {WEIGHTS} in it")
    elif not trust:
        raise ValueError(f"{_PICKLED} must be unpickled: pass --trust if you trust its source")
    else:
        found = dict(torch.load(folder / _PICKLED, map_location="cpu", weights_only=True))
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in found.items()}


def _tensors(folder: Path, name: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(folder / name)
    except SafetensorError as error:
        raise ValueError(f"{name}: {error}") from error


def _sharded(folder: Path) -> dict[str, Tensor]:
    """Weights in several files of the folder, as an index says. Raises ValueError where it says anything else."""
    if (folder / _INDEX).stat().st_size > _LARGEST_INDEX:
        raise ValueError(f"{_INDEX} has more than {_LARGEST_INDEX:,} bytes")
    places = files.read_json(folder / _INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise ValueError(f"{_INDEX}: 'weight_map' must say of each weight which file holds it")
    names = sorted(set(places.values()))
    if len(names) > _MOST_FILES:
        raise ValueError(f"{_INDEX} names {len(names):,} files, {_MOST_FILES:,} at most are read")
    for name in names:
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise ValueError(f"{_INDEX} names {name!r}, which is no .safetensors file of this folder")
        if not (folder / name).is_file():
            raise ValueError(f"{name} is missing, which {_INDEX} names")
    found: dict[str, Tensor] = {}
    for name in names:
        held, wanted = _tensors(folder, name), [weight for weight, place in places.items() if place == name]
        if lacking := [weight for weight in wanted if weight not in held]:
            raise ValueError(f"{name} holds no {lacking[0]}, which {_INDEX} says that it does")
        found |= {weight: held[weight] for weight in wanted}
    return found


def score_scale(config: Mapping[str, Any], layer: int) -> float:
    """By what their scores of a layer are larger than ours, which are divided by the root of a head's size."""
    scale = (
        1.0 if config.get("scale_attn_weights", True) else math.sqrt(config["hidden_size"] / config.get("n_head", 1))
    )
    return scale / (layer + 1) if config.get("scale_attn_by_inverse_layer_idx", False) else scale


def transposed(t: Tensor) -> Tensor:
    """GPT-2 keeps its matrices inputs first; vectors are as they are."""
    return t.T if t.ndim == 2 else t
