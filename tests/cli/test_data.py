"""`rlformer data`, and what commands that open a log say of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rlformer.cli import app
from rlformer.core.errors import InputError
from rlformer.data.folder import load
from rlformer.studies.study import Study


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, and nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cartpole_log(path: str = "log.npz", **changes: Any) -> str:
    """Eight episodes of 20 steps, all marked as terminated."""
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {
        "observations": rng.uniform(-0.1, 0.1, (160, 4)),
        "actions": rng.integers(0, 2, 160),
        "rewards": rng.uniform(size=160),
        "terminals": np.arange(160) % 20 == 19,
    }
    np.savez(path, **made | changes)
    return path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=True)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_data_info_writes_nothing_and_tells_what_looks_wrong(elsewhere: Path) -> None:
    result = run("data", "info", cartpole_log(), "--json")
    info = json.loads(result.stdout)
    assert (info["path"], info["episodes"]) == ("log.npz", 8)
    kinds = [finding["kind"] for finding in info["findings"]]
    assert "time-limit-as-terminal" in kinds
    assert [finding["text"] for finding in info["findings"]] == info["warnings"]
    assert files(elsewhere) == ["log.npz"]


@pytest.mark.slow
def test_data_info_holds_the_log_against_the_environment(elsewhere: Path) -> None:
    """The bounds allow this order, but CartPole does not move so."""
    import rlformer

    made = rlformer.collect("random", env="CartPole-v1", out="log", episodes=20)
    ends = np.cumsum(made.lengths) - 1
    rows = np.delete(np.asarray(made.observations), ends + np.arange(1, 21), axis=0)
    marks = {"terminals": np.isin(np.arange(made.num_steps), ends)}
    text = cartpole_log(observations=rows[:, [2, 1, 0, 3]], actions=made.actions, rewards=made.rewards, **marks)
    shutil.rmtree("log")
    told = run("data", "info", text, "--env", "CartPole-v1").stdout
    assert "look swapped: in the order 2, 1, 0, 3 the log moves as 'CartPole-v1' does" in told
    assert files(elsewhere) == ["log.npz"]


@pytest.mark.slow
def test_columns_and_a_reward_are_chosen(elsewhere: Path) -> None:
    rewards = np.stack([np.zeros(160), np.ones(160)], axis=1)
    text = cartpole_log(rewards=rewards)
    with pytest.raises(InputError, match=r"log.npz: rewards have 2 columns: --reward-column N, from 0 to 1"):
        raise run("data", "import", text, "--out", "out").exception
    assert run("data", "import", text, "--out", "out", "--reward-column", "1").exit_code == 0
    assert load(elsewhere / "out").returns.tolist() == [20.0] * 8
    own = cartpole_log("own.npz", run=np.arange(160) // 20)
    maps = ("episode=run", "observations=rewards,actions", "actions=actions", "rewards=rewards")
    chosen = run("data", "info", own, *(word for text in maps for word in ("--map", text)), "--json")
    assert json.loads(chosen.stdout)["observation_shape"] == [2]
    with pytest.raises(
        InputError, match="out: is already a dataset with known columns, so reward_column has no effect"
    ):
        raise run("data", "info", "out", "--reward-column", "1").exception


@pytest.mark.slow
def test_a_training_tells_what_looks_wrong_in_a_line_each() -> None:
    arguments = ("--agent", "bc", "--env", "none", "--set", "gradient_steps=2")
    result = run("train-transformer", cartpole_log(), *arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("note: log.npz: ")]
    assert any("all episodes end after exactly 20 steps" in line for line in lines)
    assert any("the action space is inferred" in line for line in lines)
    assert not any("upstream" in line or "took to make" in line for line in lines), "it describes the log, no more"


@pytest.mark.slow
def test_a_study_names_columns_and_its_log_s_doubts_are_told(elsewhere: Path) -> None:
    rng = np.random.default_rng(0)
    text = cartpole_log(shown=rng.uniform(-0.1, 0.1, (160, 4)), observations=np.zeros(3))
    by_key = ("--with", 'log.map=["observations=shown"]', "--with", "log.reward_column=0")
    by_option = ("--map", "observations=shown", "--reward-column", "0")
    for given in (by_key, by_option):
        result = run("compare", "CartPole-v1", "--dataset", text, *given, "--save-study", "study.toml")
        assert result.exit_code == 0, result.exception
        study = Study.read(elsewhere / "study.toml")
        assert (study.log.map, study.log.reward_column) == (("observations=shown",), 0)
    assert "note: log.npz: all episodes end after exactly 20 steps" in result.stderr
    wrong = run("compare", "CartPole-v1", "--dataset", text, "--with", "log.map=shown")
    assert "log.map" in str(wrong.exception)
    nothing = run("compare", "CartPole-v1", "--map", "observations=shown", "--save-study", "other.toml")
    assert str(nothing.exception) == "--map and --reward-column are about columns of a log: --dataset DATA names it"
