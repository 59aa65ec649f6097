"""Markdown of names and sentences from anywhere, none of which becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rlformer.core import formats
from rlformer.report.words.types import Answer


def escape(text: str) -> str:
    """A name or a sentence as plain text of one line.

    >>> escape("a|b <i>*c*</i>")
    'a\\\\|b \\\\<i\\\\>\\\\*c\\\\*\\\\</i\\\\>'
    """
    return re.sub(r"([\\`*\[\]<>|#]|\b_|_\b)", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """What is shown letter by letter: a block that nothing inside can leave."""
    return "\n".join(f"    {line}" for line in text.split("\n"))


def bullets(lines: Iterable[str]) -> str:
    """A list; the lines are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def answers(given: Iterable[Answer]) -> str:
    """A list of sentences, each after what it is about."""
    return bullets(f"**{answer.lead}** {escape(answer.text)}" for answer in given)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is of names and whose others are of numbers; the cells are Markdown already."""
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def improvement(labels: Sequence[str], matrix: Sequence[Sequence[formats.Interval | None]]) -> str:
    """How likely a run of the row beats one of the column, as a table; names as they are."""
    names = [escape(label) for label in labels]
    rows = zip(names, matrix, strict=True)
    return table(
        ["Row against column", *names], ([name, *(formats.estimate(cell, "z") for cell in row)] for name, row in rows)
    )
