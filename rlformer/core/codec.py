"""Frozen dataclasses as JSON and back, by their type hints: the one place that knows how values are written."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union

import numpy as np

from rlformer.core.records import EnvSpec

T = TypeVar("T")
KEPT = {"kept": True}  # metadata of a field that is written though it is None, its default


def encode(value: Any) -> Any:
    """A JSON-ready form: dataclasses as objects, tuples and arrays as lists, numpy's numbers as Python's.

    A field that ends in an underscore, since Python reserves the word, is written without it. One whose default is None
    is left out while it is None, unless its metadata are KEPT.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Point:
    ...     return_: float
    ...     counts: tuple[int, ...] = ()
    >>> encode(Point(0.5, (1, 2)))
    {'return': 0.5, 'counts': [1, 2]}
    >>> decode(Point, {"return": 0.5, "counts": [1, 2]})
    Point(return_=0.5, counts=(1, 2))
    """
    if isinstance(value, EnvSpec):
        return value.to_dict()  # without the keys that are empty
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        known = ((each, getattr(value, each.name)) for each in dataclasses.fields(value))
        return {key_of(each.name): encode(item) for each, item in known if item is not None or not optional(each)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [encode(item) for item in sorted(value)]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def decode(cls: type[T], data: Any) -> T:
    """The inverse of `encode` for a value of type `cls`. Keys that `cls` does not have are left out.

    Hints may be dataclasses, numbers, text, tuples, sequences, mappings, sets, unions with None, Literal, numpy's
    arrays and Any, nested as they like. Raises ValueError, with the path to the value, where the data is no such value.
    """
    found: T = _decoded(cls, data, getattr(cls, "__name__", "value"))
    return found


def key_of(name: str) -> str:
    """The key of a field of that name."""
    return name.removesuffix("_")


def optional(field: dataclasses.Field[Any]) -> bool:
    """Whether a field is left out while it is None."""
    return field.default is None and not field.metadata.get("kept")


@functools.cache
def _fields(cls: type) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it must be given, of each field."""
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return tuple(
        (each.name, hints[each.name], each.default is missing and each.default_factory is missing)
        for each in dataclasses.fields(cls)
        if each.init
    )


def _decoded(hint: Any, data: Any, path: str) -> Any:
    if hint is Any or hint is object:
        return data
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, data, path)
    if origin is Literal:
        return data if data in arguments else _fail(path, f"one of {', '.join(map(str, arguments))}", data)
    kind = origin or hint
    if not isinstance(kind, type):
        raise TypeError(f"{path}: cannot decode {hint}")
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, data, path)
    if issubclass(kind, np.ndarray):
        return np.asarray(data) if isinstance(data, (list, np.ndarray)) else _fail(path, "a list", data)
    if kind is tuple:
        return _tuple(arguments, data, path)
    if issubclass(kind, Mapping):
        value = arguments[1] if arguments else Any
        if not isinstance(data, Mapping):
            return _fail(path, "an object", data)
        return {key: _decoded(value, item, f"{path}.{key}") for key, item in data.items()}
    if kind in (list, set, frozenset) or (issubclass(kind, Sequence) and kind not in (str, bytes)):
        items = _items(arguments[0] if arguments else Any, data, path)
        return kind(items) if kind in (set, frozenset) else items if kind is list else tuple(items)
    return _plain(kind, data, path)


def _plain(kind: type, data: Any, path: str) -> Any:
    """None, truth values, numbers and text. A whole number may stand for a real one."""
    if kind is type(None):
        return data if data is None else _fail(path, "null", data)
    if kind is float and isinstance(data, (int, float)) and not isinstance(data, bool):
        return float(data)
    if isinstance(data, kind) and (kind is bool or not isinstance(data, bool)):
        return data
    return _fail(path, kind.__name__, data)


def _one_of(hints: tuple[Any, ...], data: Any, path: str) -> Any:
    """The first that fits."""
    wrong: list[ValueError] = []
    for hint in sorted(hints, key=lambda hint: hint is not type(None)):  # None is told at once
        try:
            return _decoded(hint, data, path)
        except ValueError as error:
            wrong.append(error)
    raise wrong[-1]


def _dataclass(cls: type, data: Any, path: str) -> Any:
    if not isinstance(data, Mapping):
        return _fail(path, "an object", data)
    given = {}
    for name, hint, needed in _fields(cls):
        key = key_of(name)
        if key in data:
            given[name] = _decoded(hint, data[key], f"{path}.{key}")
        elif needed:
            raise ValueError(f"{path}.{key}: missing")
    return cls(**given)


def _tuple(arguments: tuple[Any, ...], data: Any, path: str) -> tuple[Any, ...]:
    if not arguments or arguments[-1] is Ellipsis:
        return tuple(_items(arguments[0] if arguments else Any, data, path))
    if not isinstance(data, (list, tuple)) or len(data) != len(arguments):
        return _fail(path, f"{len(arguments)} items", data)
    return tuple(
        _decoded(hint, item, f"{path}[{i}]") for i, (hint, item) in enumerate(zip(arguments, data, strict=True))
    )


def _items(hint: Any, data: Any, path: str) -> list[Any]:
    if not isinstance(data, (list, tuple)):
        return _fail(path, "a list", data)
    return [_decoded(hint, item, f"{path}[{i}]") for i, item in enumerate(data)]


def _fail(path: str, wanted: str, data: Any) -> Any:
    raise ValueError(f"{path}: {wanted} expected, not {str(data)[:60]!r}")
