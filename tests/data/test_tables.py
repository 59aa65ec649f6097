"""CSV, Parquet and frames: a row is a step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gymnasium import spaces

import rlformer
from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset
from rlformer.data.open import open_data
from rlformer.envs import cards as env_cards

CARTPOLE = env_cards.environment("CartPole-v1")
ROWS = 5  # two episodes, of 3 and 2 steps
SHOWN = np.arange(10.0).reshape(ROWS, 2) / 8


def frame(**changes: Any) -> pd.DataFrame:
    """By convention; a column that is None is left out."""
    made: dict[str, Any] = {
        "episode": [7, 7, 7, 3, 3],
        "step": [0, 1, 2, 0, 1],
        "obs_0": SHOWN[:, 0],
        "obs_1": SHOWN[:, 1],
        "action": [0, 1, 1, 0, 1],
        "reward": [1.0, 2.0, 3.0, 4.0, 5.0],
        "terminated": [False, False, True, False, False],
        "truncated": [False, False, False, False, True],
    }
    made |= changes
    return pd.DataFrame({name: column for name, column in made.items() if column is not None})


Read = Callable[..., Dataset]


@pytest.fixture(params=["csv", "parquet", "frame"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """The dataset that a frame makes, through a file or in memory."""

    def from_frame(df: pd.DataFrame, map: dict[str, Sequence[str]] | None = None, env: str | None = None) -> Dataset:
        if request.param == "frame":
            return rlformer.dataset(frame=df, map=map, env=env)
        path = tmp_path / f"log.{request.param}"
        df.to_csv(path, index=False) if request.param == "csv" else df.to_parquet(path)
        return rlformer.open_data(path, map=map, env=env, keep=False)

    return from_frame


def endings(dataset: Dataset) -> list[tuple[int, bool, bool]]:
    return [(len(e), e.terminated, e.truncated) for e in dataset]


BOTH_ENDED = [(3, True, False), (2, False, True)]


def test_rows_are_steps_and_the_last_observation_is_repeated_and_told(read: Read) -> None:
    dataset = read(frame())
    assert endings(dataset) == BOTH_ENDED
    np.testing.assert_array_equal(dataset[0].observations, SHOWN[[0, 1, 2, 2]])
    assert dataset[1].actions.tolist() == [0, 1]
    assert dataset.returns.tolist() == [6.0, 9.0]
    assert not dataset.info.final_observations
    assert dataset.info.provenance["columns"]["observations"] == ["obs_0", "obs_1"]


def test_next_observations_hold_the_last_one(read: Read) -> None:
    dataset = read(frame(next_obs_0=SHOWN[:, 0] + 0.25, next_obs_1=SHOWN[:, 1] + 0.25))
    np.testing.assert_array_equal(dataset[1].observations[-1], SHOWN[4] + 0.25)
    assert dataset.info.final_observations
    assert "notes" not in dataset.info.provenance  # they continue: each row is where the one before led


def test_rows_are_sorted_by_episode_and_step(read: Read) -> None:
    dataset = read(frame().iloc[[4, 0, 2, 1, 3]])
    assert dataset.returns.tolist() == [9.0, 6.0]  # as episodes appear
    np.testing.assert_array_equal(dataset[1].observations[:3], SHOWN[:3])
    assert "rows were sorted by episode and step" in dataset.info.provenance["notes"]


def test_an_episode_that_comes_back_without_steps_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match=r"episode 7 appears again at row 4: sort the rows by episode and step"):
        read(frame(step=None).iloc[[0, 1, 3, 4, 2]])


def test_a_step_that_is_there_twice_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match=r"step 1 of episode 0 .* appears twice: rows 1 and 2"):
        read(frame(step=[0, 1, 1, 0, 1]))


def test_steps_that_are_missing_are_told(read: Read) -> None:
    notes = read(frame(step=[0, 1, 5, 0, 1])).info.provenance["notes"]
    assert "steps are missing: their numbers jump 1 times within episodes" in notes


def test_episodes_may_be_words(read: Read) -> None:
    assert endings(read(frame(episode=["b", "b", "b", "a", "a"]))) == BOTH_ENDED


def test_steps_alone_tell_where_episodes_begin(read: Read) -> None:
    dataset = read(frame(episode=None, terminated=None, truncated=None))
    assert endings(dataset) == [(3, False, False), (2, False, False)]


def test_without_flags_the_environment_s_limit_decides(read: Read) -> None:
    wide = frame(terminated=None, truncated=None, obs_2=SHOWN[:, 0], obs_3=SHOWN[:, 1])
    assert endings(read(wide, env="CartPole-v1")) == [(3, True, False), (2, True, False)]
    assert "truncated at the limit of 500 steps" in read(wide, env="CartPole-v1").info.provenance["endings"]


@pytest.mark.parametrize("with_episodes", [True, False])
def test_a_row_without_an_action_is_the_last_observation(read: Read, with_episodes: bool) -> None:
    """The end may be marked there or on the step before."""
    rows = frame(truncated=None).drop(columns=["terminated"] + ([] if with_episodes else ["episode", "step"]))
    last = pd.DataFrame({"episode": [7, 3], "step": [3, 2], "obs_0": [8.0, 9.0], "obs_1": [8.5, 9.5]})
    parts = [rows.iloc[:3], last.iloc[:1], rows.iloc[3:], last.iloc[1:]]
    whole = pd.concat(parts)[list(rows.columns)].assign(done=[0, 0, 0, 1, 0, 1, 0])
    dataset = read(whole)
    assert dataset.lengths.tolist() == [3, 2]
    np.testing.assert_array_equal(dataset[0].observations, [*SHOWN[:3], [8.0, 8.5]])
    np.testing.assert_array_equal(dataset[1].observations, [*SHOWN[3:], [9.0, 9.5]])
    assert dataset[0].actions.tolist() == [0, 1, 1]
    assert dataset.info.final_observations
    assert str(dataset.info.actions.describe()) == "discrete [2]"


def test_episodes_without_such_a_row_are_told(read: Read) -> None:
    rows = frame(truncated=None)
    whole = pd.concat(
        [rows.iloc[:3], pd.DataFrame({"episode": [7], "step": [3], "obs_0": [8.0], "obs_1": [8.5]}), rows[3:]]
    )
    whole["terminated"] = [0, 0, 1, 0, 0, 1]
    dataset = read(whole)
    np.testing.assert_array_equal(dataset[1].observations[-1], SHOWN[4])
    assert not dataset.info.final_observations
    assert "1 of 2 episodes have no row for their last observation: it is repeated" in dataset.info.provenance["notes"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": [0, None, 1, 0, 1], "reward": [1, None, 1, 1, 1]}, "row 1: no action, and its episode goes on"),
        ({"action": [0, 1, None, 0, 1]}, "row 2: a reward without an action"),
        ({"action": ["left", "up", "up", "up", "up"]}, "action is not an array of numbers: row 0 is 'left'"),
        ({"terminated": ["no", "no", "yes", "no", "no"]}, "terminated is not an array of numbers: row 0 is 'no'"),
        ({"reward": None}, r"no rewards in it; it holds action, episode, obs_0, obs_1, .*--map rewards=COLUMN"),
        ({"episode": [7, 7, None, 3, 3]}, "row 2: no episode"),
        ({"reward": [1, None, 1, 1, 1]}, "episode 0, step 1: NaN or infinity in rewards"),
        ({"obs_1": None, "obs_2": [0.0] * 5}, "obs_2 without one of number 1"),
        (
            {"episode": None, "step": None, "terminated": None, "truncated": None},
            "nothing in it shows where episodes end .*; it holds action, obs_0, obs_1, reward; --map ends=COLUMN",
        ),
    ],
)
def test_an_unsound_table_is_one_line(read: Read, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read(frame(**changes))
    assert "\n" not in str(error.value)


def test_columns_of_any_name_are_mapped(read: Read) -> None:
    own = frame().rename(columns={"obs_0": "x", "obs_1": "v", "action": "push", "reward": "r", "episode": "run"})
    names = {"observations": ["v", "x"], "actions": ["push"], "rewards": ["r"], "episode": ["run"]}
    dataset = read(own, map=names)
    np.testing.assert_array_equal(dataset[0].observations[:3], SHOWN[:3, ::-1])
    assert endings(dataset) == BOTH_ENDED


def test_columns_called_as_the_card_s_features_are_its_observation(read: Read) -> None:
    own = frame(obs_0=None, obs_1=None)
    for i, name in enumerate(CARTPOLE.feature_names):
        own[name] = np.full(ROWS, float(i) / 10)
    dataset = read(own[own.columns[::-1]], env="CartPole-v1")
    np.testing.assert_allclose(dataset[0].observations[0], [0.0, 0.1, 0.2, 0.3], rtol=1e-6)


def test_lists_in_a_column_are_vectors(tmp_path: Path) -> None:
    lists = frame(obs_0=None, obs_1=None, observation=[list(row) for row in SHOWN])
    lists.to_parquet(tmp_path / "log.parquet")
    for dataset in (rlformer.dataset(frame=lists), rlformer.open_data(tmp_path / "log.parquet", keep=False)):
        np.testing.assert_array_equal(dataset[0].observations, SHOWN[[0, 1, 2, 2]])
    ragged = frame(obs_0=None, obs_1=None, observation=[[1.0], [1.0, 2.0], [1.0], [1.0], [1.0]])
    with pytest.raises(InputError, match=r"observation holds lists of different lengths, from \(1,\) to \(2,\)"):
        rlformer.dataset(frame=ragged)


def test_semicolons_and_tabs_divide_too(tmp_path: Path) -> None:
    for between, name in ((";", "log.csv"), ("\t", "log.tsv")):
        frame().to_csv(tmp_path / name, index=False, sep=between)
        assert endings(rlformer.open_data(tmp_path / name, keep=False)) == BOTH_ENDED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "log.csv: an empty file"),
        ("obs_0,action,reward,done\n", "log.csv: no steps in it"),
        ("obs_0,action,reward,done\n1,2\n", "log.csv: a damaged CSV file .*Expected 4 columns, got 2"),
        ("obs_0,action,action,reward,done\n1,1,1,1,1\n", "log.csv: 2 columns are called action"),
    ],
)
def test_a_broken_csv_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        open_data(str(tmp_path / "log.csv"), tmp_path / "datasets")
    assert "\n" not in str(error.value)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame().to_csv(tmp_path / "log.csv", index=False)
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    with pytest.raises(
        InputError, match=r"log.csv: reading it needs the extra 'tables': pip install 'rlformer\[tables\]'"
    ):
        open_data(str(tmp_path / "log.csv"), tmp_path / "datasets")


# From arrays


ARRAYS: dict[str, Any] = {
    "observations": SHOWN,
    "actions": [0, 1, 1, 0, 1],
    "rewards": [1.0, 2.0, 3.0, 4.0, 5.0],
    "terminated": [0, 0, 1, 0, 0],
    "truncated": [0, 0, 0, 0, 1],
}


def test_arrays_make_what_a_file_makes(tmp_path: Path) -> None:
    dataset = rlformer.dataset(**ARRAYS)
    np.savez(tmp_path / "log.npz", **{name: np.asarray(values) for name, values in ARRAYS.items()})
    assert dataset.hash == rlformer.open_data(tmp_path / "log.npz", keep=False).hash
    assert isinstance(dataset, Dataset)
    assert endings(dataset) == BOTH_ENDED


def test_a_row_more_in_each_episode_is_the_last_observation() -> None:
    shown = np.arange(14.0).reshape(7, 2)
    dataset = rlformer.dataset(**ARRAYS | {"observations": shown})
    np.testing.assert_array_equal(dataset[0].observations, shown[:4])
    np.testing.assert_array_equal(dataset[1].observations, shown[4:])
    assert dataset.info.final_observations


def test_ends_alone_do_not_say_how() -> None:
    arrays = {name: values for name, values in ARRAYS.items() if name not in ("terminated", "truncated")}
    dataset = rlformer.dataset(**arrays, ends=[0, 0, 1, 0, 1])
    assert endings(dataset) == [(3, False, False), (2, False, False)]
    both = rlformer.dataset(**arrays, ends=[0, 0, 1, 0, 1], terminated=[0, 1, 1, 0, 0])
    assert endings(both) == BOTH_ENDED, "an end that is no termination was a time limit"


def test_dicts_are_parts_and_given_spaces_count() -> None:
    shown = {"b": SHOWN[:, :1], "a": SHOWN[:, 1:]}
    dataset = rlformer.dataset(**ARRAYS | {"observations": shown})
    assert [part.name for part in dataset.info.spaces.observation.parts] == ["a", "b"]
    np.testing.assert_array_equal(dataset[0].observations[:3], SHOWN[:3, ::-1])
    own = spaces.Dict([("b", spaces.Box(0, 9, (1,))), ("a", spaces.Box(0, 9, (1,)))])
    given = rlformer.dataset(**ARRAYS | {"observations": shown}, spaces=(own, spaces.Discrete(5)))
    np.testing.assert_array_equal(given[0].observations[:3], SHOWN[:3].astype(np.float32))
    assert (given.info.actions.nvec, given.info.env) == ((5,), None)


def test_out_keeps_it(tmp_path: Path) -> None:
    kept = rlformer.dataset(**ARRAYS, out=tmp_path / "log")
    assert rlformer.open_data(tmp_path / "log").hash == kept.hash == rlformer.dataset(**ARRAYS).hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": [1.0]}, "columns of different lengths: observations 5, actions 5, rewards 1"),
        ({"observations": SHOWN[:4]}, r"different lengths: observations 4, actions 5 \(or 7, with the last one"),
        ({"terminated": [0, 1]}, "columns of different lengths: terminated 2, actions 5"),
        ({"observations": [[1.0], [1.0, 2.0]]}, "observations is not an array, since its rows differ in length"),
        ({"observations": np.array([None] * 5)}, "observations is not an array of numbers"),
        ({"actions": {"a": [0] * 5}}, "actions: an array, not a dict"),
        ({"rewards": np.ones((5, 2))}, "rewards have 2 columns: --reward-column N, from 0 to 1, chooses one"),
        ({"env": "CartPole-v1"}, r"observations have shape \(2,\), but those of 'CartPole-v1' have \(4,\)"),
        ({"env": "CartPole-v1", "spaces": (spaces.Box(0, 1, (2,)), spaces.Discrete(2))}, "env or spaces"),
        ({"spaces": (spaces.Discrete(2),)}, "spaces: an observation space and an action space of Gymnasium"),
        ({"frame": frame()}, "frame or arrays"),
        ({"rewards": None, "actions": None}, "no actions and no rewards: dataset needs observations, actions, rewards"),
        ({"terminated": None, "truncated": None}, "nothing marks where episodes end"),
        ({"map": {"rewards": "r"}}, "map names columns of a frame"),
    ],
)
def test_unsound_arrays_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rlformer.dataset(**ARRAYS | changes)


def test_a_reward_column_is_chosen() -> None:
    rewards = np.stack([np.zeros(5), np.arange(5.0)], axis=1)
    assert rlformer.dataset(**ARRAYS | {"rewards": rewards}, reward_column=1).returns.tolist() == [3.0, 7.0]
    assert rlformer.dataset(**ARRAYS | {"rewards": rewards[:, :1]}).returns.tolist() == [0.0, 0.0]
    with pytest.raises(InputError, match="--reward-column 1: rewards have 1 column"):
        rlformer.dataset(**ARRAYS, reward_column=1)


def test_what_is_no_frame_is_said_to_be_none() -> None:
    with pytest.raises(InputError, match="a int has no columns; a pandas or polars frame is expected"):
        rlformer.dataset(frame=3)  # type: ignore[arg-type]
