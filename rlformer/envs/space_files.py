"""Gymnasium's spaces as JSON. Kinds: box, discrete, multidiscrete, multibinary, and dict and tuple of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array

_DEEPEST = 32  # spaces within spaces


def space_to_dict(space: spaces.Space[Any]) -> dict[str, Any]:
    """A JSON-ready form. Bounds of a box are one number where all are alike; null is infinite."""
    if isinstance(space, spaces.Dict):
        inner = [[key, space_to_dict(part)] for key, part in space.spaces.items()]  # pairs: their order counts
        return {"kind": "dict", "spaces": inner}
    if isinstance(space, spaces.Tuple):
        return {"kind": "tuple", "spaces": [space_to_dict(part) for part in space.spaces]}
    if isinstance(space, spaces.Discrete):
        return {"kind": "discrete", "n": int(space.n), "start": int(space.start), "dtype": str(space.dtype)}
    if isinstance(space, spaces.MultiDiscrete):
        sizes = {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
        return {"kind": "multidiscrete", **sizes, "dtype": str(space.dtype)}
    if isinstance(space, spaces.MultiBinary):
        number = list(space.n) if isinstance(space.n, tuple) else int(space.n)
        return {"kind": "multibinary", "n": number, "shape": list(space.shape)}
    if isinstance(space, spaces.Box):
        bounds = {"low": _bound(space.low), "high": _bound(space.high)}
        return {"kind": "box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    raise InputError(f"{type(space).__name__} spaces are not supported")


def space_from_dict(data: Mapping[str, Any], depth: int = 0) -> spaces.Space[Any]:
    """The inverse of `space_to_dict`. Raises ValueError, KeyError or TypeError where the form is damaged."""
    if depth > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} spaces lie within each other")
    kind = data["kind"]
    if kind == "dict":
        return spaces.Dict([(key, space_from_dict(part, depth + 1)) for key, part in data["spaces"]])
    if kind == "tuple":
        return spaces.Tuple([space_from_dict(part, depth + 1) for part in data["spaces"]])
    if kind == "discrete":
        return spaces.Discrete(int(data["n"]), start=int(data["start"]), dtype=np.dtype(data["dtype"]).type)
    if kind == "multidiscrete":
        dtype = np.dtype(data["dtype"])
        sizes, start = np.array(data["nvec"], np.int64), np.array(data["start"], dtype)
        return spaces.MultiDiscrete(sizes, dtype=dtype.type, start=start)
    if kind == "multibinary":
        return spaces.MultiBinary(data["n"])
    if kind == "box":
        shape, dtype = tuple(data["shape"]), np.dtype(data["dtype"])
        low, high = (_array(data[name], infinite, shape, dtype) for name, infinite in (("low", -1), ("high", 1)))
        return spaces.Box(low, high, shape, dtype.type)
    raise ValueError(f"'{kind}' is no kind of space")


def _bound(values: Array) -> Any:
    flat = [None if np.isinf(value) else value.item() for value in values.ravel()]
    return flat[0] if flat and all(value == flat[0] for value in flat) else flat


def _array(bound: Any, infinite: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    flat = bound if isinstance(bound, list) else [bound]
    values = np.array([infinite * np.inf if value is None else value for value in flat], dtype)
    return values.reshape(shape) if isinstance(bound, list) else np.full(shape, values[0], dtype)
