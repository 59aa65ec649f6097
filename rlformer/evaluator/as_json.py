"""Evidence as JSON and back: the one place that turns dataclasses into results.json. It knows types, and no names.

As in `core.codec`, with floats rounded. Keys that a type does not know are passed over: the report's words stand among
them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from rlformer.core import codec
from rlformer.core.codec import decode
from rlformer.core.records import EnvSpec

__all__ = ["decode", "encode", "rounded"]

DIGITS = 7  # significant ones, of every float: what is recomputed from results.json agrees to six

T = TypeVar("T")


def rounded(value: T, digits: int = DIGITS) -> T:
    """The same with floats of so many significant digits; JSON knows no infinity, so what is not finite becomes None.

    Works within dataclasses, mappings, lists and tuples, and makes numpy's numbers Python's.
    """
    found: Any = value
    if isinstance(value, EnvSpec):
        found = EnvSpec.from_dict(rounded(value.to_dict(), digits), value.source)
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
    return rounded(codec.encode(value))
