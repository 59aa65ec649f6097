"""All that decides how a stable-baselines3 training goes on, as named arrays and JSON: nothing is pickled."""

from __future__ import annotations

import random
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import Tensor

from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.core import files
from rlformer.core.records import SCHEMA
from rlformer.core.spaces import Array

_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
_COUNTERS = ("num_timesteps", "_n_updates", "_current_progress_remaining")


def acting_arrays(model: Any) -> dict[str, Array]:
    """The networks and the observations' statistics: what it takes to act."""
    arrays = {f"network.{name}": _array(tensor) for name, tensor in model.policy.state_dict().items()}
    normalize = model.get_vec_normalize_env()
    if normalize is not None and normalize.norm_obs:
        statistics = normalize.obs_rms
        arrays |= {"observations.mean": statistics.mean, "observations.var": statistics.var}
        arrays["observations.count"] = np.array(statistics.count)
    return arrays


def write_acting(directory: Path, algorithm: Algorithm, model: Any, described: Mapping[str, Any]) -> None:
    """What it takes to act, without the state of the optimisers: model.safetensors, model.json."""
    files.writable_directory(directory)
    with files.replacing(directory / "model.safetensors") as temporary:
        temporary.write_bytes(save(acting_arrays(model)))
    files.write_json(directory / "model.json", {"schema": SCHEMA, "algorithm": algorithm.name, **described})


def restore_acting(model: Any, arrays: Mapping[str, Array]) -> None:
    """The inverse of `acting_arrays`. Raises RuntimeError or KeyError for arrays of another model."""
    tensors = {name: torch.from_numpy(array) for name, array in _below("network.", arrays).items()}
    model.policy.load_state_dict(tensors)
    normalize = model.get_vec_normalize_env()
    if normalize is not None and normalize.norm_obs:
        statistics = normalize.obs_rms
        statistics.mean, statistics.var = arrays["observations.mean"], arrays["observations.var"]
        statistics.count = float(arrays["observations.count"])


def capture(algorithm: Algorithm, model: Any, replay: bool) -> tuple[dict[str, Array], dict[str, Any]]:
    """Networks, optimisers, statistics, random streams and counters; with `replay` the replay buffer too."""
    arrays = acting_arrays(model)
    state: dict[str, Any] = {name: getattr(model, name) for name in (*_COUNTERS, *algorithm.counters)}
    groups = {}
    for name, optimizer in optimizers(model).items():
        parts = optimizer.state_dict()
        groups[name] = parts["param_groups"]
        for index, entry in parts["state"].items():
            arrays |= {f"{name}.{index}.{key}": _array(value) for key, value in entry.items()}
    for name in _variables(model):
        arrays[f"variable.{name}"] = _array(attrgetter(name)(model))
    normalize = model.get_vec_normalize_env()
    if normalize is not None:
        statistics = normalize.ret_rms
        state["return_statistics"] = [float(statistics.mean), float(statistics.var), float(statistics.count)]
    if replay and isinstance(model, OffPolicyAlgorithm):
        buffer: Any = model.replay_buffer
        filled = buffer.buffer_size if buffer.full else buffer.pos
        arrays |= {f"replay.{name}": getattr(buffer, name)[:filled] for name in _REPLAY}
        state["replay"] = [buffer.pos, buffer.full]
    arrays["random.torch"] = _array(torch.get_rng_state())
    _, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - stable-baselines3 draws from the global one
    arrays["random.numpy"] = np.asarray(keys)
    state["random"] = {
        "numpy": rest,
        "python": random.getstate(),
        "actions": model.action_space.np_random.bit_generator.state,
    }
    return arrays, {**state, "optimizers": groups}


def restore(algorithm: Algorithm, model: Any, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
    """The inverse of `capture`, for a model of the same hyperparameters that has not trained yet."""
    restore_acting(model, arrays)
    for name in (*_COUNTERS, *algorithm.counters):
        setattr(model, name, state[name])
    for name, optimizer in optimizers(model).items():
        entries: dict[int, dict[str, Tensor]] = {}
        for key, array in _below(f"{name}.", arrays).items():
            index, _, part = key.partition(".")
            entries.setdefault(int(index), {})[part] = torch.from_numpy(array)
        optimizer.load_state_dict({"state": entries, "param_groups": state["optimizers"][name]})
    for name in _variables(model):
        attrgetter(name)(model).data.copy_(torch.from_numpy(arrays[f"variable.{name}"]))
    normalize = model.get_vec_normalize_env()
    if normalize is not None:
        statistics = normalize.ret_rms
        mean, var, statistics.count = state["return_statistics"]
        statistics.mean, statistics.var = np.array(mean), np.array(var)
    if "replay" in state:
        _restore_replay(model.replay_buffer, arrays, *state["replay"])
    torch.set_rng_state(torch.from_numpy(arrays["random.torch"]))
    streams = state["random"]
    np.random.set_state(("MT19937", arrays["random.numpy"], *streams["numpy"]))  # noqa: NPY002
    version, keys, gauss = streams["python"]
    random.setstate((version, tuple(keys), gauss))
    model.action_space.np_random.bit_generator.state = streams["actions"]


def optimizers(model: Any) -> dict[str, torch.optim.Optimizer]:
    """Every optimiser of the algorithm, under stable-baselines3's name for it."""
    names = [name for name in model._get_torch_save_params()[0] if name.endswith("optimizer")]
    return {name: attrgetter(name)(model) for name in names}


def _restore_replay(buffer: Any, arrays: Mapping[str, Array], position: int, full: bool) -> None:
    for name in _REPLAY:
        rows = arrays[f"replay.{name}"]
        getattr(buffer, name)[: len(rows)] = rows
    buffer.pos, buffer.full = position, full
    # New episodes begin now: n-step returns must not run on into them, as behind a time limit.
    running = buffer.dones[position - 1] == 0
    buffer.timeouts[position - 1, running] = 1.0


def _variables(model: Any) -> list[str]:
    """Learned or fixed tensors outside of modules, such as SAC's entropy coefficient."""
    return list(model._get_torch_save_params()[1])


def _below(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()
