"""What explainers are scored over: groups that get a value of their own, or sets of groups that share tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rlformer.core.spaces import Array

if TYPE_CHECKING:
    from rlformer.explain.groups import Groups
    from rlformer.explain.subject import Subject


@dataclass(frozen=True)
class Units:
    """U disjoint sets of G groups. An explainer that cannot tell the members of a unit apart is scored over units."""

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    total: int  # G

    def __len__(self) -> int:
        return len(self.names)

    def sums(self, shares: Array) -> Array:
        """(B, G) -> (B, U): each state's sum being 1, unless nothing lies on any unit."""
        sums = np.stack([shares[:, list(own)].sum(axis=1) for own in self.members], axis=1)
        whole = sums.sum(axis=1, keepdims=True)
        found: Array = np.divide(sums, whole, out=np.zeros_like(sums), where=whole > 0)
        return found

    def groups_of(self, chosen: Array) -> Tensor:
        """Numbers of units (B, k) -> which groups they hold: (B, G) bool."""
        holds = np.zeros((len(self), self.total), bool)
        for number, own in enumerate(self.members):
            holds[number, list(own)] = True
        return torch.from_numpy(holds[chosen].any(axis=1))


def of_groups(groups: Groups, counted: Sequence[bool]) -> Units:
    """Each of the groups that count by itself: what gradients and replacements separate."""
    own = [number for number, counts in enumerate(counted) if counts]
    return Units(tuple(groups.names[i] for i in own), tuple((i,) for i in own), len(groups))


def of_tokens(subject: Subject, groups: Groups, counted: Sequence[bool]) -> Units:
    """Of the groups that count, those that share a token as one: what weights of tokens separate.

    A token's weight is one number: it cannot say which of the token's inputs it is for. Where a step is one token, all
    groups are one unit. Groups without a token are in none.
    """
    label = list(range(len(groups)))  # of each group's unit
    inputs: dict[int, set[str]] = {}
    for parts, held in _tokens(subject, groups):
        first = min(label[group] for group in held)
        merged = {label[group] for group in held}
        label = [first if of in merged else of for of in label]
        for group in held:
            inputs.setdefault(group, set()).update(parts)
    units: dict[int, list[int]] = {}
    for group, counts in enumerate(counted):
        if counts and group in inputs:
            units.setdefault(label[group], []).append(group)
    names = [
        groups.names[own[0]] if len(own) == 1 else " and ".join(sorted(set().union(*(inputs[i] for i in own))))
        for own in units.values()
    ]
    return Units(tuple(names), tuple(map(tuple, units.values())), len(groups))


def _tokens(subject: Subject, groups: Groups) -> Iterator[tuple[tuple[str, ...], set[int]]]:
    """Each token of a context: what it is made of, and the groups that its inputs belong to."""
    from rlformer.explain.explainers.attention import kinds_of_tokens

    for step in range(len(groups.returns_to_go)):
        for parts in kinds_of_tokens(subject):
            held: set[int] = set()
            for part in parts:
                if part == "return":
                    held.add(int(groups.returns_to_go[step]))
                elif part == "observation":
                    held.update(groups.observations[step].tolist())
                elif part == "action" or step > 0:  # "before" is the action of the step before
                    held.update(groups.actions[step if part == "action" else step - 1].tolist())
            if held:
                yield parts, held
