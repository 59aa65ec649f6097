"""Where a training goes on from: another run's weights, or those of GPT-2 in a folder of transformers.

What fits is taken, part by part; what does not, such as the embedding of other observations, is made anew, and said.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from rlformer.agents.loading import LoadedRun, load_run
from rlformer.agents.sequence.activations import ACTIVATIONS
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
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import Cost
from rlformer.runs.inputs import PaidLog, WeightsInput

_CONFIG = "config.json"
_BODY = ("backbone", "width", "layers", "heads", "activation", "norm", "residual", "attention_band")
_READING = ("tokens", "conditioning", "timestep_encoding")
T = TypeVar("T", int, float)


def weights_input(path: Path, log: str | None) -> WeightsInput:
    """What a run's specification says of where it goes on from, with all that it inherits.

    log: the hash of the log that it reads itself, which is not paid twice. Raises InputError where the path names
    neither a finished run of a sequence model nor GPT-2.
    """
    if _is_gpt2(path):
        whole = [path / _CONFIG, *sorted(path.glob("*.safetensors*"))]  # and the index of several files
        digest = hashlib.sha256(b"".join(part.read_bytes() for part in whole)).hexdigest()[:10]
        return WeightsInput(digest, str(path), Cost(upstream_cpu_seconds=None))  # unknown
    run = _run(path)
    spec, record = run.spec, run.record
    cost = replace(record.cost, evaluation_env_steps=0, upstream_cpu_seconds=record.cpu_seconds_behind)
    logs = () if spec.weights is None else spec.weights.logs
    if spec.log is not None and spec.log.hash not in {one.hash for one in logs}:
        logs = (*logs, PaidLog(spec.log.hash, spec.log.cost))
    for again in (one.cost for one in logs if one.hash == log):
        cost = replace(
            cost,
            logged_steps=cost.logged_steps - again.logged_steps,
            upstream_env_steps=_without(cost.upstream_env_steps, again.upstream_env_steps),
            upstream_cpu_seconds=_without(cost.upstream_cpu_seconds, again.upstream_cpu_seconds),
        )
    steps = int(record.progress.get("done", 0)) + (0 if spec.weights is None else spec.weights.gradient_steps)
    return WeightsInput(
        f"{spec.hash}-{record.seed}",
        str(run.path),
        cost,
        steps,
        record.flops.get("training"),
        tuple(one for one in logs if one.hash != log),  # which who goes on pays itself
    )


def _without(whole: T | None, part: T | None) -> T | None:
    """What is left of a cost; None where it is unknown."""
    return None if whole is None else whole - (part or 0)


def check_start(ours: Architecture, path: Path) -> None:
    """Raise InputError where the weights there are of other actions, or their layers do not fit a model to be made."""
    if _is_gpt2(path):
        _gpt2(path, ours)
    else:
        _check_run(path, _architecture(_run(path)), ours)


def begin(model: TrajectoryModel, path: Path) -> str:
    """Give a new model what fits of the weights there; what was taken and what not, in a line.

    Raises InputError where they are of other actions, or their layers do not fit.
    """
    differs = ""
    if _is_gpt2(path):
        state = _gpt2(path, model.architecture)
    else:
        run = _run(path)
        theirs = _architecture(run)
        _check_run(path, theirs, model.architecture)
        state = dict(run.learner.model.named_parameters())  # type: ignore[attr-defined]
        differs = _read_otherwise(theirs, model.architecture)
    own = dict(model.named_parameters())
    parts: dict[str, list[str]] = {}
    for name in own:
        parts.setdefault(name if name.startswith("backbone.") else name.partition(".")[0], []).append(name)
    anew, taken = [], 0
    with torch.no_grad():
        for part, names in parts.items():
            if all(name in state and state[name].shape == own[name].shape for name in names):
                for name in names:
                    own[name].copy_(state[name])
                    taken += own[name].numel()
            else:
                anew.append(part)
    made = f"; initialised anew, because they do not fit: {', '.join(anew)}" if anew else ""
    return f"starts with {taken:,} weights of {path}{made}{differs}"


def _read_otherwise(theirs: Architecture, ours: Architecture) -> str:
    """How what fits was trained otherwise, which its shapes do not tell; "" where it was not."""
    other = [key for key in _READING if getattr(theirs, key) != getattr(ours, key)]
    told = ", ".join(f"{key} {getattr(theirs, key)}, here {getattr(ours, key)}" for key in other)
    return f"; they learned with other inputs: {told}" if other else ""


def _run(path: Path) -> LoadedRun:
    if not path.exists():
        raise InputError(f"--from {path}: no such run, and no folder with GPT-2")
    if not any((path / name).exists() for name in ("record.json", "spec.toml")) and not list(path.glob("seed-*")):
        raise InputError(
            f"--from {path}: neither a run nor GPT-2 in the form of transformers ({_CONFIG} and {WEIGHTS})"
        )
    run = load_run(path)
    if not isinstance(getattr(run.learner, "model", None), TrajectoryModel):
        raise InputError(f"--from {path}: {run.spec.agent.name} is not a sequence model, so its weights do not fit")
    return run


def _architecture(run: LoadedRun) -> Architecture:
    found: Architecture = run.learner.model.architecture  # type: ignore[attr-defined]
    return found


def _check_run(path: Path, theirs: Architecture, ours: Architecture) -> None:
    if theirs.actions != ours.actions:
        raise InputError(
            f"--from {path}: acts in {theirs.actions.describe()}, and the log in {ours.actions.describe()}: "
            "the actions must be the same"
        )
    _check_body(path, {key: getattr(theirs, key) for key in _BODY}, ours)


def _check_body(path: Path, theirs: Mapping[str, Any], ours: Architecture) -> None:
    """Raise InputError, with what would fit, where the layers are of another kind or size."""
    if other := {key: value for key, value in theirs.items() if getattr(ours, key) != value}:
        has = ", ".join(f"{key} {value}, here {getattr(ours, key)}" for key, value in other.items())
        settings = " ".join(f"--set {key}={str(value).lower()}" for key, value in other.items())
        raise InputError(f"--from {path}: has {has}; what fits: {settings}")


def _is_gpt2(path: Path) -> bool:
    """Whether it is a folder of transformers, with GPT-2 in it. Raises InputError where it is another model."""
    if not (path / _CONFIG).is_file():
        return False
    kind = files.read_json(path / _CONFIG).get("model_type")
    if kind != "gpt2":
        raise InputError(f"--from {path}: {_CONFIG} is of {str(kind)[:40]!r}, and only of 'gpt2' weights are read")
    return True


def _gpt2(path: Path, ours: Architecture) -> dict[str, Tensor]:
    """Its layers and its last norm, by our names: the embeddings are of words."""
    config = files.read_json(path / _CONFIG)
    try:
        activation = THEIR_ACTIVATIONS.get(str(config.get("activation_function", "gelu_new")))
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation_function '{config.get('activation_function')}' is not supported")
        inner = 4 * int(config["n_embd"])
        for key, same in REFUSED.items():
            if config.get(key, same) not in (same, inner if key == "n_inner" else same):
                raise ValueError(f"{key} = {config[key]}: only {same} is computed alike")
        sizes = {"width": config["n_embd"], "layers": config["n_layer"], "heads": config["n_head"]}
        body = {"backbone": TRANSFORMER.name, **sizes, "activation": activation, "norm": "layer", "residual": True}
        _check_body(path, {**body, "attention_band": 0}, ours)
        theirs = {name.removeprefix("transformer."): tensor for name, tensor in read_weights(path, trust=False).items()}
        found = {f"backbone.norm.{kind}": theirs[f"ln_f.{kind}"] for kind in ("weight", "bias")}
        for layer in range(ours.layers):
            for name, inside in BLOCK.items():
                for kind in ("weight", "bias"):
                    found[f"backbone.blocks.{layer}.{inside}.{kind}"] = transposed(theirs[f"h.{layer}.{name}.{kind}"])
        _check_weights(found, ours.width)
        for layer in range(ours.layers):
            scale = torch.ones(3 * ours.width)
            scale[: ours.width] = score_scale({**config, "hidden_size": ours.width}, layer)
            name = f"backbone.blocks.{layer}.attention.qkv"
            found[f"{name}.weight"] = found[f"{name}.weight"] * scale[:, None]
            found[f"{name}.bias"] = found[f"{name}.bias"] * scale
        return found
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, pickle.UnpicklingError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise InputError(f"--from {path}: cannot be read: {missing}") from error


def _check_weights(found: Mapping[str, Tensor], width: int) -> None:
    """Raise ValueError where weights are not as large as config.json says, or are no finite real numbers."""
    wanted = {"qkv": (3 * width, width), "project": (width, width), "expand": (4 * width, width)}
    wanted |= {"contract": (width, 4 * width)}
    for name, tensor in found.items():
        *_, layer, kind = name.split(".")
        shape = wanted.get(layer, (width,))
        if tuple(tensor.shape) != (shape if kind == "weight" else shape[:1]):
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, which is not what {_CONFIG} says")
        if not tensor.is_floating_point():
            raise ValueError(f"{name} is of {str(tensor.dtype).removeprefix('torch.')}, and weights are real numbers")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds numbers that are not finite in float32")
