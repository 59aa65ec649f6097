"""Dataclasses survive JSON, and data of another shape is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from rlformer.core.codec import decode, encode
from rlformer.core.spaces import Array


@dataclass(frozen=True)
class Inner:
    return_: float | None
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    count: int
    pair: tuple[float, int]
    inner: Inner | None
    by_name: Mapping[str, tuple[Inner, ...]]
    lists: Sequence[Sequence[float]]
    array: Array
    names: frozenset[str] = frozenset()
    anything: Any = None
    flags: tuple[bool, ...] = ()
    rows: list[int] = field(default_factory=list)


VALUE = Outer(
    2, (0.5, 1), Inner(1.0, "b"), {"x": (Inner(None),)}, ((1.0,), ()), np.array([[1.0], [2.0]]),
    frozenset({"b", "a"}), {"free": [1, "x"]}, (True, False), [3],
)  # fmt: skip


def test_a_value_survives_json() -> None:
    again = decode(Outer, json.loads(json.dumps(encode(VALUE))))
    assert again.inner == Inner(1.0, "b")
    assert again.by_name == {"x": (Inner(None),)}
    np.testing.assert_array_equal(again.array, VALUE.array)
    assert encode(again) == encode(VALUE)
    assert encode(VALUE)["inner"] == {"return": 1.0, "kind": "b"}


def test_numpys_numbers_become_pythons() -> None:
    assert encode({"a": np.float32(0.5), "b": (np.int64(1), np.bool_(True))}) == {"a": 0.5, "b": [1, True]}


def test_defaults_stand_in_and_unknown_keys_are_left_out() -> None:
    assert decode(Inner, {"return": None, "more": 1}) == Inner(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "2"}, r"Outer.count: int expected, not '2'"),
        ({"count": True}, r"Outer.count: int expected"),
        ({"pair": [1.0]}, r"Outer.pair: 2 items expected"),
        ({"inner": {"return": 1.0, "kind": "c"}}, r"Outer.inner.kind: one of a, b expected, not 'c'"),
        ({"by_name": {"x": [{}]}}, r"Outer.by_name.x\[0\].return: missing"),
        ({"lists": [["x"]]}, r"Outer.lists\[0\]\[0\]: float expected"),
        ({"array": 1.0}, r"Outer.array: a list expected"),
    ],
)
def test_data_of_another_shape_is_refused_with_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(Outer, {**encode(VALUE), **change})
