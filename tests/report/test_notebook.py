"""Results in Python: frames of runs and curves, and what a notebook shows, escaped and short."""

from __future__ import annotations

import builtins
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rlformer
from rlformer.core.errors import InputError
from rlformer.core.records import EvalResult
from rlformer.report import Report, build
from rlformer.runs.trained import TrainedRun
from tests.support.make_runs import BC, DT, PPO, make_run, make_runs

HOSTILE = "<img src=x>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    root = tmp_path_factory.mktemp("notebook")
    make_runs(root / "runs", [BC, DT, PPO], seeds=(0, 1))
    make_run(root / "runs", DT, 2, error="RuntimeError: the loss is NaN")
    return build([root / "runs"], root / "page")


@pytest.fixture
def run(tmp_path: Path) -> TrainedRun:
    made = make_run(tmp_path, PPO, 0)
    points = [{"step": 100, "seconds": 1.0, "train/loss": 0.5}]
    points += [{"step": 100 * i, "seconds": 1.0 * i, "eval/return": 10.0 * i} for i in (1, 2)]
    (made.path / "metrics.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    return TrainedRun(made.path)


def test_a_study_is_a_frame_with_a_row_for_each_run(report: Report) -> None:
    pytest.importorskip("pandas")
    frame = report.frame()
    assert len(frame) == 7
    ppo = frame[frame.arm == "ppo"]
    assert list(ppo.mean_return) == pytest.approx([run.score for run in report.arm("ppo").counted])
    assert set(ppo.family) == {"online"}
    (failed,) = frame[frame.status == "failed"].itertuples()
    assert (failed.arm, failed.seed) == ("dt", 2)


def test_a_run_is_a_path_and_its_curve_a_frame(run: TrainedRun) -> None:
    pytest.importorskip("pandas")
    assert isinstance(run, Path)
    assert os.fspath(run) == str(run)
    assert (run / "spec.toml").is_file()
    curve = run.curve()
    assert list(curve.columns) == ["step", "seconds", "return"]
    assert curve.to_dict("list") == {"step": [100, 200], "seconds": [1.0, 2.0], "return": [10.0, 20.0]}


def test_without_pandas_one_line_says_what_to_install(
    run: TrainedRun, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for ask in (run.curve, report.frame):
        with pytest.raises(InputError, match=r"^a frame needs pandas: pip install pandas$"):
            ask()


def test_a_notebook_shows_answers_and_tables(report: Report, run: TrainedRun) -> None:
    shown = report._repr_html_()
    verdict = report.results["environments"][0]["verdict"]
    assert verdict["headline"] in shown
    assert all(f"<td>{label}</td>" in shown for label in ("bc", "dt", "ppo"))
    assert str(report.verdict) in report.verdict._repr_html_()
    card = report.judgement.environments[0].scorecard
    assert card is not None
    assert "Who leads: score: " in card._repr_html_()
    assert "<td>ppo</td>" in run._repr_html_()
    study = rlformer.Study("CartPole-v1", seeds=3)._repr_html_()
    assert "<td>seeds</td><td>3</td>" in study


def test_names_from_outside_are_escaped_in_a_notebook() -> None:
    returns = np.array([1.0, 2.0, 3.0])
    lengths, ended = np.ones(3, np.int64), np.ones(3, bool)
    result = EvalResult(HOSTILE, HOSTILE, np.arange(3), returns, lengths, ended, "greedy")
    for shown in (result._repr_html_(), rlformer.Study(HOSTILE)._repr_html_()):
        assert HOSTILE not in shown
        assert "&lt;img" in shown
    assert "<td>2</td>" in result._repr_html_()
