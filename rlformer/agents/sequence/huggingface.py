"""Decision Transformers in the form of Hugging Face's `DecisionTransformerModel`: config.json and model.safetensors.

The same network as our transformer with three tokens a step, but for two things that are moved into other weights,
exactly: there the first row of `encoder.wpe` is added behind the norm of the tokens, whose bias is added too; and the
scale of the scores can be another, which is the queries'. What a checkpoint does not say (how observations and returns
are scaled, how many steps are read, what return to ask for) stands beside it in rlformer.json, if anywhere.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones.transformer import TRANSFORMER
from rlformer.agents.sequence.huggingface_weights import (
    BLOCK,
    REFUSED,
    THEIR_ACTIVATIONS,
    WEIGHTS,
    read_weights,
    score_scale,
    transposed,
)
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.memory import check_weights
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.ranges import FLAG, whole
from rlformer.core.records import SCHEMA, EnvSpec
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec
from rlformer.data.scales import Scales
from rlformer.envs.make import spaces_of

_CONFIG, _BESIDE = "config.json", "rlformer.json"
_LARGEST = 10**6  # numbers of an observation or an action
_MAX_EP_LEN = 4096  # their default: steps of an episode that they have a timestep for
_CONTEXT = 20  # steps, of the paper, where nothing says it
_OUTSIDE = {
    "embed_timestep": "embed_timestep",
    "embed_return": "embed_return",
    "embed_state": "embed_observation",
    "embed_action": "embed_action",
    "embed_ln": "backbone.embedding_norm",
    "encoder.ln_f": "backbone.norm",
    "predict_action.0": "predict_action",
}


def load_checkpoint(folder: Path, env: EnvSpec | None = None, trust: bool = False) -> SequenceLearner:
    """The model in a folder of Hugging Face's, as a learner that was fitted.

    env: what it shall act in, which tells categories from reals where rlformer.json does not, and is checked. trust:
    whether weights that are pickled, as they were before safetensors, may be read.

    Raises InputError where it is damaged, of another architecture, or does not fit `env`.
    """
    config, beside = files.read_json(folder / _CONFIG), _beside(folder)
    try:
        spec = ActionSpec.from_dict(beside["actions"]) if "actions" in beside else _actions(config, env)
        architecture = _architecture(config, beside, spec)
        if (folder / WEIGHTS).is_file():
            check_weights(architecture, folder / WEIGHTS)
        size = architecture.observation.size
        scales = Scales(
            _vector(beside, "observation_mean", np.zeros(size)),
            _vector(beside, "observation_std", np.ones(size)),
            beside.get("action_mean"),
            beside.get("action_std"),
            float(beside.get("return_scale", 1.0)),
            _action_range(beside),
        )
        learner = SequenceLearner()
        learner.model = TrajectoryModel(architecture, scales)
        state = learner.model.state_dict()  # the scales are part of it
        inward = _inward(read_weights(folder, trust), config)
        learner.model.load_state_dict(state | {name: inward[name] for name in state if name in inward})
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OSError, pickle.UnpicklingError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise InputError(f"{folder}: cannot be read: {missing}") from error
    learner.model.eval()
    learner.scales = dict(beside.get("scales", {}))
    _check_fit(learner.model, env, folder)
    return learner


def _vector(beside: Mapping[str, Any], key: str, default: Array) -> Array:
    """One of its vectors. Raises ValueError where it has not as many numbers as an observation."""
    found = np.asarray(beside.get(key, default), np.float64)
    if found.shape != default.shape:
        raise ValueError(f"{_BESIDE}: {key} has {found.size} numbers, an observation {default.size}")
    return found


def _action_range(beside: Mapping[str, Any]) -> tuple[Array, Array] | None:
    """What bounded actions were scaled by, where it is told: the bounds, or the log's range."""
    if "action_mean" not in beside:
        return None
    center, scale = (np.asarray(beside[key], np.float64) for key in ("action_mean", "action_std"))
    return center - scale, center + scale


