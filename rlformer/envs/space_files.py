"""Gymnasium's spaces as JSON. Kinds: box, discrete, multidiscrete, multibinary, and dict and tuple of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array

_MOST_NUMBERS = 1 << 26  # of an observation


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


def space_from_dict(data: Mapping[str, Any]) -> spaces.Space[Any]:
    """The inverse of `space_to_dict`. Raises ValueError, KeyError or TypeError where the form is damaged."""
    kind = data["kind"]
    if kind == "dict":
        return spaces.Dict([(key, space_from_dict(part)) for key, part in data["spaces"]])
    if kind == "tuple":
        return spaces.Tuple([space_from_dict(part) for part in data["spaces"]])
    if kind == "discrete":
        (count,) = _shape([data["n"]])
        return spaces.Discrete(count, start=int(data["start"]), dtype=np.dtype(data["dtype"]).type)
    if kind == "multidiscrete":
        dtype = np.dtype(data["dtype"])
        sizes, start = np.array(data["nvec"], np.int64), np.array(data["start"], dtype)
        _shape([sizes.sum(dtype=float)])
        return spaces.MultiDiscrete(sizes, dtype=dtype.type, start=start)
    if kind == "multibinary":
        return spaces.MultiBinary(_shape(n) if isinstance(n := data["n"], list) else _shape([n])[0])
    if kind == "box":
        shape, dtype = _shape(data["shape"]), np.dtype(data["dtype"])
        low, high = (_array(data[name], infinite, shape, dtype) for name, infinite in (("low", -1), ("high", 1)))
        return spaces.Box(low, high, shape, dtype.type)
    raise ValueError(f"'{kind}' is not a kind of space")


def _shape(given: Any) -> tuple[int, ...]:
    """Raises ValueError where no observation has so many numbers: they would fill the memory."""
    shape = tuple(map(int, given))
    if min(shape, default=0) < 0 or math.prod(shape) > _MOST_NUMBERS:
        raise ValueError(f"{shape} is not a shape of an observation or an action")
    return shape


def _bound(values: Array) -> Any:
    flat = [None if np.isinf(value) else value.item() for value in values.ravel()]
    return flat[0] if flat and all(value == flat[0] for value in flat) else flat


def _array(bound: Any, infinite: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    flat = bound if isinstance(bound, list) else [bound]
    values = np.array([infinite * np.inf if value is None else value for value in flat], dtype)
    return values.reshape(shape) if isinstance(bound, list) else np.full(shape, values[0], dtype)
