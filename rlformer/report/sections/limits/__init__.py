"""What a report cannot tell, whatever its numbers."""

from __future__ import annotations

from rlformer.report.markup import bullets, escape
from rlformer.report.sections.base import ReportSection, ReportView


def markdown(view: ReportView) -> list[str]:
    """A line for each limit."""
    lines = (f"**{item['lead']}** {escape(item['text'])}" for item in view.results["limits"])
    return ["## What this report cannot tell you", bullets(lines)]


SECTION = ReportSection("limits", "What this report cannot tell you", "Limits", markdown=markdown)
