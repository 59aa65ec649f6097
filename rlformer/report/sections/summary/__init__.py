"""Answers to the questions that a comparison is made for, and what a careful reader would object to."""

from __future__ import annotations

from rlformer.report.markup import bullets, escape
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView


def markdown(view: EnvironmentView) -> list[str]:
    """The answers, then the warnings."""
    found = view.evidence
    blocks = [bullets(f"**{item['lead']}** {escape(item['text'])}" for item in found["summary"])]
    if found["warnings"]:
        blocks += ["Warnings:", bullets(map(escape, found["warnings"]))]
    return blocks


SECTION = EnvironmentSection("summary", "What the arms say", "Summary", markdown=markdown)
