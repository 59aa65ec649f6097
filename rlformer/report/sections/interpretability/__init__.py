"""What policies rely on, and whether explanations find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlformer.report import explanation_figures, explanation_words
from rlformer.report.markup import bullets, escape
from rlformer.report.plots import Figure
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView


@dataclass(frozen=True)
class Content:
    """Sentences, and for each explained arm its tables and pictures."""

    sentences: list[dict[str, str]]
    pictures: dict[str, dict[str, Any]]  # by an arm's label
    explainer_columns: tuple[tuple[str, str, str], ...]


def content(view: EnvironmentView) -> Content | None:
    """What the template needs; None where nothing was explained."""
    explained = view.evidence["explanations"]
    if explained is None:
        return None
    pictures = {
        arm["label"]: {
            "explainers": explanation_words.explainer_rows(arm),
            "tree": explanation_figures.tree_picture(arm["tree"]) if arm["tree"] else None,
            "episode": explanation_figures.episode_picture(arm["pictures"]),
            "attention": explanation_figures.attention_pictures(arm["pictures"]),
        }
        for arm in explained["arms"]
        if arm["seeds"]
    }
    return Content(explanation_words.sentences(explained), pictures, explanation_words.EXPLAINER_COLUMNS)


def markdown(view: EnvironmentView) -> list[str]:
    """The sentences."""
    explained = view.evidence["explanations"]
    if explained is None:
        return []
    said = explanation_words.sentences(explained)
    return ["### Interpretability", bullets(f"**{item['lead']}** {escape(item['text'])}" for item in said)]


def _figure(
    draw: Callable[[Mapping[str, Any], Mapping[str, int]], Figure | None],
) -> Callable[[EnvironmentView], Figure | None]:
    return lambda view: draw(view.evidence, view.colours)


SECTION = EnvironmentSection(
    "interpretability",
    "Interpretability",
    "Interpretability",
    content,
    {
        "effects": _figure(explanation_figures.effects),
        "deletion": _figure(explanation_figures.deletion),
        "trees": _figure(explanation_figures.trees),
    },
    markdown,
)
