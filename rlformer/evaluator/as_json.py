"""Evidence as JSON and back: the one place that turns dataclasses into results.json. It knows types, and no names.

A field is a key of its name, without the underscore that keeps it from being a word of Python; a field whose default is
None is left out while it is None, unless its metadata are KEPT. Keys that a type does not know are passed over: the
report's words stand among them.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from rlformer.core.records import EnvSpec

DIGITS = 7  # significant ones, of every float

T = TypeVar("T")


def rounded(value: T) -> T:
    """The same with floats of DIGITS significant digits; JSON knows no infinity, so what is not finite becomes None.

    Works within dataclasses, mappings, lists and tuples, and makes numpy's numbers Python's.
    """
    found: Any = value
    if isinstance(value, EnvSpec):
        found = EnvSpec.from_dict(rounded(value.to_dict()))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: rounded(getattr(value, field.name)) for field in dataclasses.fields(value)}
        found = dataclasses.replace(value, **parts)
    elif isinstance(value, Mapping):
        found = {str(key): rounded(item) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        found = type(value)([rounded(item) for item in value])
    elif isinstance(value, (float, np.floating)):
        found = float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    elif isinstance(value, np.generic):
        found = value.item()
    return found


def encode(value: object) -> Any:
    """What json.dumps takes."""
    if isinstance(value, EnvSpec):
        return encode(value.to_dict())  # without the keys that are empty
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        known = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {_key(f): encode(item) for f, item in known if item is not None or not optional(f)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [encode(item) for item in value]
    return rounded(value)


def decode(hint: type[T], value: Any) -> T:
    """The inverse of `encode`, by the type that the value had. Raises KeyError where a key is missing."""
    return _decode(hint, value)


def _decode(hint: Any, value: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _decode(_member(inner, value), value)
    if hint is EnvSpec:
        return EnvSpec.from_dict(value)
    if dataclasses.is_dataclass(hint):
        return _instance(hint, value)
    if origin is tuple:
        each = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_decode(of, item) for of, item in zip(each, value, strict=True))
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        return {key: _decode(inner[1], item) for key, item in value.items()}
    return value


def _member(union: Sequence[Any], value: Any) -> Any:
    """The member of a union that a value is of: of dataclasses the one of its `kind`."""
    members = [member for member in union if member is not type(None)]
    if len(members) == 1 or not isinstance(value, Mapping):
        return members[0]
    return next(m for m in members if {f.name: f.default for f in dataclasses.fields(m)}["kind"] == value["kind"])


def _instance(hint: Any, value: Mapping[str, Any]) -> Any:
    hints, known = hints_of(hint), {}
    for field in dataclasses.fields(hint):
        key = _key(field)
        if key in value:
            known[field.name] = _decode(hints[field.name], value[key])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise KeyError(f"{hint.__name__} without '{key}'")
    return hint(**known)


@cache
def hints_of(hint: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(hint)


def optional(field: dataclasses.Field[Any]) -> bool:
    """Whether JSON leaves it out while it is None."""
    return field.default is None and not field.metadata.get("kept")


def _key(field: dataclasses.Field[Any]) -> str:
    return field.name.rstrip("_")
