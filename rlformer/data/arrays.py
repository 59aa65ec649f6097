"""The arrays of a log: their names, forms and hash. `data.dataset` has the table of what they hold."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

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
_HASHED_AT_ONCE = 1 << 20  # numbers; the arrays may be larger than memory


def array_forms(spaces: Spaces, steps: int, episodes: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of each of ARRAYS in a log of so many steps and episodes."""
    seen, actions = spaces.observation, spaces.actions
    return {
        "observations": ((steps + episodes, *seen.stored_shape), seen.dtype),
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
