"""Random attributions of an explainer's own form: what it reaches by chance through the same aggregation."""

from __future__ import annotations

import torch

from rlformer.explain.explainers import attention
from rlformer.explain.explainers.attribution import Attribution
from rlformer.explain.explainers.base import Explainer
from rlformer.explain.groups import Groups
from rlformer.explain.states import States
from rlformer.explain.subject import Subject


def chance(explainer: Explainer, subject: Subject, groups: Groups, states: States, seed: int) -> Attribution:
    """Drawn for the finest parts that the explainer separates, of the first output alone."""
    rng, read = torch.Generator().manual_seed(seed), torch.tensor(groups.read)
    if explainer.separates == "tokens":
        visible = attention.visible(subject, states)
        return attention.attribution(subject, groups, states, torch.rand(visible.shape, generator=rng) * (visible > 0))
    if explainer.separates == "inputs":
        seen = states.seen
        drawn = tuple(
            torch.randn(x.shape, generator=rng) * (seen if x.dim() == 2 else seen[..., None]) for x in states.inputs
        )
        return Attribution((groups.gather(drawn) * read)[:, None])
    return Attribution(torch.randn(len(states), 1, len(groups), generator=rng) * read)
