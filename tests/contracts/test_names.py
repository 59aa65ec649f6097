"""No verdict hangs on what an agent is called: under invented names a study is judged and told alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rlformer.evaluator.judge.load import Run, find_runs, read_runs
from rlformer.report.build import results, view_of
from rlformer.runs.spec import Contrast
from tests.goldens import make

STUDIES = {"study-one": make.make_study_one, "study-two": make.make_study_two}


def renamed(run: Run, names: Mapping[str, str]) -> Run:
    """The same run of an agent whose card stands under another name, as do those that its contrasts name."""

    def contrast(old: Contrast) -> Contrast:
        return replace(old, more=names.get(old.more, old.more), less=names.get(old.less, old.less))

    agent = run.spec.agent
    agent = replace(agent, name=names[agent.name], contrasts=tuple(map(contrast, agent.contrasts)))
    inputs = run.spec.inputs
    if run.spec.log is not None and run.spec.log.maker is not None:
        inputs = (replace(run.spec.log, maker=names[run.spec.log.maker]),)
    return replace(run, spec=replace(run.spec, agent=agent, inputs=inputs))


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_under_invented_names_a_study_is_judged_alike(study: str, tmp_path: Path) -> None:
    STUDIES[study](tmp_path)
    runs, skipped = read_runs(find_runs([tmp_path]))
    ordered = sorted({run.spec.agent.name for run in runs})  # arms of one rung stand in the order of their names
    names = {name: f"zq{i:02d}" for i, name in enumerate(ordered)}
    before, after = (
        json.dumps({**results(view_of(some, skipped)), "built": None}, indent=0)
        for some in (runs, [renamed(run, names) for run in runs])
    )
    assert not any(f'"{name}"' in after.split('"skipped"')[0] for name in ("dt", "bc-top", "ppo"))
    for name, invented in names.items():
        after = after.replace(invented, name)
    assert after.splitlines() == before.splitlines()
