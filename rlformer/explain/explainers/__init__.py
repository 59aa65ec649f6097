"""The explainers by name. A new one is a file that describes itself, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlformer.explain.explainers import (
    attention_rollout,
    controls,
    feature_ablation,
    integrated_gradients,
    last_layer_attention,
    shapley_values,
)
from rlformer.explain.explainers.base import Explainer

if TYPE_CHECKING:
    from rlformer.explain.subject import Subject

EXPLAINERS: dict[str, Explainer] = {
    explainer.name: explainer
    for explainer in (
        integrated_gradients.EXPLAINER,
        feature_ablation.EXPLAINER,
        shapley_values.EXPLAINER,
        attention_rollout.EXPLAINER,
        last_layer_attention.EXPLAINER,
        controls.UNIFORM_ATTENTION,
        controls.RANDOM,
    )
}
SHARED = integrated_gradients.EXPLAINER  # every policy has it, and its cost does not grow with the groups


def explainers_of(subject: Subject) -> tuple[Explainer, ...]:
    """Those that can explain it."""
    return tuple(explainer for explainer in EXPLAINERS.values() if explainer.needs <= subject.offers)
