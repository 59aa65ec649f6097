"""Next tokens of a random Markov chain: pretraining that has never seen a task (Wang et al. 2024, arXiv:2310.00771),
and its control, tokens of which none says anything about the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.rounding import Linear
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.flops import Work, linear
from rlformer.core.records import Window

STATES = 100  # of the paper's chain
_SPREAD = 2.0  # of the transitions' logits, which are normal: about 20 of the states are likely to follow each


class Chain(nn.Module):
    """Embeds states, and reads the next one off a row. The chain is the same for every run."""

    below: Tensor

    def __init__(self, a: Architecture, random: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(STATES, a.width)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.following = Linear(a.width, STATES)
        logits = _SPREAD * torch.randn(STATES, STATES, generator=torch.Generator().manual_seed(0))
        shares = torch.full_like(logits, 1 / STATES) if random else logits.softmax(dim=1)
        self.register_buffer("below", shares.cumsum(dim=1), persistent=False)

    def draw(self, count: int, length: int, generator: torch.Generator | None) -> Tensor:
        """Sequences of states, (count, length), each begun anywhere. generator: of the host; None: the device's own."""
        device = self.below.device
        drawn = torch.rand(count, length, generator=generator, device=None if generator else device).to(device)
        states = [(drawn[:, 0] * STATES).long()]
        for number in range(1, length):
            following = (self.below[states[-1]] <= drawn[:, number, None]).sum(dim=1)
            states.append(following.clamp(max=STATES - 1))  # the sum may end just under 1
        return torch.stack(states, dim=1)


def foretell(model: TrajectoryModel, window: Window, name: str) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The mean cross-entropy of the next state, at each real step of the windows, of which nothing else is read."""
    chain = cast(Chain, model.auxiliary[name])
    length = model.architecture.tokens_per_window
    generator = None if model.training else torch.Generator().manual_seed(0)
    states = chain.draw(len(window.mask), length, generator)
    scores = chain.following(model.backbone(F.embedding(states, chain.embed.weight), slice(None))[:, :-1])
    loss = F.cross_entropy(scores.flatten(0, 1), states[:, 1:].flatten())
    return loss * window.mask, {}


def _check(a: Architecture) -> None:
    if not a.kind.history or a.tokens_per_window < 2:
        raise InputError("a chain needs tokens that follow each other: context_length must be 2 or more")


def _work(a: Architecture) -> Work:
    length = a.tokens_per_window
    return a.kind.work(a, length, length) + linear(a.width, STATES) * (length - 1)


def _objective(name: str, random: bool) -> Objective:
    return Objective(
        name=name,
        make=lambda options: partial(foretell, name=name),
        work=_work,
        check=_check,
        auxiliary=partial(Chain, random=random),
    )


SYNTHETIC = _objective("synthetic", random=False)
RANDOM_TOKENS = _objective("random-tokens", random=True)
