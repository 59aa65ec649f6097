"""What anybody wrote does not steer a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rlformer.core.printable import visible

EVIL = "a\x1b[2Jb\rc\x9bd\u202ee\x00"


def test_text_without_control_characters_is_as_it_was() -> None:
    text = "CartPole-v1\t3.5\nσ ± 2, naïve, 日本"
    assert visible(text) == text


def test_every_control_character_is_shown() -> None:
    assert visible(EVIL) == "a\\x1b[2Jb\\rc\\x9bd\\u202ee\\x00"
    assert visible("\udc80") == "\\udc80"


@pytest.mark.slow
def test_no_error_of_the_command_line_steers_a_terminal(tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "rlformer", "evaluate", f"{EVIL[:-1]}.zip", "--trust", "--env", "CartPole-v1"]
    told = subprocess.run(asked, capture_output=True, check=False, cwd=tmp_path)
    assert told.returncode == 2
    assert told.stderr.count(b"\n") == 1
    assert not any(byte < 32 and byte != 10 for byte in told.stderr)
    assert b"a\\x1b[2Jb" in told.stderr
