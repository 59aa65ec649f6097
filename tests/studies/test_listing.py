"""A list of runs: whole, unfinished, failed and damaged ones."""

import json
from pathlib import Path
from typing import Any

import pytest

import rlformer
from rlformer.core.errors import InputError
from rlformer.runs.directory import RunDirectory
from rlformer.studies.listing import list_runs
from tests.support.make_runs import BC, PPO, make_runs


def change(run: RunDirectory, **values: Any) -> None:
    path = run.path / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def runs(tmp_path: Path) -> list[RunDirectory]:
    """Two arms with two seeds each."""
    return make_runs(tmp_path / "runs", [BC, PPO], seeds=(0, 1))


def test_a_finished_run_has_its_score(runs: list[RunDirectory], tmp_path: Path) -> None:
    found = list_runs(tmp_path / "runs")
    assert [(run.agent, run.seed, run.state) for run in found] == [
        ("bc", 0, "finished"), ("bc", 1, "finished"), ("ppo", 0, "finished"), ("ppo", 1, "finished"),
    ]  # fmt: skip
    final = runs[0].evaluations()["final"].mean
    assert found[0].mean_return == final
    assert found[0].score == pytest.approx((final - 22.3) / (500 - 22.3))
    assert found[0].path == str(runs[0].path)
    assert found[0].seconds == runs[0].record.times["wall"]


def test_states_are_told_with_their_reasons(runs: list[RunDirectory], tmp_path: Path) -> None:
    change(runs[0], status="failed", error="DivergedError: the loss is NaN")
    change(runs[1], status="interrupted", progress={"done": 30, "total": 120})
    (runs[2].path / "record.json").write_text("{")
    change(runs[3], seed="one")
    found = {run.path: run for run in list_runs(tmp_path / "runs")}
    failed, stopped, torn, wrong = (found[str(run.path)] for run in runs)
    assert (failed.state, failed.problem) == ("failed", "DivergedError: the loss is NaN")
    assert (stopped.state, stopped.steps, stopped.total_steps) == ("unfinished", 30, 120)
    assert (torn.state, torn.agent, torn.seed) == ("damaged", "ppo", 0)
    assert torn.problem is not None
    assert torn.problem.startswith("record.json: not valid JSON")
    assert wrong.state == "damaged"


def test_a_lost_record_and_a_run_that_was_put_aside_are_listed(runs: list[RunDirectory], tmp_path: Path) -> None:
    (runs[0].path / "record.json").unlink()
    aside = runs[1].path.rename(runs[1].path.with_name("seed-1.damaged-1"))
    (aside / "record.json").rename(aside / "record.damaged.json")
    found = {run.path: run for run in list_runs(tmp_path / "runs")}
    assert (found[str(runs[0].path)].state, found[str(runs[0].path)].problem) == ("damaged", "record.json is lost")
    assert (found[str(aside)].state, found[str(aside)].seed) == ("damaged", 1)
    assert len(found) == 4


def test_python_filters_as_the_command_does(runs: list[RunDirectory], tmp_path: Path) -> None:
    found = rlformer.list_runs(tmp_path / "runs", agent="ppo", env="CartPole-v1")
    assert [run.agent for run in found] == ["ppo", "ppo"]
    assert rlformer.list_runs(tmp_path / "runs", env="Acrobot-v1") == []
    with pytest.raises(InputError, match="nowhere: no such folder"):
        rlformer.list_runs(tmp_path / "nowhere")
