"""Evidence as JSON and back: the one place that turns dataclasses into results.json. It knows types, and no names.

A field is a key of its name, without the underscore that keeps it from being a word of Python; a field whose default is
None is left out while it is None, unless its metadata are KEPT. Keys that a type does not know are passed over: the
report's words stand among them. The way back is `core.codec.decode`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from rlformer.core.codec import decode
from rlformer.core.records import EnvSpec

__all__ = ["decode", "encode", "key_of", "optional", "rounded"]

DIGITS = 7  # significant ones, of every float

T = TypeVar("T")


def rounded(value: T, digits: int = DIGITS) -> T:
    """The same with floats of so many significant digits; JSON knows no infinity, so what is not finite becomes None.

    Works within dataclasses, mappings, lists and tuples, and makes numpy's numbers Python's.
    """
    found: Any = value
    if isinstance(value, EnvSpec):
        found = EnvSpec.from_dict(rounded(value.to_dict(), digits))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: rounded(getattr(value, field.name), digits) for field in dataclasses.fields(value)}
        found = dataclasses.replace(value, **parts)
    elif isinstance(value, Mapping):
        found = {str(key): rounded(item, digits) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        found = type(value)([rounded(item, digits) for item in value])
    elif isinstance(value, (float, np.floating)):
        found = float(f"{value:.{digits}g}") if math.isfinite(value) else None
    elif isinstance(value, np.generic):
        found = value.item()
    return found


def encode(value: object) -> Any:
    """What json.dumps takes."""
    if isinstance(value, EnvSpec):
        return encode(value.to_dict())  # without the keys that are empty
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        known = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {key_of(f): encode(item) for f, item in known if item is not None or not optional(f)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [encode(item) for item in value]
    return rounded(value.tolist() if isinstance(value, np.ndarray) else value)


def optional(field: dataclasses.Field[Any]) -> bool:
    """Whether JSON leaves it out while it is None."""
    return field.default is None and not field.metadata.get("kept")


def key_of(field: dataclasses.Field[Any]) -> str:
    return field.name.rstrip("_")
