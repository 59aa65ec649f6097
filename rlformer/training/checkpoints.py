"""Training state as one safetensors file, replaced atomically, the one before kept beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.runs import files
from rlformer.types import Array

_CURRENT, _PREVIOUS = "checkpoint.safetensors", "previous.safetensors"


def save(directory: Path, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON-ready state; a kill at any moment leaves a whole checkpoint behind."""
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # scalars stay scalars
    text = json.dumps(dict(state), sort_keys=True)
    current = directory / _CURRENT
    with files.replacing(current) as temporary:
        save_file(whole, temporary, metadata={"state": text, "digest": _digest(whole, text)})
        if current.exists():
            previous = directory / _PREVIOUS
            previous.unlink(missing_ok=True)
            os.link(current, previous)


def load(directory: Path) -> tuple[dict[str, Array], dict[str, Any], str | None] | None:
    """The newest whole checkpoint: (arrays, state, warning); None where there is none.

    A torn or changed file is found by its digest; then the one before is used, and the warning says so.
    """
    warning = None
    for name in (_CURRENT, _PREVIOUS):
        path = directory / name
        if not path.exists():
            continue
        try:
            return (*_read(path), warning)
        except (OSError, ValueError) as error:
            warning = f"{path}: damaged ({error}); the checkpoint before it is used"
    if warning:
        warning = warning.replace("the checkpoint before it is used", "training starts again")
        return {}, {}, warning
    return None


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if "state" not in metadata or metadata.get("digest") != _digest(arrays, metadata["state"]):
        raise ValueError("its digest does not fit its content")
    return arrays, json.loads(metadata["state"])


def _digest(arrays: Mapping[str, Array], state: str) -> str:
    digest = hashlib.sha256(state.encode())
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
