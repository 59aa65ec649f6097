"""What did not come to a result."""

from __future__ import annotations

from rlformer.report.markup import bullets, escape
from rlformer.report.sections.base import ReportSection, ReportView
from rlformer.report.sections.failures.table import Failure, failures


def content(view: ReportView) -> list[Failure]:
    """A row each."""
    return failures(view.judgement)


def markdown(view: ReportView) -> list[str]:
    """Runs that failed, and folders that could not be read, where there are any."""
    blocks = []
    if lost := failures(view.judgement):
        blocks += ["## Failed and unfinished runs", bullets(map(_line, lost))]
    if skipped := view.judgement.skipped:
        blocks += ["## Folders left out", bullets(escape(f"{item.path}: {item.reason}") for item in skipped)]
    return blocks


def _line(failure: Failure) -> str:
    reason = "; ".join(filter(None, (failure.error, *failure.notes))) or "the run left no word"
    cost = f" (spent: {failure.spent})" if failure.spent else ""
    where = f"{failure.environment}, {failure.arm}, seed {failure.seed}"
    return escape(f"{where}: {failure.text}{cost}: {reason}")


SECTION = ReportSection("failures", "Failed and unfinished runs", "Failures", content, markdown=markdown)