def export_checkpoint(learner: SequenceLearner, folder: Path, time_limit: int | None = None) -> None:
    """Write what `DecisionTransformerModel.from_pretrained(folder)` reads, and rlformer.json beside it.

    Its inputs are scaled as rlformer.json says, and Discrete actions are one-hot vectors in and logits out. A step that
    is later than all of the log's has the timestep of the last one, as here; time_limit: of an episode that it will
    play. Raises InputError where the model has no counterpart there, saying what would have one, and where the folder
    holds a model that did not come from here.
    """
    from safetensors.torch import save

    model = learner.model
    assert model is not None, "fit or load first"
    _check_exportable(model.architecture)
    files.writable_directory(folder)
    there = {path.name for path in folder.iterdir() if not files.is_temporary(path.name)}
    if not there <= {_CONFIG, WEIGHTS, _BESIDE} or (_CONFIG in there and _BESIDE not in there):
        raise InputError(f"{folder}: holds something other than an exported model; name another folder")
    with files.replacing(folder / WEIGHTS) as temporary:
        # In one piece: save_file has a temporary file of its own, which a kill would leave here.
        temporary.write_bytes(save(_outward(model, _timesteps(model, time_limit)), metadata={"format": "pt"}))
    described = model.architecture.to_dict()
    codec = model.codec
    beside = {
        "schema": SCHEMA,
        "actions": described["actions"],
        "context_length": described["context_length"],
        "timestep_encoding": described["timestep_encoding"],
        "observation_mean": model.observation_mean.tolist(),
        "observation_std": model.observation_std.tolist(),
        "return_scale": float(model.return_scale),
        "scales": learner.scales,
    }
    if codec.spec.kind == "box":
        beside |= {"action_mean": codec.center.tolist(), "action_std": codec.scale.tolist()}
    files.write_json(folder / _BESIDE, beside)
    files.write_json(
        folder / _CONFIG, _config(model, _timesteps(model, time_limit))
    )  # the last: with it the folder is a checkpoint


def _beside(folder: Path) -> dict[str, Any]:
    return dict(files.read_json(folder / _BESIDE)) if (folder / _BESIDE).is_file() else {}


def _architecture(config: Mapping[str, Any], beside: Mapping[str, Any], spec: ActionSpec) -> Architecture:
    activation = config.get("activation_function", "relu")
    if not isinstance(activation, str) or activation not in THEIR_ACTIVATIONS:
        raise ValueError(f"activation_function '{activation}' is not one of {', '.join(THEIR_ACTIVATIONS)}")
    whole(1, 8192).check(f"{_CONFIG}: hidden_size", config["hidden_size"])
    for key, same in REFUSED.items():
        inner = 4 * config["hidden_size"] if key == "n_inner" else same
        if config.get(key, same) not in (same, inner):
            raise ValueError(f"{key} = {config[key]}: only {inner} is computed alike")
    whole(1, _LARGEST).check(f"{_CONFIG}: state_dim", config["state_dim"])
    if "act_dim" in config:  # not read where rlformer.json tells the actions
        whole(1, _LARGEST).check(f"{_CONFIG}: act_dim", config["act_dim"])
    if "action_tanh" in config:
        FLAG.check(f"{_CONFIG}: action_tanh", config["action_tanh"])
    architecture = Architecture(
        observation=ObservationSpec.vector(config["state_dim"]),
        actions=spec,
        context_length=beside.get("context_length", _CONTEXT),
        layers=config.get("n_layer", 3),
        heads=config.get("n_head", 1),
        width=config["hidden_size"],
        dropout=config.get("resid_pdrop", 0.1),
        activation=THEIR_ACTIVATIONS[activation],
        timestep_encoding=beside.get("timestep_encoding", "episode"),
        max_timesteps=config.get("max_ep_len", 4096),
    )
    architecture.check()
    return architecture


def _actions(config: Mapping[str, Any], env: EnvSpec | None) -> ActionSpec:
    """Reals, squashed or not, that are read and written as they are; or, where `env` has them, categories."""
    size, squashed = config["act_dim"], config.get("action_tanh", True)
    whole(1, _LARGEST).check(f"{_CONFIG}: act_dim", size)
    if env is not None and not squashed and (actions := spaces_of(env).actions).kind != "box":
        return actions
    bound = 1.0 if squashed else math.inf
    return ActionSpec("box", (), (-bound,) * size, (bound,) * size)


