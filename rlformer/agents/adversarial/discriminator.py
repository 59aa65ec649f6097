"""Tells an expert's steps from a learner's; the loss that teaches it, and what a step earns by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Rows = Tensor  # (B, inputs): what is read of a step


class Discriminator(nn.Module):
    """The logit of "this is the expert", from what is read of a step."""

    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise([inputs, *hidden]):
            layers += [nn.Linear(before, after), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, rows: Rows) -> Tensor:
        """(B, inputs) -> (B,)."""
        logits: Tensor = self.layers(rows)[:, 0]
        return logits


# What a step earns, by the discriminator's logit, log D / (1 - D), where D is high for the expert.
REWARDS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "log_ratio": lambda logits: logits,  # Fu et al. 2018, arXiv:1710.11248
    "positive": F.softplus,  # -log(1 - D), Ho & Ermon 2016: who stays alive earns more
    "negative": F.logsigmoid,  # log D: who ends soon loses less
}


def discrimination(expert: Tensor, learner: Tensor) -> Tensor:
    """Cross-entropy of both logits (B,), each half of it (Ho & Ermon 2016, eq. 17)."""
    return (F.softplus(-expert).mean() + F.softplus(learner).mean()) / 2


def gradient_penalty(discriminator: Discriminator, expert: Rows, learner: Rows, shares: Tensor) -> Tensor:
    """(|gradient| - 1)^2 where it is above 1, on average, at points between expert and learner.

    Of Gulrajani et al. 2017 (arXiv:1704.00028), one-sided as in Petzka et al. 2018 (arXiv:1709.08894): a slope that is
    forced to be 1 leads somewhere before anything is known. shares: (B, 1) of the expert, in [0, 1].
    """
    between = (shares * expert + (1 - shares) * learner).requires_grad_()
    logits = discriminator(between.view_as(between))  # torch's counter of operations takes no leaf
    (gradients,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
    return F.relu(gradients.norm(dim=1) - 1).square().mean()
