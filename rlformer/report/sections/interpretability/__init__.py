"""The section on what policies rely on, and whether explanations find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlformer.core.codec import decode
from rlformer.evaluator.judge.explanations import Explanations
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
    ExplainerColumn,
    ExplainerRow,
    explainer_rows,
)
from rlformer.report.sections.interpretability.words import Sentence, sentences


@dataclass(frozen=True)
class ArmContent:
    """What is shown of one explained arm."""

    explainers: tuple[ExplainerRow, ...]
    tree: TreePicture | None
    episode: EpisodePicture | None
    attention: tuple[AttentionPicture, ...]


@dataclass(frozen=True)
class Content:
    """What the template shows."""

    explanations: Explanations
    sentences: tuple[Sentence, ...]
    arms: Mapping[str, ArmContent]  # by label
    explainer_columns: tuple[ExplainerColumn, ...] = EXPLAINER_COLUMNS


def explanations_of(environment: Mapping[str, Any]) -> Explanations | None:
    """Those of an environment of results.json; None where no run was explained."""
    found = environment["explanations"]
    return None if found is None else decode(Explanations, found)


def content(explanations: Explanations | None) -> Content | None:
    """What the template shows; None where no run was explained."""
    if explanations is None:
        return None
    arms = {
        arm.label: ArmContent(
            explainer_rows(arm),
            None if arm.tree is None else tree_picture(arm.tree),
            episode_picture(arm.pictures),
            attention_pictures(arm.pictures),
        )
        for arm in explanations.explained
    }
    return Content(explanations, sentences(explanations), arms)
