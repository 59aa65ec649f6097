"""What the words of the page mean."""

from __future__ import annotations

from rlformer.report.glossary import TERMS, Term
from rlformer.report.sections.base import ReportSection, ReportView


def content(view: ReportView) -> tuple[Term, ...]:
    """Every word, by its name."""
    return tuple(sorted(TERMS, key=lambda term: term.name.lower()))


SECTION = ReportSection("glossary", "What the words mean", "Glossary", content)