def _inward(theirs: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Their weights by our names."""
    ours: dict[str, Tensor] = {}
    for name, outside in _OUTSIDE.items():
        ours |= {f"{outside}.{kind}": theirs[f"{name}.{kind}"] for kind in _kinds(name)}
    ours["backbone.embedding_norm.bias"] = theirs["embed_ln.bias"] + theirs["encoder.wpe.weight"][0]
    width = config["hidden_size"]
    for layer in range(config.get("n_layer", 3)):
        for name, inside in BLOCK.items():
            matrix, bias = theirs[f"encoder.h.{layer}.{name}.weight"], theirs[f"encoder.h.{layer}.{name}.bias"]
            if name == "attn.c_attn":
                scale = torch.ones(3 * width)
                scale[:width] = score_scale(config, layer)
                matrix, bias = matrix * scale, bias * scale
            block = f"backbone.blocks.{layer}.{inside}"
            ours |= {f"{block}.weight": transposed(matrix), f"{block}.bias": bias}
    return ours


def _timesteps(model: TrajectoryModel, time_limit: int | None) -> int:
    """For how many steps of an episode they get a timestep: without one there is an error, and no last one for all."""
    return max(_MAX_EP_LEN, model.architecture.max_timesteps, (time_limit or 0) + 1)


def _outward(model: TrajectoryModel, timesteps: int) -> dict[str, Tensor]:
    """Our weights by their names; what has no counterpart here is zero."""
    ours, a = model.state_dict(), model.architecture
    theirs = {"encoder.wpe.weight": torch.zeros(3 * a.context_length, a.width)}
    theirs["encoder.wte.weight"] = torch.zeros(1, a.width)
    for name, size in (("predict_state", a.observation.size), ("predict_return", 1)):
        theirs |= {f"{name}.weight": torch.zeros(size, a.width), f"{name}.bias": torch.zeros(size)}
    for name, outside in _OUTSIDE.items():
        theirs |= {f"{name}.{kind}": ours[f"{outside}.{kind}"] for kind in _kinds(name) if name != "embed_timestep"}
    known = ours.get("embed_timestep.weight", torch.zeros(1, a.width))  # without an encoding
    theirs["embed_timestep.weight"] = torch.cat([known, known[-1:].expand(timesteps - len(known), -1)])
    for layer in range(a.layers):
        for name, inside in BLOCK.items():
            for kind in ("weight", "bias"):
                theirs[f"encoder.h.{layer}.{name}.{kind}"] = transposed(
                    ours[f"backbone.blocks.{layer}.{inside}.{kind}"]
                )
    return {name: tensor.contiguous() for name, tensor in theirs.items()}


def _kinds(name: str) -> tuple[str, ...]:
    return ("weight",) if name == "embed_timestep" else ("weight", "bias")


def _config(model: TrajectoryModel, timesteps: int) -> dict[str, Any]:
    a = model.architecture
    names = {ours: theirs for theirs, ours in reversed(THEIR_ACTIVATIONS.items())}
    return {
        "architectures": ["DecisionTransformerModel"],
        "model_type": "decision_transformer",
        "state_dim": a.observation.size,
        "act_dim": model.codec.width,
        "action_tanh": a.actions.kind == "box" and a.actions.bounded,
        "hidden_size": a.width,
        "max_ep_len": timesteps,
        "n_layer": a.layers,
        "n_head": a.heads,
        "n_positions": 3 * a.context_length,
        "activation_function": names[a.activation],
        "vocab_size": 1,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), a.dropout),
    }


def _check_exportable(a: Architecture) -> None:
    wanted = {
        "backbone": TRANSFORMER.name, "conditioning": "return", "attention_band": 0, "tokens": "separate",
        "norm": "layer", "residual": True,
    }  # fmt: skip
    if a.timestep_encoding == "window":  # of a step's place in a window, which they are not told
        wanted["timestep_encoding"] = "episode"
    other = {key: value for key, value in wanted.items() if getattr(a, key) != value}
    if other:
        has = ", ".join(f"{key} '{getattr(a, key)}'" for key in other)
        instead = " ".join(f"--set {key}={str(value).lower()}" for key, value in other.items())
        agent = "--agent dt-paper" if {"backbone", "conditioning", "attention_band"} & set(other) else instead
        raise InputError(f"Hugging Face's model has no {has}: train with {agent}")
    if a.observation.has_images:
        raise InputError(
            "Hugging Face's model reads vectors, but this one reads images: that format has no place for its encoder"
        )
    if a.context_length < 2:
        raise InputError(
            "Hugging Face's model reads past actions, and a model that sees one step does not: use context_length 2"
        )
    if a.actions.kind == "box":
        if a.action_head != "deterministic":
            raise InputError("Hugging Face's model has no gaussian head: train with --set action_head=deterministic")
        if len({bool(np.isfinite(b)) for pair in (a.actions.low, a.actions.high) for b in pair}) > 1:
            raise InputError(
                "Hugging Face's model bounds all dimensions of an action or none; here only some are bounded"
            )


def _check_fit(model: TrajectoryModel, env: EnvSpec | None, folder: Path) -> None:
    if env is None:
        return
    spaces = spaces_of(env)
    shape, actions = spaces.observation.shape, spaces.actions
    own = model.architecture
    if shape != own.observation.shape:
        raise InputError(f"{folder}: reads {own.observation.size} numbers, an observation of {env.name} has {shape}")
    if (own.actions.kind, own.actions.nvec, own.actions.shape) != (actions.kind, actions.nvec, actions.shape):
        raise InputError(f"{folder}: acts in {own.actions.describe()}, {env.name} in {actions.describe()}")
