"""Seconds of different kinds of machines are neither averaged nor compared; scores, steps and FLOPs are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rlformer.core import files
from rlformer.evaluator import Evidence, judge
from rlformer.evaluator.judge.objections import UnlikeMachines
from rlformer.report.build import build
from rlformer.runs.directory import RunDirectory
from tests.support.make_runs import BEHAVIOUR, DT, PPO, RANDOM, make_runs


def _move(run: RunDirectory, **hardware: object) -> None:
    """As if it was made on another machine."""
    record = run.record
    files.write_json(run.path / "record.json", replace(record, hardware={**record.hardware, **hardware}).to_dict())


def _evidence(root: Path) -> Evidence:
    (found,) = judge(root).environments
    return found


@pytest.mark.slow
def test_seconds_of_two_kinds_of_machines_are_left_out_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    runs = make_runs(tmp_path / "runs", (RANDOM, BEHAVIOUR, DT, PPO))
    before = _evidence(tmp_path / "runs")
    _move(runs[-1], host="another one of the same kind")
    assert _evidence(tmp_path / "runs") == before
    _move(runs[-1], cpu="Another CPU")
    after = _evidence(tmp_path / "runs")
    assert before.arm("ppo").times["wall"] is not None
    for arm, same in zip(after.trained, before.trained, strict=True):
        assert not any(arm.times.values())
        assert (arm.mean_return, arm.cost.env_steps, arm.flops) == (same.mean_return, same.cost.env_steps, same.flops)
        assert [run.learning_cpu for run in arm.counted] == [0.0] * 3
    assert before.needs is not None
    assert after.needs is not None
    assert [row.rmst for row in after.needs.online] == [row.rmst for row in before.needs.online]
    assert {row.learning_seconds for row in after.needs.online} == {None}
    assert before.verdict is not None
    assert after.verdict is not None
    assert after.verdict.answer == before.verdict.answer
    assert UnlikeMachines() in after.threats
    report = build([tmp_path / "runs"], tmp_path / "report")
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert "different kinds of machines, so their seconds are neither averaged nor compared" in page
