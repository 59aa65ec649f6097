"""How far the greedy action moves where inputs are replaced by those of other states. No explainer takes part."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rlformer.core.spaces import Array
from rlformer.explain.groups import Groups
from rlformer.explain.states import Sample, States
from rlformer.explain.subject import Subject

_ROUNDING = 1e-5  # by which numbers that are the same may differ


def repeated(states: States, times: int) -> States:
    """The states over and over, in the order of `Sample`."""
    rows = torch.arange(len(states)).repeat(times)
    return states[rows]


def effect_of(subject: Subject, groups: Groups, sample: Sample, replaced: Tensor) -> Tensor:
    """How far the greedy action moves in each state where groups are replaced: (B,), mean over the replacements.

    replaced: (B, G) bool. Categories: the share of replacements that change it; reals: the mean distance in shares
    of the log's range. Groups that the policy does not read change nothing.
    """
    times, count = sample.replacements, len(sample.states)
    states = repeated(sample.states, times)
    changed = groups.replace(states, sample, replaced.repeat(times, 1))
    before = subject.actions(sample.states).repeat(times, 1)
    return subject.distance(before, subject.actions(changed)).view(times, count).mean(dim=0)


def varied(groups: Groups, sample: Sample) -> Tensor:
    """The share of replacements that change the inputs of each group at all: (G,).

    A group that is the same in all episodes at a time has no effect there, whatever the policy makes of it.
    """
    states = repeated(sample.states, sample.replacements)
    everything = torch.ones(len(states), len(groups), dtype=torch.bool)
    changed = groups.replace(states, sample, everything)
    moved = [
        ((after - before).abs() > _ROUNDING * (1.0 + before.abs())).float()
        for before, after in zip(states.inputs, changed.inputs, strict=True)
    ]
    return (groups.gather(moved) > 0).float().mean(dim=0)


def total_effects(subject: Subject, groups: Groups, sample: Sample) -> Tensor:
    """TE of each group at each state: (B, G).

    TE_g = E over x' from the same episodes at the same time of d(f(x), f(x with g replaced by x'_g)): permutation
    importance (Breiman 2001; Fisher et al. 2019, arXiv:1801.01489) with the action's change in the place of the loss.
    """
    effects = torch.zeros(len(sample.states), len(groups))
    for number, read in enumerate(groups.read):
        if read:
            replaced = torch.zeros(len(sample.states), len(groups), dtype=torch.bool)
            replaced[:, number] = True
            effects[:, number] = effect_of(subject, groups, sample, replaced)
    return effects


def divergences(subject: Subject, groups: Groups, sample: Sample) -> Array | None:
    """Mean Jensen-Shannon divergence of the action's distribution where each group is replaced: (G,) bits.

    Summed over the components of an action. None unless the policy is really stochastic over categories.
    Source: Lin 1991, doi:10.1109/18.61115.
    """
    if not subject.scorer.stochastic:
        return None
    with torch.no_grad():
        before = _probabilities(subject, sample.states)  # (B, C, levels)
        found = np.zeros(len(groups))
        for number, read in enumerate(groups.read):
            if not read:
                continue
            replaced = torch.zeros(len(sample.alike), len(groups), dtype=torch.bool)
            replaced[:, number] = True
            states = groups.replace(repeated(sample.states, sample.replacements), sample, replaced)
            after = _probabilities(subject, states)
            of = before.repeat(sample.replacements, 1, 1)
            middle = (of + after) / 2
            divergence = _entropy(middle) - (_entropy(of) + _entropy(after)) / 2  # (R * B, C)
            found[number] = float(divergence.sum(dim=1).mean().clamp(min=0.0))
    return found


def _probabilities(subject: Subject, states: States) -> Tensor:
    size = subject.at_once(states)
    parts = [subject.scores(states[i : i + size]) for i in range(0, len(states), size)]
    return subject.codec.levels(torch.cat(parts)).softmax(dim=-1)


def _entropy(p: Tensor) -> Tensor:
    """(..., levels) -> (...) bits."""
    return -torch.special.xlogy(p, p).sum(dim=-1) / np.log(2.0)
