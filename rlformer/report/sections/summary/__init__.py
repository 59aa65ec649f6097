"""Answers to the questions that a comparison is made for, and what a careful reader would object to."""

from __future__ import annotations

from rlformer.report.markup import answers, bullets, escape
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView


def markdown(view: EnvironmentView) -> list[str]:
    """The answers, then the warnings."""
    blocks = [answers(view.words.summary)]
    if view.words.warnings:
        blocks += ["Warnings:", bullets(map(escape, view.words.warnings))]
    return blocks


SECTION = EnvironmentSection("summary", "What the arms say", "Summary", markdown=markdown)
