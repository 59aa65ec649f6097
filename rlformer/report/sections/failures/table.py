"""What did not come to a result, runs that failed, did not finish or never began; and notes that finished ones left."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Judgement
from rlformer.evaluator.judge.facts import RunFacts
from rlformer.report.words.costs import Spent
from rlformer.runs.missing import MissingRun


@dataclass(frozen=True)
class Failure:
    """A run without a result."""

    environment: str
    arm: str
    seed: int
    status: str  # of its record, or "missing": it has none
    text: str  # the status in words
    spent: str  # what its record says it cost; "" where that is nothing
    error: str | None
    notes: tuple[str, ...] = ()


def failures(judgement: Judgement) -> list[Failure]:
    """Environment by environment: the runs of each arm, then those without a directory."""
    found = []
    for environment in judgement.environments:
        found += [
            _of_run(environment.name, arm.label, run) for arm in environment.arms for run in arm.runs if not run.counts
        ]
        found += [_absent(environment.name, missing) for missing in environment.missing]
    return found + [_absent(missing.env, missing) for missing in judgement.missing]


@dataclass(frozen=True)
class Note:
    """What a finished run left to be read."""

    environment: str
    arm: str
    seed: int
    text: str


def notes(judgement: Judgement) -> list[Note]:
    """The notes of runs that count."""
    return [
        Note(environment.name, arm.label, run.seed, text)
        for environment in judgement.environments
        for arm in environment.arms
        for run in arm.counted
        for text in run.notes
    ]


def _of_run(environment: str, arm: str, run: RunFacts) -> Failure:
    text, progress = str(run.status), run.progress
    if text in ("running", "interrupted") and progress.total:
        text += f" at {formats.percent((progress.done or 0) / progress.total)}"
    if text == "finished" and not run.counts:
        text += ", not evaluated"
    parts = Spent.of_run(run).words
    cost = formats.listed(parts) if parts else ""
    return Failure(environment, arm, run.seed, run.status, text, cost, run.error, run.notes)


def _absent(environment: str, missing: MissingRun) -> Failure:
    return Failure(environment, missing.agent, missing.seed, "missing", "no run", "", missing.reason)
