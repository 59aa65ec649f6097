"""The weights of the last layer, averaged over heads: what is mostly shown as "the attention"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlformer.explain.explainers.base import ATTENTION, Explainer

if TYPE_CHECKING:
    from torch import Tensor

    from rlformer.explain.explainers.attribution import Attribution
    from rlformer.explain.groups import Groups
    from rlformer.explain.states import Sample, States
    from rlformer.explain.subject import Subject


def weights(subject: Subject, states: States) -> Tensor:
    """Of the tokens in the window: (B, T)."""
    from rlformer.explain.explainers import attention

    return attention.of_prediction(subject, states, attention.layers(subject, states)[-1])


def attribute(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    """See `Explainer`."""
    from rlformer.explain.explainers import attention

    return attention.attribution(subject, groups, sample.states, weights(subject, sample.states))


EXPLAINER = Explainer(
    name="last-layer attention",
    attribute=attribute,
    separates="tokens",
    needs=frozenset({ATTENTION}),
    weights=weights,
)
