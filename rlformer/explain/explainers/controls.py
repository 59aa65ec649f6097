"""What every explainer is compared with: attention that is the same everywhere, and attributions drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlformer.explain.explainers.base import ATTENTION, Explainer

if TYPE_CHECKING:
    from torch import Tensor

    from rlformer.explain.explainers.attribution import Attribution
    from rlformer.explain.groups import Groups
    from rlformer.explain.states import Sample, States
    from rlformer.explain.subject import Subject


def uniform(subject: Subject, states: States) -> Tensor:
    """The same weight for every token that the prediction sees: (B, T)."""
    from rlformer.explain.explainers import attention

    return attention.visible(subject, states)


def uniform_rollout(subject: Subject, states: States) -> Tensor:
    """What is left of equal weights in every layer by the rollout of all of them: (B, T)."""
    import torch

    from rlformer.explain.explainers import attention
    from rlformer.explain.explainers.attention_rollout import rollout

    layers = attention.layers(subject, states)
    past = torch.ones_like(layers[0]).tril()
    equal = past / past.sum(dim=-1, keepdim=True)
    return attention.of_prediction(subject, states, rollout([equal] * len(layers)))


def _uniform_rollout(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    from rlformer.explain.explainers import attention

    return attention.attribution(subject, groups, sample.states, uniform_rollout(subject, sample.states))


def _uniform(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    from rlformer.explain.explainers import attention

    return attention.attribution(subject, groups, sample.states, uniform(subject, sample.states))


def _random(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    import torch

    from rlformer.explain.explainers.attribution import Attribution

    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randn(len(sample.states), subject.outputs, len(groups), generator=rng)
    return Attribution(drawn * torch.tensor(groups.read))


UNIFORM_ATTENTION = Explainer(
    name="uniform attention",
    attribute=_uniform,
    separates="tokens",
    needs=frozenset({ATTENTION}),
    reads_state=False,
    control=True,
    weights=uniform,
)
UNIFORM_ROLLOUT = Explainer(  # of `looking` alone: a rollout keeps a part of all weight at the token that predicts
    name="rollout of uniform attention",
    attribute=_uniform_rollout,
    separates="tokens",
    needs=frozenset({ATTENTION}),
    reads_state=False,
    control=True,
    weights=uniform_rollout,
)
RANDOM = Explainer(
    name="random",
    attribute=_random,
    separates="groups",
    drawn=True,
    reads_state=False,
    control=True,
)
