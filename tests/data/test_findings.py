"""What looks wrong with a log is told, and what is right is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec, Part, Spaces
from rlformer.data.checks import INFERRED
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.findings import Finding, find
from rlformer.data.loaders.base import Native
from rlformer.data.precision import merged_in_float32
from rlformer.studies.logs import doubts

ACTIONS = ActionSpec("discrete", nvec=(2,))
BOUNDS = spaces.Box(np.float32([-1, -50]), np.float32([1, 50]))


def native(limit: int | None = 5, space: spaces.Space[Any] = BOUNDS, features: tuple[str, ...] = ()) -> Native:
    return Native("toy", {"id": "Toy-v0"}, space, spaces.Discrete(2), limit, features)


def log(lengths: list[int], terminated: list[bool], observations: Array | None = None, **about: Any) -> Dataset:
    """Episodes that end as said, the others truncated, of observations that fill BOUNDS."""
    rng = np.random.default_rng(0)
    total = sum(lengths) + len(lengths)
    shown = rng.uniform([-1, -50], [1, 50], (total, 2)) if observations is None else observations
    starts = np.cumsum([0, *(length + 1 for length in lengths)])
    episodes = [
        Episode(shown[a:b], np.zeros(b - a - 1, int), np.arange(b - a - 1.0), end, not end)
        for a, b, end in zip(starts[:-1], starts[1:], terminated, strict=True)
    ]
    spec = Spaces.plain((shown.shape[1],), ACTIONS, str(shown.dtype))
    return from_episodes(DatasetInfo("toy", spec, upstream_env_steps=9, **about), episodes)


def kinds(dataset: Dataset, env: Native | None = None) -> list[str]:
    return [finding.kind for finding in find(dataset, env)]


def text(dataset: Dataset, kind: str, env: Native | None = None) -> str:
    (found,) = (finding.text for finding in find(dataset, env) if finding.kind == kind)
    return found


SOUND = log([3, 5, 2, 5], [True, False, True, False])


def test_a_log_of_another_environment_is_told_and_of_another_name_of_the_same_is_not() -> None:
    other = replace(native(), name="other", definition={"id": "Other-v0"})
    assert "made in 'toy', and is used for 'other'" in text(SOUND, "other-environment", other)
    (found,) = (finding for finding in find(SOUND, other) if finding.kind == "other-environment")
    assert found.told_when_opened
    same = log([3, 5], [True, False], env_definition={"id": "Toy-v0"})
    assert "other-environment" not in kinds(same, replace(native(), name="mine", definition={"id": "module:Toy-v0"}))


def test_a_log_of_our_own_is_told_where_it_is_used_for_another_environment() -> None:
    own = log([3, 5], [True, False], provenance={"source": "collect"})
    assert [finding.kind for finding in doubts(own, "CartPole-v1")] == ["other-environment"]
    assert not doubts(own)
    pole = replace(own.info, env="CartPole-v1")
    assert not doubts(from_episodes(pole, list(own)), "CartPole-v1")


@pytest.mark.parametrize("env", [None, native(), native(limit=None)])
def test_nothing_is_said_of_a_sound_log(env: Native | None) -> None:
    assert find(SOUND, env) == ()


@pytest.mark.parametrize(
    ("lengths", "words"),
    [([5, 5, 5], "all episodes end after exactly 5 steps"), ([2, 5, 5, 3, 5], "3 of 5 episodes end after exactly 5")],
)
def test_time_limits_recorded_as_terminations(lengths: list[int], words: str) -> None:
    dataset = log(lengths, [True] * len(lengths))
    for env in (None, native()):
        assert words in text(dataset, "time-limit-as-terminal", env)
    assert "time-limit-as-terminal" not in kinds(dataset, native(limit=None)), "it ends its episodes itself"


@pytest.mark.parametrize("lengths", [[1, 1, 1], [2, 5, 5], [2, 3, 4, 5]])
def test_ends_that_may_be_chance_are_none(lengths: list[int]) -> None:
    assert "time-limit-as-terminal" not in kinds(log(lengths, [True] * len(lengths)))


def test_a_time_limit_other_than_the_environment_s() -> None:
    cut = log([3, 3, 3, 2], [False, False, False, True])
    assert text(cut, "time-limit", native()) == "episodes are cut after 3 steps, but the time limit of 'toy' is 5"
    beyond = log([3, 7, 6], [True, False, False])
    assert text(beyond, "time-limit", native()) == "2 episodes last up to 7 steps, but 'toy' ends them after 5"
    assert "time-limit" not in [*kinds(cut), *kinds(beyond), *kinds(cut, native(limit=None))]


def test_columns_outside_of_the_bounds() -> None:
    shown = np.array(SOUND.observations)
    shown[4, 1] = 400
    finding = next(f for f in find(replace(SOUND, observations=shown), native()) if f.kind == "outside-bounds")
    assert finding.columns == (1,)
    assert "to 400, allowed is -50 to 50" in finding.text
    shown[4, 1] = 50.01
    assert find(replace(SOUND, observations=shown), native()) == (), "rounding"


def test_swapped_columns_fit_the_bounds_in_another_order() -> None:
    swapped = replace(SOUND, observations=SOUND.observations[:, ::-1])
    (finding,) = find(swapped, native())
    assert (finding.kind, finding.columns) == ("swapped-columns", (0, 1))
    assert "column 0 at 1, 1 at 0: are columns swapped?" in finding.text


def test_constant_columns_are_told_and_categories_are_not() -> None:
    shown = np.array(SOUND.observations)
    shown[:, 0] = 0.5
    finding = next(f for f in find(replace(SOUND, observations=shown)) if f.kind == "constant-columns")
    assert (finding.text, finding.columns) == ("observation[0] never changes", (0,))
    category = ObservationSpec((Part("zone", "category", (2,), "uint8"),))
    info = replace(SOUND.info, spaces=Spaces(category, ACTIONS))
    assert "constant-columns" not in kinds(replace(SOUND, info=info, observations=np.zeros(shown.shape, np.uint8)))


def test_timestamps_that_float32_merges() -> None:
    shown = np.array(SOUND.observations, np.float64)
    shown[:, 1] = 1.7e9 + np.arange(len(shown))
    dataset = log([3, 5, 2, 5], [True, False, True, False], shown)
    assert text(dataset, "float32").startswith("observation[1]: values that differ become equal in float32")
    assert "float32" not in kinds(log([3, 5, 2, 5], [True, False, True, False], shown - [0, 1.7e9]))


def test_a_column_is_lost_where_its_usual_change_is() -> None:
    whole, noise = np.arange(1000.0), np.random.default_rng(0).normal(size=1000)
    resting = np.where(whole < 600, np.sin(whole), 0.5 + 1e-9 * noise)  # noise around a constant, later on
    columns = [whole, whole + 2**24, np.full(1000, 1.7e9), np.linspace(1, 2, 1000), resting, 1.7e12 + 40 * whole]
    assert merged_in_float32(np.stack(columns, axis=1)) == [1, 5]
    assert merged_in_float32(np.stack([whole, 1.7e9 + whole], axis=1).astype(np.int64)) == [1]


def test_what_was_guessed_and_what_the_loader_said() -> None:
    dataset = log([3, 5, 2], [True, False, True], provenance={"action_space": INFERRED, "notes": ["rows were sorted"]})
    found = find(dataset)
    assert [f.kind for f in found] == ["inferred-actions", "import"]
    assert "discrete [2]; --env ENV" in found[0].text
    assert found[1].text == "rows were sorted"
    assert all(f.told_when_opened for f in found)


def test_the_card_s_features_are_counted() -> None:
    assert "names 3 features, but observations have 2" in text(SOUND, "feature-names", native(features=("a", "b", "c")))
    assert "feature-names" not in kinds(SOUND, native(features=("a", "b")))


def test_a_view_is_judged_by_its_own_episodes() -> None:
    mixed = log([3, 5, 5, 5], [False, True, True, True])
    assert "time-limit-as-terminal" in kinds(mixed)
    assert "time-limit-as-terminal" not in kinds(mixed.select(np.array([0, 1]), "some"))


def test_a_finding_is_json_ready() -> None:
    assert Finding("float32", "text", (1,)).to_dict() == {"kind": "float32", "text": "text", "columns": [1]}
    assert not Finding("unknown-upstream", "text").told_when_opened
