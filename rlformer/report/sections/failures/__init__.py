"""What did not come to a result."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.report.markup import bullets, escape
from rlformer.report.sections.base import ReportSection, ReportView
from rlformer.report.sections.failures.table import Failure, Note, failures, notes


@dataclass(frozen=True)
class Content:
    """Runs without a result, and what finished runs noted."""

    failures: list[Failure]
    notes: list[Note]


def content(view: ReportView) -> Content:
    """A row each."""
    return Content(failures(view.judgement), notes(view.judgement))


def markdown(view: ReportView) -> list[str]:
    """Runs that failed, notes that others left, and folders that could not be read, where there are any."""
    blocks = []
    if lost := failures(view.judgement):
        blocks += ["## Runs without a result", bullets(map(_line, lost))]
    if left := notes(view.judgement):
        lines = (escape(f"{note.environment}, {note.arm}, seed {note.seed}: {note.text}") for note in left)
        blocks += ["## Notes of finished runs", bullets(lines)]
    if skipped := view.judgement.skipped:
        blocks += ["## Folders left out", bullets(escape(f"{item.path}: {item.reason}") for item in skipped)]
    return blocks


def _line(failure: Failure) -> str:
    reason = "; ".join(filter(None, (failure.error, *failure.notes))) or "the run gave no reason"
    cost = f" (spent: {failure.spent})" if failure.spent else ""
    where = f"{failure.environment}, {failure.arm}, seed {failure.seed}"
    return escape(f"{where}: {failure.text}{cost}: {reason}")


SECTION = ReportSection("failures", "Runs without a result", "Failures", content, markdown=markdown)
