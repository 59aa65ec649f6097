"""What is explained: a policy that scores actions, seen as a function of aligned states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.actions import ActionCodec
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy, Scorer
from rlformer.core.spaces import ActionSpec
from rlformer.data.dataset import Dataset
from rlformer.explain.explainers.base import ATTENTION, GRADIENTS
from rlformer.explain.states import States

LONGEST = 64  # steps of the past that a policy without a limit is shown
_AT_ONCE = 4096  # states in a forward pass, at most
_NUMBERS = 2**24  # that they show a policy together, about


@dataclass(frozen=True)
class Subject:
    """A policy with the unit that effects on its actions are measured in."""

    scorer: Scorer
    codec: ActionCodec
    context_length: int  # steps shown to it
    action_range: Tensor  # (A,) of each dimension of a Box action in the log; empty for categories

    @property
    def spec(self) -> ActionSpec:
        """The action space."""
        return self.scorer.actions

    @property
    def reads_history(self) -> bool:
        """Whether steps before the current one can matter."""
        return self.context_length > 1

    @property
    def offers(self) -> frozenset[str]:
        """What explainers can have of it: gradients always, attention where its model has any."""
        scorer = self.scorer
        attends = isinstance(scorer, SequencePolicy) and scorer.model.architecture.kind.attends
        return frozenset({GRADIENTS, ATTENTION} if attends else {GRADIENTS})

    def at_once(self, states: States) -> int:
        """How many of such states go through the policy in one pass: fewer of images, for the memory that they take."""
        shown = states.observations[0].numel() if len(states) else 1
        return max(1, min(_AT_ONCE, _NUMBERS // max(1, shown)))

    @property
    def outputs(self) -> int:
        """How many numbers are attributed: one for categories, one for each dimension of reals."""
        return len(self.action_range) if self.spec.kind == "box" else 1

    def scores(self, states: States) -> Tensor:
        """(B, A), differentiable."""
        scores: Tensor = self.scorer.scores(states.window())
        return scores

    def actions(self, states: States) -> Tensor:
        """The greedy actions: (B, C) categories, or (B, A) reals within their bounds."""
        with torch.no_grad():
            size = self.at_once(states)
            parts = [self.scores(states[i : i + size]) for i in range(0, len(states), size)]
            scores = torch.cat(parts)
            if self.spec.kind == "box":
                return torch.from_numpy(self.spec.clip(scores.numpy()))
            greedy = self.codec.greedy(scores)
            return greedy[:, None] if greedy.dim() == 1 else greedy

    def distance(self, actions: Tensor, others: Tensor) -> Tensor:
        """(B,) from 0: whether categories differ, or the mean distance of reals in shares of the log's range."""
        if self.spec.kind != "box":
            return (actions != others).any(dim=1).float()
        return ((actions - others).abs() / self.action_range).mean(dim=1)

    def preferences(self, states: States, chosen: Tensor) -> Tensor:
        """What is attributed: (B, outputs), differentiable.

        Categories: how far the chosen levels (B, C) stand above the mean of their component, summed over components:
        what a softmax, or a choice of the greatest, does not see is left out. Reals: the action.
        """
        scores = self.scores(states)
        if self.spec.kind == "box":
            return scores
        logits = self.codec.levels(scores)  # (B, C, levels)
        finite = torch.isfinite(logits)
        mean = torch.where(finite, logits, 0.0).sum(dim=2) / finite.sum(dim=2)
        picked = logits.gather(2, chosen[..., None]).squeeze(2)
        return (picked - mean).sum(dim=1, keepdim=True)


def subject_of(policy: Policy, dataset: Dataset, longest: int = 0) -> Subject:
    """dataset: the log whose actions' range is the unit of effects. longest: steps of the longest episode elsewhere.

    Raises InputError where the policy has no scores, or the log's actions never vary.
    """
    if not isinstance(policy, Scorer):
        raise InputError(f"{type(policy).__name__} does not score actions: there is nothing to explain")
    longest = max(longest, int(dataset.lengths.max()))
    read = LONGEST if policy.context_length is None else policy.context_length
    spread = torch.zeros(0)
    if policy.actions.kind == "box":
        logged = [np.asarray(one.actions) for one in dataset.shards or (dataset,)]
        low, high = (np.stack([of(actions, axis=0) for actions in logged]) for of in (np.min, np.max))
        width = high.max(axis=0) - low.min(axis=0)
        if not (width > 0).any():
            raise InputError("the log's actions never vary: effects on actions have no unit")
        spread = torch.from_numpy(np.where(width > 0, width, width.max()).astype(np.float32))
    return Subject(policy, ActionCodec(policy.actions), min(read, longest), spread)


@contextmanager
def randomised(networks: Sequence[torch.nn.Module], seed: int) -> Iterator[None]:
    """The numbers of every weight in another order, so that what was learned is lost and their sizes are kept.

    After the model randomisation test of Adebayo et al. 2018 (arXiv:1810.03292). They are put back afterwards.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = {id(p): p for network in networks for p in network.parameters()}.values()
    kept = [p.detach().clone() for p in parameters]
    try:
        with torch.no_grad():
            for p in parameters:
                p.copy_(p.flatten()[torch.randperm(p.numel(), generator=generator)].view_as(p))
        yield
    finally:
        with torch.no_grad():
            for p, before in zip(parameters, kept, strict=True):
                p.copy_(before)
