"""The first screen: the answer, how sure it is, the scorecard, the strongest reason and doubt, and what is next."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.report.markup import bullets, code, escape
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView
from rlformer.report.sections.verdict.scorecard import Card, card

_NO_DOUBT = "The runs are of one task: they say nothing about other tasks."


@dataclass(frozen=True)
class Content:
    """What the template shows beside the words of the verdict."""

    card: Card | None
    reason: str | None
    doubt: str


def content(view: EnvironmentView) -> Content:
    """The scorecard, and of reasons and doubts the strongest."""
    words = view.words
    reason = next(iter(words.verdict.reasons), None)
    return Content(card(view.evidence), reason, next(iter((*words.verdict.warnings, *words.warnings)), _NO_DOUBT))


def markdown(view: EnvironmentView) -> list[str]:
    """The same in Markdown."""
    words, shown = view.words.verdict, content(view)
    blocks = [f"**{escape(words.headline)}**", escape(words.certainty)]
    if shown.card is not None:
        blocks += [_table(shown.card), escape(f"Who leads: {shown.card.leaders}")]
    strongest = [("Strongest reason", shown.reason), ("Strongest doubt", shown.doubt)]
    blocks.append(bullets(f"**{lead}:** {escape(text)}" for lead, text in strongest if text))
    for step in words.next:
        blocks += [f"{escape(step.why)}:", code(step.command)]
    return [block for block in blocks if block]


def _table(shown: Card) -> str:
    head, rows = shown.narrow
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(escape, row))} |" for row in rows)])


SECTION = EnvironmentSection("verdict", "The answer", "Answer", content, markdown=markdown, opens=True)
