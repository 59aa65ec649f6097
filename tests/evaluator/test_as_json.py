"""results.json and the types of evidence: there and back without loss, and by the published schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlformer.core.codec import KEPT
from rlformer.evaluator import schema
from rlformer.evaluator.as_json import decode, encode, rounded
from rlformer.evaluator.judge.evidence import Judgement
from rlformer.evaluator.judge.values import Band, Estimate
from tests.goldens import make

GOLDENS = [json.loads((make.HERE / study / "results.json").read_text(encoding="utf-8")) for study in make.STUDIES]
WORDS = {
    "title",
    "command",
    "built",
    "limits",
    "warnings",
    "placing",
    "summary",
    "headline",
    "reasons",
    "flips",
    "certainty",
    "next",
}
JSON_TYPES: Mapping[str, Any] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None), "array": list,
    "object": dict,
}  # fmt: skip


def gone(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Paths of values that are not the same, the report's words aside."""
    if isinstance(before, dict) and isinstance(after, dict):
        words = WORDS if "environments" in before or "arms" in before or "answer" in before else set()
        for key in sorted({*before, *after}):
            if key not in after and key in words:
                continue
            yield from gone(before.get(key, "absent"), after.get(key, "absent"), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from gone(one, other, f"{path}[{i}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


@pytest.mark.parametrize("results", GOLDENS, ids=make.STUDIES)
def test_results_become_evidence_and_back_without_loss(results: dict[str, Any]) -> None:
    assert not list(gone(results, encode(decode(Judgement, results))))


@pytest.mark.parametrize("results", GOLDENS, ids=make.STUDIES)
def test_what_is_written_says_the_type_of_everything(results: dict[str, Any]) -> None:
    assert not list(faults(schema.results_schema(), results, schema.results_schema()["$defs"]))


def test_the_published_schema_is_that_of_the_types() -> None:
    assert schema.PATH.read_text(encoding="utf-8") == schema.text(), "meant so? python -m rlformer.evaluator.schema"


def test_the_schema_refuses_what_the_types_do_not_know() -> None:
    definitions = schema.results_schema()["$defs"]
    arm = GOLDENS[0]["environments"][0]["arms"][0]
    for wrong in ({**arm, "lable": "x"}, {**arm, "failed": "none"}, {k: v for k, v in arm.items() if k != "role"}):
        assert list(faults(definitions["ArmEvidence"], wrong, definitions))


def faults(rule: Mapping[str, Any], value: Any, definitions: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What of a value is not as the schema says; of the words of JSON Schema those that `schema` writes."""
    if "$ref" in rule:
        rule = definitions[rule["$ref"].rpartition("/")[2]]
    if "anyOf" in rule and all(list(faults(each, value, definitions)) for each in rule["anyOf"]):
        yield f"{path}: fits none of {len(rule['anyOf'])}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{path}: {value!r} is none of {rule['enum']}"
    if "type" not in rule:
        return
    truth = isinstance(value, bool) and rule["type"] != "boolean"
    if truth or not isinstance(value, JSON_TYPES[rule["type"]]):
        yield f"{path}: {value!r} is no {rule['type']}"
    elif rule["type"] == "array":
        for i, item in enumerate(value):
            each = rule.get("prefixItems", [rule.get("items", {})] * len(value))
            yield from faults(each[i], item, definitions, f"{path}[{i}]")
    elif rule["type"] == "object":
        yield from (f"{path}: no {key}" for key in rule.get("required", ()) if key not in value)
        for key, item in value.items():
            other = rule.get("additionalProperties", True)
            known = rule.get("properties", {}).get(key, other)
            if known is False:
                yield f"{path}: {key} is not known"
            elif known is not True:
                yield from faults(known, item, definitions, f"{path}.{key}")


@dataclass(frozen=True)
class Thing:
    """One of each way to be None."""

    return_: float
    needed: int | None
    absent: int | None = None
    kept: int | None = field(default=None, metadata=KEPT)


def test_a_field_that_is_none_by_default_is_left_out() -> None:
    assert encode(Band((1.0,), (2.0,))) == {"x": [1.0], "mean": [2.0]}
    assert encode(Thing(0.5, None)) == {"return": 0.5, "needed": None, "kept": None}


def test_floats_keep_seven_digits_and_what_is_not_finite_is_none() -> None:
    found = rounded(Estimate(1 / 3, 12_345_678.0, float("inf")))
    assert found == Estimate(0.3333333, 12_345_680.0, None)
    assert rounded({"a": (float("nan"), 3, True, "x")}) == {"a": (None, 3, True, "x")}
