"""Attention through all layers, residual connections included (Abnar & Zuidema 2020, arXiv:2005.00928)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlformer.explain.explainers.base import ATTENTION, Explainer

if TYPE_CHECKING:
    from torch import Tensor

    from rlformer.explain.explainers.attribution import Attribution
    from rlformer.explain.groups import Groups
    from rlformer.explain.states import Sample, States
    from rlformer.explain.subject import Subject


def rollout(layers: list[Tensor]) -> Tensor:
    """Each layer's weights (B, T, T), averaged over heads, mixed half and half with the identity and multiplied."""
    import torch

    through = torch.eye(layers[0].shape[-1]).expand_as(layers[0])
    for weights in layers:
        mixed = weights / 2 + torch.eye(weights.shape[-1]) / 2
        through = mixed / mixed.sum(dim=-1, keepdim=True) @ through
    return through


def weights(subject: Subject, states: States) -> Tensor:
    """Of the tokens in the window: (B, T)."""
    from rlformer.explain.explainers import attention

    return attention.of_prediction(subject, states, rollout(attention.layers(subject, states)))


def attribute(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    """See `Explainer`."""
    from rlformer.explain.explainers import attention

    return attention.attribution(subject, groups, sample.states, weights(subject, sample.states))


EXPLAINER = Explainer(
    name="attention rollout",
    attribute=attribute,
    separates="tokens",
    needs=frozenset({ATTENTION}),
    weights=weights,
)
