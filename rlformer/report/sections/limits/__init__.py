"""What a report cannot tell, whatever its numbers."""

from __future__ import annotations

from rlformer.report.markup import answers
from rlformer.report.sections.base import ReportSection, ReportView


def markdown(view: ReportView) -> list[str]:
    """A line for each limit."""
    return ["## What this report cannot tell you", answers(view.words.limits)]


SECTION = ReportSection("limits", "What this report cannot tell you", "Limits", markdown=markdown)
