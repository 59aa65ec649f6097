"""The script that makes the documents' tables of explanations reads what results.json holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rlformer.report import build
from tests.support.make_explanations import explain_run
from tests.support.make_runs import DT, PPO, make_run

SCRIPT = Path(__file__).parents[2] / "scripts" / "explain_results"


@pytest.mark.slow
def test_its_tables_hold_reliance_what_is_attainable_attention_and_the_families(tmp_path: Path) -> None:
    for seed in (0, 1):
        explain_run(make_run(tmp_path, PPO, seed), [0.5 + 0.01 * seed, 0.01, 0.0, 0.0], skill=0.9 + 0.01 * seed)
        explain_run(make_run(tmp_path, DT, seed), [0.1, 0.3, 0.2, 0.1 + 0.01 * seed])
    build([tmp_path], tmp_path / "out")
    command = [sys.executable, str(SCRIPT), "--results", str(tmp_path / "out" / "results.json")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SCRIPT.parents[1]).stdout
    assert "| `ppo` | 2 |" in told
    assert "pole angle 0.51" in told
    assert "| `ppo` | integrated gradients | 0.91 (0.90 to 0.91) | 0.25 (0.25 to 0.25) | 0.30 (0.30 to 0.30) |" in told
    assert "| `dt` | observation, history | comprehensiveness |" in told
    assert "| Reliance |" in told
    for table in told.split("\n\n"):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
