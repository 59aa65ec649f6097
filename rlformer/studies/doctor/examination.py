"""What is examined, in the order in which it is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# ok; something optional that is absent; what may go wrong; what does
State = Literal["ok", "absent", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    mend: str | None = None  # the command, or what to do; None where nothing needs to be mended


@dataclass(frozen=True)
class Examination:
    """All findings, in their order."""

    findings: tuple[Finding, ...]
    works: bool  # whether the self-test passed
    seconds: float  # that it took

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What does not work."""
        return tuple(finding for finding in self.findings if finding.state == "wrong")


Progress = Callable[[int, int, str], None]


def examine(
    folder: Path | None = None, progress: Progress = lambda done, total, note: None, *, raise_failure: bool = False
) -> Examination:
    """Look at the machine and train two tiny agents on it, which takes some seconds.

    folder: where runs, datasets and reports would go; by default the current one. progress: hears of the self-test.
    raise_failure: whether what the self-test runs into is raised instead of told.
    """
    from rlformer.studies.doctor import machine, software
    from rlformer.studies.doctor.selftest import self_test

    findings: list[Finding] = []
    for look in (software.python, software.rlformer, software.libraries, software.torch, software.extras):
        findings += look()
    findings += machine.look(folder or Path.cwd())
    findings += software.cards()
    start = time.perf_counter()
    tested = self_test(progress, raise_failure)
    seconds = time.perf_counter() - start
    return Examination((*findings, tested), tested.state == "ok", seconds)
