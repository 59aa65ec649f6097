"""Answers to the questions that a comparison is made for, and what a careful reader would object to."""

from __future__ import annotations

from rlformer.report.markup import answers, bullets, escape
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView

_LAST = (
    "These answers compare the mean returns of the policies at the end of their training, regardless of their cost and "
    "of how small the difference is"
)


def introduction(view: EnvironmentView) -> str:
    """What is compared here and not in the answer; nothing in a smoke test."""
    verdict = view.verdict
    if verdict.answer in ("works", "does not work"):
        return ""
    card = view.evidence.scorecard
    if card is None or card.threshold is None:
        return f"{_LAST}."
    return (
        f"{_LAST}. The answer above also weighs costs, and it scores the first policy that was good enough: of an "
        "agent that learns by interaction the first one of its training, of one that learns from a log the one that "
        "learned from the shortest sufficient part of it. This is why its scores differ from these."
    )


def markdown(view: EnvironmentView) -> list[str]:
    """The answers, then the warnings."""
    blocks = [escape(introduction(view)), answers(view.words.summary)]
    if view.words.warnings:
        blocks += ["Warnings:", bullets(map(escape, view.words.warnings))]
    return [block for block in blocks if block]


SECTION = EnvironmentSection("summary", "What the arms say", "Summary", introduction, markdown=markdown)
