"""The section on what policies rely on, and whether explanations find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rlformer.evaluator.judge.explanations import Explanations
from rlformer.report.markup import answers
from rlformer.report.plots import Figure
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView
from rlformer.report.sections.interpretability import figures
from rlformer.report.sections.interpretability.heat import HeatRow, heat_rows
from rlformer.report.sections.interpretability.pictures import (
    AttentionPicture,
    EpisodePicture,
    TreePicture,
    attention_pictures,
    episode_picture,
    tree_picture,
)
from rlformer.report.sections.interpretability.tables import (
    EXPLAINER_COLUMNS,
    EffectRow,
    ExplainerColumn,
    ExplainerRow,
    effect_rows,
    explainer_rows,
)
from rlformer.report.sections.interpretability.words import sentences
from rlformer.report.words.types import Answer


@dataclass(frozen=True)
class ArmContent:
    """What is shown of one explained arm."""

    effects: tuple[EffectRow, ...]
    by_group: tuple[ExplainerRow, ...]
    by_token: tuple[ExplainerRow, ...]
    tree: TreePicture | None
    episode: EpisodePicture | None
    attention: tuple[AttentionPicture, ...]
    heat: tuple[HeatRow, ...] = ()


@dataclass(frozen=True)
class Content:
    """What the template shows."""

    explanations: Explanations
    sentences: tuple[Answer, ...]
    arms: Mapping[str, ArmContent]  # by label
    explainer_columns: tuple[ExplainerColumn, ...] = EXPLAINER_COLUMNS


def content(view: EnvironmentView) -> Content | None:
    """What the template shows; None where no run was explained."""
    explanations = view.evidence.explanations
    if explanations is None:
        return None
    arms = {
        arm.label: ArmContent(
            effect_rows(arm),
            explainer_rows(arm, arm.by_group),
            explainer_rows(arm, arm.by_token),
            None if arm.tree is None else tree_picture(arm.tree),
            episode_picture(arm.pictures),
            attention_pictures(arm.pictures),
            heat_rows(arm.maps),
        )
        for arm in explanations.explained
    }
    return Content(explanations, sentences(explanations), arms)


def markdown(view: EnvironmentView) -> list[str]:
    """The sentences, where some run was explained."""
    explanations = view.evidence.explanations
    return [] if explanations is None else ["### Interpretability", answers(sentences(explanations))]


def _figure(
    draw: Callable[[Explanations, Mapping[str, int]], Figure | None],
) -> Callable[[EnvironmentView], Figure | None]:
    """A figure of explanations as one of an environment: none without any."""

    def drawn(view: EnvironmentView) -> Figure | None:
        explanations = view.evidence.explanations
        return None if explanations is None else draw(explanations, view.colours)

    return drawn


SECTION = EnvironmentSection(
    "interpretability",
    "Interpretability",
    "Interpretability",
    content,
    {"effects": _figure(figures.effects), "deletion": _figure(figures.deletion), "trees": _figure(figures.trees)},
    markdown,
)
