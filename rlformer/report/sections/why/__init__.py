"""Why the answer is what it is, what would change it, what to beware of, and every number behind it."""

from __future__ import annotations

from rlformer.report.markup import bullets, escape
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView


def markdown(view: EnvironmentView) -> list[str]:
    """A list of each where there is any."""
    words, blocks = view.words.verdict, []
    for lead, texts in (
        ("Why:", words.reasons),
        ("What would change the answer:", words.flips),
        ("Warnings:", words.warnings),
    ):
        if texts:
            blocks += [lead, bullets(map(escape, texts))]
    return blocks


SECTION = EnvironmentSection(
    "why", "Why, and what would change it", "Why", markdown=markdown, applies=lambda view: bool(markdown(view))
)
