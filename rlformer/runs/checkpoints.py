"""Training state as one safetensors file, replaced atomically, the one before kept beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rlformer.core import files
from rlformer.core.spaces import Array

_CURRENT, _PREVIOUS, _DAMAGED = "checkpoint.safetensors", "previous.safetensors", "damaged.safetensors"


def save(directory: Path, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON-ready state; a kill at any moment leaves a whole checkpoint behind."""
    directory.mkdir(parents=True, exist_ok=True)
    # Not ascontiguousarray, which turns () into (1,).
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(dict(state), sort_keys=True)
    current, previous = directory / _CURRENT, directory / _PREVIOUS
    for stray in directory.glob(".tmp??????"):  # safetensors' own, of a process that was killed while it wrote one
        stray.unlink(missing_ok=True)
    with files.replacing(current) as temporary:
        save_file(whole, temporary, metadata={"state": text, "digest": _digest(whole, text)})
        if current.exists():
            os.replace(current, previous)  # a kill here leaves the previous one, which `load` takes


def load(directory: Path) -> tuple[dict[str, Array], dict[str, Any], str | None] | None:
    """The newest whole checkpoint: (arrays, state, warning); None where there was never one.

    A torn or changed file is found by its digest and put aside, so that it never becomes the one before. Then the one
    before is used, and the warning says so; arrays and state are empty where that one is damaged or absent.
    """
    damage = ""
    for name in (_CURRENT, _PREVIOUS):
        path = directory / name
        if not path.exists():
            continue
        try:
            found = _read(path)
        except ValueError as error:
            damage = damage or f"{path}: damaged ({error})"
            os.replace(path, directory / _DAMAGED)
        else:
            return (*found, f"{damage}; continued from the checkpoint before it" if damage else None)
    return ({}, {}, f"{damage}; there is no other checkpoint, so training began again") if damage else None


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Raises ValueError where the file is torn or was changed."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if "state" not in metadata or metadata.get("digest") != _digest(arrays, metadata["state"]):
        raise ValueError("its digest does not fit its content")
    return arrays, json.loads(metadata["state"])


def _digest(arrays: Mapping[str, Array], state: str) -> str:
    digest = hashlib.sha256(state.encode())
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
