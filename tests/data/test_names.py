"""Under which names columns are read, and that the document tells all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlformer.core.errors import InputError
from rlformer.data.loaders import LOADERS
from rlformer.data.loaders.names import BOUNDARIES, KEYS, Choice, Found, locate

DOCUMENT = Path(__file__).parents[2] / "docs/logs.md"
needs_document = pytest.mark.skipif(not DOCUMENT.is_file(), reason="the documents are not here")


@needs_document
@pytest.mark.parametrize("key", KEYS)
def test_every_name_stands_in_the_document(key: str) -> None:
    names = ", ".join(f"`{name}`" for name in KEYS[key].names)
    assert f"| `{key}` | {names} | {KEYS[key].meaning} |" in DOCUMENT.read_text(encoding="utf-8").splitlines()


@needs_document
def test_every_format_and_the_order_of_boundaries_stand_in_the_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(loader.name in text.lower() for loader in LOADERS)
    assert all(suffix in text for loader in LOADERS for suffix in loader.suffixes if suffix in (".csv", ".tsv"))
    told = text[text.index("The first of these that the log has shows where episodes end") :]
    assert [told.index(f"`{key}`") for key in BOUNDARIES] == sorted(told.index(f"`{key}`") for key in BOUNDARIES)


def test_no_name_has_two_meanings() -> None:
    names = [name for key in KEYS.values() for name in key.names]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)


@pytest.mark.parametrize(
    ("names", "key", "expected"),
    [
        (["Obs", "act"], "observations", Found(("Obs",))),
        (["obs_1", "obs_0", "obs_10"] + [f"obs_{i}" for i in range(2, 10)], "observations", None),
        (["observation.1", "observation.2"], "observations", Found(("observation.1", "observation.2"))),
        (["obs[0]", "obs[1]"], "observations", Found(("obs[0]", "obs[1]"))),
        (["obs_v", "obs_a", "obs_next_v"], "observations", Found(("obs_v", "obs_a"))),
        (["obs_v", "obs_next_v"], "next_observations", Found(("obs_next_v",))),
        (["obs/b", "obs/a/x"], "observations", Found(("obs/b", "obs/a/x"), ("b", "a.x"))),
        (["states", "obs/a"], "observations", Found(("obs/a",), ("a",))),
        (["action", "action_mask"], "actions", Found(("action",))),
        (["reward_0", "reward_1"], "rewards", None),
    ],
)
def test_columns_are_found_by_convention(names: list[str], key: str, expected: Found | None) -> None:
    if names[0] == "obs_1":
        expected = Found(tuple(f"obs_{i}" for i in range(11)))  # by number, not by letter
    assert locate(names).get(key) == expected


def test_a_choice_goes_before_names_and_its_order_is_kept() -> None:
    choice = Choice.parse(["observations=b,a", "rewards=cost"])
    found = locate(["obs", "a", "b", "reward", "cost"], choice)
    assert (found["observations"], found["rewards"]) == (Found(("b", "a")), Found(("cost",)))


def test_the_card_s_features_are_tried_last() -> None:
    assert locate(["angle", "speed", "action"], features=("speed", "angle"))["observations"].columns == (
        "speed",
        "angle",
    )
    assert "observations" not in locate(["angle"], features=("speed", "angle"))


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (["observations"], r"--map 'observations': KEY=COLUMN"),
        (["observation=a"], "unknown key 'observation'; did you mean 'observations'"),
        (["rewards=a,b"], "rewards: one column, not a, b"),
        (["actions="], "actions: which column"),
    ],
)
def test_what_is_no_choice_is_refused(maps: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Choice.parse(maps)


def test_a_gap_in_numbered_columns_is_named() -> None:
    with pytest.raises(InputError, match="obs_2 without one of number 1; it holds action, obs_0, obs_2"):
        locate(["obs_0", "obs_2", "action"])
    with pytest.raises(InputError, match="obs_3 without one of number 1"):
        locate(["obs_2", "obs_3"])


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match="no 'x' in it for observations; it holds a, b"):
        locate(["a", "b"], Choice.parse(["observations=x"]))
