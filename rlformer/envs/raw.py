"""Whether one observation is one of its space, before anything is computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array, computable


def check_observation(space: spaces.Space[Any], value: Any, name: str = "observation") -> Any:
    """The observation in the dtypes of its space. Bounds of a Box are not held against it: many environments exceed
    their own. name: what to call it.

    Raises InputError, with the part's name and what would be right, where a key, a shape, a dtype or a category is
    wrong, or a number is none.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(value, Mapping):
            raise InputError(f"{name}: expected a dict of {', '.join(map(repr, space.spaces))}, got {_kind(value)}")
        if lacking := [key for key in space.spaces if key not in value]:
            raise InputError(f"{name}: lacks the key {', '.join(map(repr, lacking))}; it has {_keys(value)}")
        if foreign := [key for key in value if key not in space.spaces]:
            raise InputError(
                f"{name}: has the key {', '.join(map(repr, foreign))}, which the space does not; it has {_keys(space)}"
            )
        return {key: check_observation(part, value[key], f"{name}[{key!r}]") for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(space.spaces):
            raise InputError(f"{name}: expected a tuple of {len(space.spaces)}, got {_kind(value)}")
        pairs = enumerate(zip(space.spaces, value, strict=True))
        return tuple(check_observation(part, each, f"{name}[{i}]") for i, (part, each) in pairs)
    array = _shaped(space, value, name)
    if isinstance(space, spaces.Discrete):
        _check_categories(array, np.asarray(space.start), np.asarray(space.n), name)
        return int(array)
    if isinstance(space, spaces.MultiDiscrete):
        _check_categories(array, space.start, space.nvec, name)
    elif isinstance(space, spaces.MultiBinary):
        _check_categories(array, np.asarray(0), np.asarray(2), name)
    return array


def _shaped(space: spaces.Space[Any], value: Any, name: str) -> Array:
    """The value as an array of the space's shape and dtype."""
    shape = space.shape or ()
    try:
        given = np.asarray(value)
    except (ValueError, TypeError):  # rows of unequal lengths
        raise InputError(f"{name}: {_kind(value)} is no array of numbers; expected shape {shape}") from None
    if given.dtype.kind not in "fiub":
        raise InputError(f"{name}: {_kind(value)} is no array of numbers; expected shape {shape} {space.dtype}")
    if given.shape != shape and not (shape == () and given.size == 1):
        several = " (one observation, not a batch of them)" if given.shape[1:] == shape else ""
        raise InputError(f"{name}: shape {given.shape}, expected {shape}{several}")
    given = given.reshape(shape)
    dtype = np.dtype(space.dtype)
    if given.dtype.kind == "f" and dtype.kind != "f":
        raise InputError(f"{name}: dtype {given.dtype}, expected {dtype}")
    if dtype.kind in "iu" and given.size and not _holds(dtype, given):
        raise InputError(f"{name}: {given.min()} to {given.max()} do not fit into {dtype}")
    if not computable(given).all():
        wrong = given[~computable(given)].ravel()[0]
        raise InputError(f"{name}: has {wrong} in it")
    return given.astype(dtype)


def _holds(dtype: np.dtype[Any], values: Array) -> bool:
    limits = np.iinfo(dtype)
    return int(values.min()) >= limits.min and int(values.max()) <= limits.max


def _check_categories(values: Array, start: Array, sizes: Array, name: str) -> None:
    wrong = (values < start) | (values >= start + sizes)
    if wrong.any():
        at = int(np.argmax(wrong.ravel()))
        first, size = (np.broadcast_to(x, values.shape).ravel()[at] for x in (start, sizes))
        place = f"[{at}]" if values.ndim else ""
        raise InputError(f"{name}{place}: category {values.ravel()[at]}, expected {first} to {first + size - 1}")


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a dict of {_keys(value)}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} {value.dtype}"
    return "None" if value is None else f"a {type(value).__name__}"


def _keys(value: Any) -> str:
    keys = value.spaces if isinstance(value, spaces.Dict) else value
    return ", ".join(map(repr, keys)) or "none"
