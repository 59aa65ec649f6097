"""An environment's own spaces, kept in a file; one observation and one action between them and the canonical form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Spaces
from rlformer.envs.native import NativeSpaces, Translator, native_spaces, native_spaces_in
from rlformer.envs.raw import check_observation
from rlformer.envs.spaces import canonical
from tests.support.make_training import match

OBSERVATIONS = {
    "vector": spaces.Box(-np.inf, 2.5, (3,), np.float32),
    "matrix of doubles": spaces.Box(np.array([[-1.0, 0.0]]), np.array([[1e-9, np.inf]]), dtype=np.float64),
    "large integers": spaces.Box(-(2**62), 2**62, (2,), np.int64),
    "bits": spaces.MultiBinary(3),
    "category": spaces.Discrete(4, start=-2),
    "categories": spaces.MultiDiscrete([[2, 3], [4, 5]]),
    "named, in an order of its own": spaces.Dict(
        [("b", spaces.Discrete(2)), ("a", spaces.Tuple([spaces.Box(0, 1, (2,)), spaces.MultiBinary([1, 2])]))]
    ),
}
ACTIONS = {
    "category": spaces.Discrete(3, start=5),
    "categories": spaces.MultiDiscrete([2, 3], start=[1, 2]),
    "table of categories": spaces.MultiDiscrete([[2, 3]]),
    "bits": spaces.MultiBinary((2, 2)),
    "integers": spaces.Box(-2, 2, (2,), np.int64),
    "bytes": spaces.Box(0, 255, (1, 2), np.uint8),
    "doubles": spaces.Box(-0.1, 0.1, (1,), np.float64),
    "one number": spaces.Box(-1.0, 1.0, (), np.float32),
}


class Shows(gym.Env[Any, Any]):
    """Spaces, and samples of them."""

    def __init__(self, observation: spaces.Space[Any], action: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observation, action

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.observation_space.sample(), {}


def native(observation: spaces.Space[Any], action: spaces.Space[Any]) -> NativeSpaces:
    return native_spaces_in(canonical(Shows(observation, action)))


@pytest.mark.parametrize(
    "space",
    [
        {"kind": "box", "shape": [10**12], "dtype": "float32", "low": -1.0, "high": 1.0},
        {"kind": "box", "shape": [-1], "dtype": "float32", "low": -1.0, "high": 1.0},
        {"kind": "multibinary", "n": 10**12},
        {"kind": "discrete", "n": 10**12, "start": 0, "dtype": "int64"},
        {"kind": "multidiscrete", "nvec": [2, 10**12], "start": [0, 0], "dtype": "int64"},
    ],
    ids=lambda space: space["kind"],
)
def test_a_file_of_spaces_that_fill_the_memory_is_damaged(space: dict[str, Any], tmp_path: Path) -> None:
    native(spaces.Box(-1, 1, (2,)), spaces.Discrete(2)).save(tmp_path)
    path = tmp_path / "spaces.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "observation": space}))
    with pytest.raises(InputError, match=r"^\S+spaces\.json: damaged: .* is not a shape"):
        NativeSpaces.load(tmp_path)


def test_a_torn_file_of_spaces_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "spaces.json").write_text("{")
    with pytest.raises(InputError) as caught:
        NativeSpaces.load(tmp_path)
    assert str(caught.value).count("spaces.json") == 1


@pytest.mark.parametrize("observation", OBSERVATIONS.values(), ids=OBSERVATIONS)
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_they_come_back_from_json_as_they_were(observation: spaces.Space[Any], action: spaces.Space[Any]) -> None:
    found = native(observation, action)
    again = NativeSpaces.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert again == found
    if isinstance(observation, spaces.Dict):
        assert isinstance(again.observation, spaces.Dict)
        assert list(again.observation.spaces) == ["b", "a"]


@pytest.mark.parametrize("observation", OBSERVATIONS.values(), ids=OBSERVATIONS)
def test_an_observation_becomes_what_the_environment_itself_gives(observation: spaces.Space[Any]) -> None:
    env = canonical(Shows(observation, spaces.Discrete(2)))
    translator = Translator(native_spaces_in(env))
    observation.seed(0)
    for _ in range(5):
        raw = observation.sample()
        expected = env.observation(raw) if hasattr(env, "observation") else raw
        row = translator.observation(raw)
        assert np.array_equal(row, expected)
        assert row.dtype == translator.native.canonical.observation.dtype


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_an_action_is_one_of_the_environments_own(action: spaces.Space[Any]) -> None:
    found = native(spaces.Discrete(2), action)
    translator, spec = Translator(found), found.canonical.actions
    for row in spec.sample(np.random.default_rng(0), 20):
        own = translator.action(row)
        assert action.contains(own)
        assert type(own) is (int if isinstance(action, spaces.Discrete) else np.ndarray)


def test_integers_are_rounded() -> None:
    translator = Translator(native(spaces.Discrete(2), ACTIONS["integers"]))
    assert translator.action(np.array([1.7, -1.6], np.float32)).tolist() == [2, -2]


def test_an_image_is_read_as_it_is_where_a_card_flattens_it() -> None:
    image = spaces.Box(0, 255, (4, 5, 3), np.uint8)
    made = canonical(gym.wrappers.FlattenObservation(Shows(image, spaces.Discrete(2))))
    found = NativeSpaces.from_dict(native_spaces_in(made).to_dict())
    assert found.flattened
    assert found.observation == image
    raw = image.sample()
    row = Translator(found).observation(raw)
    assert (row.shape, row.dtype) == ((60,), np.uint8)
    assert np.array_equal(row, raw.ravel())


@pytest.mark.parametrize(
    ("space", "wrong", "told"),
    [
        ("vector", [1.0, 2.0], r"shape \(2,\), expected \(3,\)"),
        ("vector", [[1.0, 2.0, 3.0]], "one observation, not a batch"),
        ("vector", [1.0, np.nan, 3.0], "nan"),
        ("vector", ["a", "b", "c"], "no array of numbers"),
        ("matrix of doubles", [[1e300, 0.0]], r"1e\+300"),
        ("large integers", [0.5, 1.0], "dtype float64, expected int64"),
        ("bits", [0, 1, 2], r"observation\[2\]: category 2, expected 0 to 1"),
        ("category", 2, "category 2, expected -2 to 1"),
        ("category", 0.0, "dtype float64"),
        ("categories", [[0, 3], [0, 0]], r"observation\[1\]: category 3, expected 0 to 2"),
        ("named, in an order of its own", {"b": 0}, "lacks the key 'a'"),
        ("named, in an order of its own", [0, 1], "expected a dict of 'b', 'a'"),
        ("named, in an order of its own", {"b": 0, "a": ([0, 1],)}, r"observation\['a'\]: expected a tuple of 2"),
        ("named, in an order of its own", {"b": 0, "a": ([0, 1], [[0, 1]]), "c": 1}, "has the key 'c'"),
    ],
)
def test_what_is_no_observation_is_told(space: str, wrong: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_observation(OBSERVATIONS[space], wrong)


def test_whole_numbers_stand_for_real_ones_and_doubles_for_floats() -> None:
    assert check_observation(OBSERVATIONS["vector"], [1, 2, 3]).dtype == np.float32
    assert check_observation(OBSERVATIONS["category"], np.array([1])) == 1
    assert check_observation(OBSERVATIONS["bits"], np.array([True, False, True])).tolist() == [1, 0, 1]


def test_they_stand_in_a_file_and_damage_is_told(tmp_path: Path) -> None:
    assert NativeSpaces.load(tmp_path) is None
    found = native_spaces(match("multidiscrete"))
    found.save(tmp_path)
    assert NativeSpaces.load(tmp_path) == found
    path = tmp_path / "spaces.json"
    whole = json.loads(path.read_text())
    endless: dict[str, Any] = {"kind": "discrete", "n": 2, "start": 0, "dtype": "int64"}
    for _ in range(50):
        endless = {"kind": "tuple", "spaces": [endless]}
    for damaged in (
        {}, {**whole, "action": {"kind": "box"}}, {**whole, "action": {"kind": "text"}},
        {**whole, "observation": {**whole["observation"], "low": [1.0]}}, {**whole, "canonical": {}},
        {**whole, "observation": {**whole["observation"], "dtype": "object"}},
    ):  # fmt: skip
        path.write_text(json.dumps(damaged))
        with pytest.raises(InputError, match=r"spaces.json: damaged"):
            NativeSpaces.load(tmp_path)
    path.write_text(json.dumps({**whole, "observation": endless}))
    with pytest.raises(InputError, match=r"spaces.json: nested too deeply"):
        NativeSpaces.load(tmp_path)
    path.write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        NativeSpaces.load(tmp_path)


def test_without_an_environment_the_canonical_form_is_its_own() -> None:
    known = native(OBSERVATIONS["large integers"], ACTIONS["doubles"]).canonical
    plain = NativeSpaces.plain(Spaces.from_dict(known.to_dict()))
    assert plain.observation.dtype == np.int64
    assert Translator(plain).observation(np.array([1, 2])).tolist() == [1, 2]
    assert plain.action.dtype == np.float32
