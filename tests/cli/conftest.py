"""A command typed in an empty folder, and what a person sees of it."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rlformer import cli


@dataclass(frozen=True)
class Seen:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)  # type: ignore[no-any-return]


Command = Callable[..., Seen]


@pytest.fixture
def command(workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Type a command in an empty folder."""

    def run(*words: str) -> Seen:
        monkeypatch.setattr(sys, "argv", ["rlformer", *words])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Seen(code, captured.out, captured.err)

    return run
