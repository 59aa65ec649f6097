"""The JSON schema of results.json, made from the types of evidence.

    python -m rlformer.evaluator.schema

writes `results.schema.json` beside this file anew; a test holds it to the types, and the golden studies to it.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union

import numpy as np

from rlformer.core.codec import key_of, optional
from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.evidence import Evidence, Judgement
from rlformer.evaluator.judge.verdict import Verdict

PATH = Path(__file__).with_name("results.schema.json")
OPEN = (Judgement, Evidence, Verdict)  # the report's words stand among their keys
_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def results_schema() -> dict[str, Any]:
    """The schema of what `as_json.encode` makes of a Judgement, with the report's words or without them."""
    definitions: dict[str, Any] = {}
    root = _of(Judgement, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "results.json of rlformer",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """As it is published."""
    return json.dumps(results_schema(), indent=1) + "\n"


def _of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; those of dataclasses stand among `definitions`, by name."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(member, definitions) for member in inner]}
    if origin is Literal:
        return {"enum": list(inner)}
    kind = origin or hint
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, definitions)
    if kind is tuple and inner[-1] is not Ellipsis:
        return {"type": "array", "prefixItems": [_of(item, definitions) for item in inner], "minItems": len(inner)}
    if kind is tuple:
        return {"type": "array", "items": _of(inner[0], definitions)}
    if isinstance(kind, type) and issubclass(kind, np.ndarray):
        return {"type": "array"}
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return {"type": "object", "additionalProperties": _of(inner[1], definitions)}
    return {}  # anything


def _dataclass(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{kind.__name__}"}
    if kind.__name__ in definitions:
        return reference
    found: dict[str, Any] = {"type": "object"}
    definitions[kind.__name__] = found  # before its fields, which may hold it again
    hints = typing.get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if field.metadata.get("written", True)]
    left_out = {f.name for f in fields if optional(f) or (kind is EnvSpec and f.name not in ("name", "id"))}
    found["properties"] = {key_of(field.name): _of(hints[field.name], definitions) for field in fields}
    found["required"] = [key_of(field.name) for field in fields if field.name not in left_out]
    found["additionalProperties"] = kind in OPEN
    return reference


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
