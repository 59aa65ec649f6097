"""Observations held against their space: taken as a copy, or refused with what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from rlformer.core.spaces import Array

Take = Callable[[Any], Any]


class Unlike(Exception):
    """An observation is not one of its space. The message continues "the observation ..."."""


def taking(space: spaces.Space[Any], part: str = "") -> Take:
    """What gives a copy of an observation of this space, in the dtypes of the space, whatever its source does later.

    It raises Unlike where structure, keys, shape, kind of number or a category do not fit. Bounds of a Box are not
    looked at: many environments overstep theirs, and nothing hangs on them. part: the name of what is looked at, within
    Dicts and Tuples.
    """
    if isinstance(space, spaces.Dict):
        return _mapping({key: taking(inner, _within(part, key)) for key, inner in space.spaces.items()}, part)
    if isinstance(space, spaces.Tuple):
        return _sequence([taking(inner, _within(part, i)) for i, inner in enumerate(space.spaces)], part)
    if isinstance(space, spaces.Discrete):
        return _category(int(space.start), int(space.start + space.n) - 1, part)
    if isinstance(space, spaces.MultiDiscrete):
        return _categories(space.start, space.start + space.nvec - 1, space.shape, np.dtype(space.dtype), part)
    if isinstance(space, spaces.MultiBinary):
        return _categories(np.array(0), np.array(1), space.shape, np.dtype(space.dtype), part)
    if isinstance(space, spaces.Box):
        return _numbers(space.shape, np.dtype(space.dtype), part)
    return lambda value: value  # no canonical form: it is refused for that


def _within(outer: str, inner: Any) -> str:
    return f"{outer}.{inner}" if outer else str(inner)


def _of(part: str) -> str:
    return f"has a part '{part}' that " if part else ""


def _mapping(takes: Mapping[Any, Take], part: str) -> Take:
    keys = takes.keys()

    def take(value: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise Unlike(f"{_of(part)}is a {type(value).__name__}, where the space is a Dict")
        if value.keys() != keys:
            named = ", ".join(f"'{key}'" for key in value)
            expected = ", ".join(f"'{key}'" for key in keys)
            raise Unlike(f"{_of(part)}has the keys {named or 'none'}, where the space has {expected}")
        return {key: inner(value[key]) for key, inner in takes.items()}

    return take


def _sequence(takes: list[Take], part: str) -> Take:
    def take(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (tuple, list)):
            raise Unlike(f"{_of(part)}is a {type(value).__name__}, where the space is a Tuple")
        if len(value) != len(takes):
            raise Unlike(f"{_of(part)}has {len(value)} items, where the space has {len(takes)}")
        return tuple(inner(item) for inner, item in zip(takes, value, strict=True))

    return take


def _category(first: int, last: int, part: str) -> Take:
    def take(value: Any) -> int:
        number: int = value if type(value) is int else _whole(value, part)
        if not first <= number <= last:
            raise Unlike(f"{_of(part)}is {number}, outside of its categories {first} to {last}")
        return number

    return take


def _whole(value: Any, part: str) -> int:
    """A number or an array of one."""
    array = _array(value, part)
    if array.size != 1 or array.dtype.kind not in "iub":
        raise Unlike(f"{_of(part)}is {_described(array)}, where the space is one whole number")
    return int(array.reshape(())[()])


def _categories(first: Array, last: Array, shape: tuple[int, ...], dtype: np.dtype[Any], part: str) -> Take:
    def take(value: Any) -> Array:
        array = _array(value, part)
        _check(array, shape, dtype, part)
        if (outside := (array < first) | (array > last)).any():
            raise Unlike(f"{_of(part)}has {array[outside].ravel()[0]} in it, outside of its categories")
        return array.astype(dtype)

    return take


def _numbers(shape: tuple[int, ...], dtype: np.dtype[Any], part: str) -> Take:
    def take(value: Any) -> Array:
        if type(value) is np.ndarray and value.dtype == dtype and value.shape == shape:
            return value.copy()
        array = _array(value, part)
        _check(array, shape, dtype, part)
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is told where it is used
            cast = array.astype(dtype)
        if dtype.kind != "f" and (changed := cast != array).any():
            raise Unlike(f"{_of(part)}has {array[changed].ravel()[0]} in it, which {dtype} does not hold")
        return cast

    return take


def _array(value: Any, part: str) -> Array:
    try:
        return np.asarray(value)
    except Exception as error:  # ragged lists, tensors elsewhere
        raise Unlike(f"{_of(part)}is a {type(value).__name__} that makes no array: {error}") from error


def _check(array: Array, shape: tuple[int, ...], dtype: np.dtype[Any], part: str) -> None:
    """Shape, and kind of number: whole ones may stand for real ones."""
    if array.shape != shape:
        raise Unlike(f"{_of(part)}has shape {array.shape}, where the space has {shape}")
    if array.dtype.kind not in ("fiub" if dtype.kind == "f" else "iub"):
        raise Unlike(f"{_of(part)}has dtype {array.dtype}, where the space has {dtype}")


def _described(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}" if array.shape else f"{array.dtype} {str(array)[:40]!r}"
