"""Groups of inputs that are replaced, and attributed to, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rlformer.explain.states import Sample, States

HISTORY, RETURN, PAST_ACTIONS = "history", "returns-to-go", "past actions"


@dataclass(frozen=True)
class Groups:
    """A partition of the inputs of a state: each input belongs to one group."""

    names: tuple[str, ...]  # G
    returns_to_go: Tensor  # (K,) the number of each input's group
    observations: Tensor  # (K, O)
    actions: Tensor  # (K, W)
    read: tuple[bool, ...]  # whether the policy reads a group at all: otherwise its effect is 0 by definition
    timed: tuple[bool, ...]  # whether other values are drawn from any decision, not from the same time

    def __len__(self) -> int:
        return len(self.names)

    @property
    def masks(self) -> tuple[Tensor, Tensor, Tensor]:
        """The groups of every input, in the order of `States.inputs`."""
        return self.returns_to_go, self.observations, self.actions

    def numbers(self, names: Sequence[str]) -> list[int]:
        """Of these groups."""
        return [self.names.index(name) for name in names]

    def replace(self, states: States, by: Sample, replaced: Tensor) -> States:
        """The states with whole groups from others in their place.

        states: those of `by` R times over. replaced: (R * B, G) bool, which groups of which state. A step that the
        other state does not have keeps its own.
        """
        timed = torch.tensor(self.timed)
        values = []
        for own, mask, alike, anywhen in zip(
            states.inputs, self.masks, by.alike.inputs, by.anywhen.inputs, strict=True
        ):
            chosen, at_any_time = replaced[:, mask], timed[mask]  # (R * B, K[, ...]), (K[, ...])
            seen = (by.alike.seen, by.anywhen.seen)
            if own.dim() == 3:
                seen = (seen[0][..., None], seen[1][..., None])
            donor = torch.where(at_any_time, anywhen, alike)
            there = torch.where(at_any_time, seen[1], seen[0])
            values.append(torch.where(chosen & there, donor, own))
        return states.having(*values)

    def gather(self, attributions: Sequence[Tensor]) -> Tensor:
        """Sums of attributions to single inputs, each (B, *input), over groups: (B, G)."""
        total = torch.zeros(len(attributions[0]), len(self), dtype=attributions[0].dtype)
        for values, mask in zip(attributions, self.masks, strict=True):
            total.index_add_(1, mask.flatten(), values.flatten(1))
        return total


def shared(
    features: Mapping[str, Sequence[int]], context_length: int, action_width: int, reads_history: bool,
    reads_returns: bool, decisions_known: bool = False,
) -> Groups:  # fmt: skip
    """Those that every family has: each feature of the current observation, all earlier steps as one, and the
    returns-to-go as one, since each of them follows from another and the rewards.

    features: the dimensions of an observation that each name stands for, all of them once.
    """
    steps, history, returns = context_length, len(features), len(features) + 1
    of_feature = _numbers(features)
    observations = torch.full((steps, len(of_feature)), history)
    observations[-1] = of_feature
    return Groups(
        (*features, HISTORY, RETURN),
        torch.full((steps,), returns),
        observations,
        torch.full((steps, action_width), history),
        (*(True for _ in features), reads_history, reads_returns),
        (*(decisions_known for _ in features), False, False),
    )


def named(
    names: Mapping[str, Sequence[int]], context_length: int, action_width: int, reads_history: bool,
    reads_returns: bool, decisions_known: bool = False,
) -> Groups:  # fmt: skip
    """Those that a truth speaks of: features by name, now or earlier; past actions; returns-to-go.

    names: the dimensions of an observation that each name stands for, all of them once.
    """
    of_feature = _numbers(names)
    actions, returns = len(names), len(names) + 1
    return Groups(
        (*names, PAST_ACTIONS, RETURN),
        torch.full((context_length,), returns),
        of_feature.expand(context_length, len(of_feature)),
        torch.full((context_length, action_width), actions),
        (*(True for _ in names), reads_history, reads_returns),
        (*(decisions_known for _ in names), False, False),
    )


def _numbers(names: Mapping[str, Sequence[int]]) -> Tensor:
    """The number of the name of each dimension."""
    of_dimension = torch.zeros(sum(map(len, names.values())), dtype=torch.long)
    for number, dimensions in enumerate(names.values()):
        of_dimension[list(dimensions)] = number
    return of_dimension


@dataclass(frozen=True)
class Truth:
    """What is known of the groups that `named` makes."""

    names: Mapping[str, Sequence[int]]  # the dimensions of an observation, by name
    relevant: frozenset[str]  # of the groups, those that matter
    source: Literal["diagnostic", "distractors"]
    decisions: tuple[int, ...] | None  # the times at which an action makes a difference; None: unknown
