"""Attention as attributions: weights of a model's tokens, seen from the prediction, spread over inputs and groups."""

from __future__ import annotations

import torch
from torch import Tensor

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.explain.explainers.attribution import Attribution
from rlformer.explain.groups import Groups
from rlformer.explain.states import States
from rlformer.explain.subject import Subject


def attribution(subject: Subject, groups: Groups, states: States, weights: Tensor) -> Attribution:
    """Of weights of tokens (B, T)."""
    elements = spread(subject, states, weights)
    return Attribution(groups.gather(elements)[:, None], elements)


def layers(subject: Subject, states: States) -> list[Tensor]:
    """Weights of every layer, averaged over heads: (B, T, T) each."""
    return [weights.mean(dim=1) for weights in _model(subject).attention(states.window())]


def of_prediction(subject: Subject, states: States, weights: Tensor) -> Tensor:
    """The row of weights (B, T, T) that belongs to the token which predicts the current action: (B, T)."""
    return weights[torch.arange(len(states)), _row(subject, states)]


def visible(subject: Subject, states: States) -> Tensor:
    """Uniform weights over the tokens that the prediction can see: (B, T)."""
    total = len(kinds_of_tokens(subject)) * states.returns_to_go.shape[1]
    seen = (torch.arange(total) <= _row(subject, states)[:, None]).float()
    return seen / seen.sum(dim=1, keepdim=True)


def kinds_of_tokens(subject: Subject) -> tuple[tuple[str, ...], ...]:
    """The inputs of each of a step's tokens: return, observation, action or previous action."""
    return _model(subject).inputs_of_tokens


def spread(subject: Subject, states: States, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of tokens (B, T) to inputs, aligned at the current step: a token's inputs share its weight evenly."""
    by_step = aligned(subject, states, weights)
    returns, observations, actions = (torch.zeros_like(x) for x in states.inputs)
    for number, parts in enumerate(kinds_of_tokens(subject)):
        share = by_step[..., number] / len(parts)
        for part in parts:
            if part == "return":
                returns += share
            elif part == "observation":
                observations += share[..., None] / observations.shape[2]
            else:
                moved = share if part == "action" else torch.nn.functional.pad(share[:, 1:], (0, 1))
                actions += moved[..., None] / actions.shape[2]
    return returns, observations, actions


def aligned(subject: Subject, states: States, weights: Tensor) -> Tensor:
    """Weights of tokens in the window (B, T) by step, the current one last: (B, K, kinds)."""
    kinds, steps = len(kinds_of_tokens(subject)), states.returns_to_go.shape[1]
    by_step = torch.nn.functional.pad(weights, (0, kinds * steps - weights.shape[1])).unflatten(1, (steps, kinds))
    place = torch.arange(steps) - (steps - states.lengths[:, None])  # (B, K): of each aligned step in the window
    found = by_step.gather(1, place.clamp(min=0)[..., None].expand(-1, -1, kinds))
    return found * states.seen[..., None]


def _row(subject: Subject, states: States) -> Tensor:
    """The token that predicts the current action, counted in the window: (B,)."""
    model = _model(subject)
    return model.token_of_scores + len(model.inputs_of_tokens) * (states.lengths - 1)


def _model(subject: Subject) -> TrajectoryModel:
    """Of a subject that offers attention."""
    assert isinstance(subject.scorer, SequencePolicy)
    return subject.scorer.model
