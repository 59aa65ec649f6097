"""What the runs say together: the verdict, its reasons, and what would turn it."""

from __future__ import annotations

from rlformer.report.markup import bullets, escape
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView


def markdown(view: EnvironmentView) -> list[str]:
    """The headline, and lists where there are any."""
    verdict = view.words.verdict
    blocks = [f"**{escape(verdict.headline)}**"]
    for lead, texts in (
        ("", verdict.reasons),
        ("What would turn it:", verdict.flips),
        ("Beware:", verdict.warnings),
    ):
        if texts:
            blocks += [lead] * bool(lead) + [bullets(map(escape, texts))]
    return blocks


SECTION = EnvironmentSection("verdict", "Verdict", "Verdict", markdown=markdown, opens=True)
