"""A sample of scripts/bad_inputs: each is one line that begins with `error: `, exit code 2, and nothing is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_sample_of_bad_inputs_is_told_in_one_line(checkout: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    script = str(checkout / "scripts" / "bad_inputs")
    asked = [sys.executable, script, "--every", "90", "--bad-only", "--out", str(answers)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    found = json.loads(answers.read_text())
    assert len(found) >= 30
    assert not {name: answer["missed"] for name, answer in found.items() if answer["missed"]}, done.stdout
