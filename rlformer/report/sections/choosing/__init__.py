"""Choosing and deploying: what a choice costs and adds, how bad the bad episodes are, what broke on the way."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.report import markup
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView
from rlformer.report.sections.choosing import figures, tables, words


@dataclass(frozen=True)
class Content:
    """Sentences and tables; neither where nothing was trained."""

    sentences: list[str]
    tables: list[tables.Table]


def content(view: EnvironmentView) -> Content:
    """What the template needs."""
    found = view.evidence.choosing
    if found is None:
        return Content([], [])
    return Content(words.sentences(found), tables.tables(found, view.verdict.terms.env_step))


def markdown(view: EnvironmentView) -> list[str]:
    """The sentences and the tables."""
    shown = content(view)
    if not shown.sentences and not shown.tables:
        return []
    blocks = ["### Choosing and deploying", markup.bullets(map(markup.escape, shown.sentences))]
    for table in shown.tables:
        rows = ([markup.escape(cell) for cell in row] for row in table.rows)
        blocks += [f"{markup.escape(table.title)}. {markup.escape(table.caption)}.", markup.table(table.head, rows)]
    return [block for block in blocks if block]


SECTION = EnvironmentSection(
    "choosing",
    "Choosing and deploying",
    "Choosing",
    content,
    {"deployed": figures.deployed, "equal": figures.equal},
    markdown,
)
