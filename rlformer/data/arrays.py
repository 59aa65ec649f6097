"""The arrays of a log: their names, forms and hash. `data.dataset` has the table of what they hold."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array, Spaces

EPISODE = np.dtype(
    [
        ("length", np.int64),
        ("terminated", np.bool_),
        ("truncated", np.bool_),
        ("seed", np.int64),  # -1: unknown
        ("behaviour_steps", np.int64),  # steps its policy had been trained for when it ended; -1: unknown
    ]
)
ARRAYS = ("observations", "actions", "rewards", "episodes")
MEND = "restore it from an intact copy, or delete the folder and make it again"
_HASHED_AT_ONCE = 1 << 20  # numbers; the arrays may be larger than memory


def array_forms(spaces: Spaces, steps: int, episodes: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of each of ARRAYS in a log of so many steps and episodes."""
    seen, actions = spaces.observation, spaces.actions
    return {
        "observations": ((steps + episodes, *seen.stored_shape), seen.stored_dtype),
        "actions": ((steps, *actions.shape), np.dtype(actions.dtype)),
        "rewards": ((steps,), np.dtype(np.float64)),
        "episodes": ((episodes,), EPISODE),
    }


def content_hash(spaces: Spaces, observations: Array, actions: Array, rewards: Array, episodes: Array) -> str:
    """Identifies a log: 16 hex digits over all that can be learned from, its spaces and its numbers.

    When an episode was made, and from which seed, does not change what it teaches.
    """
    digest = hashlib.sha256(json.dumps(spaces.to_dict(), sort_keys=True).encode())
    taught = (episodes[field] for field in ("length", "terminated", "truncated"))
    for array in (observations, actions, rewards, *taught):
        flat = np.reshape(array, -1)
        for start in range(0, len(flat), _HASHED_AT_ONCE):
            digest.update(np.ascontiguousarray(flat[start : start + _HASHED_AT_ONCE]).tobytes())
    return digest.hexdigest()[:16]


def open_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The array of that form. Raises InputError, which names the file, where it is another or none."""
    if not path.is_file():
        raise InputError(f"{path}: damaged: the file is missing; {MEND}")
    try:
        array = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))  # "c": torch wants writable memory
    except Exception as error:  # a damaged header makes numpy's reader raise whatever it likes
        reason = " ".join(str(error).split()) or type(error).__name__
        if "pickle" in reason:  # numpy's guess of whatever it does not know, and its advice to load it unsafely
            reason = "not a numpy array"
        raise InputError(f"{path}: damaged: {reason}; {MEND}") from error
    if array.shape[:1] != shape[:1]:
        rows = len(array) if array.ndim else 0
        raise InputError(f"{path}: {rows} rows, dataset.json says {shape[0]}")
    if (array.shape, array.dtype) != (shape, dtype):
        raise InputError(f"{path}: {array.shape} {array.dtype}, dataset.json says {shape} {dtype}")
    return array
