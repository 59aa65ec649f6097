"""The section on where models keep what they have to remember: by layer and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlformer.evaluator.judge.explanations.memory import MemoryEvidence
from rlformer.report.markup import answers
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView
from rlformer.report.sections.memory.maps import MapFigure, figures
from rlformer.report.sections.memory.words import introduction, sentences
from rlformer.report.words.types import Answer

Known = Sequence[tuple[str, MemoryEvidence]]  # by an arm's label


@dataclass(frozen=True)
class Content:
    """What the template shows."""

    introduction: str
    sentences: tuple[Answer, ...]
    figures: tuple[MapFigure, ...]


def known(view: EnvironmentView) -> Known:
    """The explained arms of a task in which it is known what has to be remembered."""
    explanations = view.evidence.explanations
    explained = () if explanations is None else explanations.explained
    return [(arm.label, arm.memory) for arm in explained if arm.memory is not None]


def content(view: EnvironmentView) -> Content:
    """What the template shows."""
    arms = known(view)
    drawn = tuple(figure for label, memory in arms for figure in figures(label, memory))
    return Content(introduction(arms), sentences(arms), drawn)


def markdown(view: EnvironmentView) -> list[str]:
    """The sentences."""
    arms = known(view)
    return ["### Where the cue is kept", introduction(arms), answers(sentences(arms))]


SECTION = EnvironmentSection(
    "memory",
    "Where the cue is kept",
    "Memory",
    content,
    markdown=markdown,
    applies=lambda view: bool(known(view)),
)
