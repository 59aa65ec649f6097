"""How much of an explainer's weight lies on the steps of the past that can change the action, token by token.

The groups of inputs that all families share hold the whole past as one. Attention weighs tokens: here each earlier
observation and each earlier action is a group of its own. The returns-to-go stay one, since each follows from another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from rlformer.core.errors import InputError
from rlformer.explain.groups import RETURN, Groups

if TYPE_CHECKING:
    from rlformer.core.spaces import Array
    from rlformer.explain.material import Material

RELIES = 0.9  # share of all effect on what matters, from which explainers are compared with the truth
_STATES, _REPLACEMENTS = 128, 4


@dataclass(frozen=True)
class Looking:
    """Shares of explainers over U groups of inputs, which sum to 1, beside the effects of replacing these."""

    groups: tuple[str, ...]  # those that differ between episodes
    effects: tuple[float, ...]  # share of states in which the greedy action changes
    shares: Mapping[str, tuple[float, ...]]  # by explainer

    def reliance(self, matter: Sequence[str]) -> float:
        """The share of all effect that lies on these groups; 0 where nothing has any."""
        total = sum(self.effects)
        return self._on(self.effects, matter) / total if total > 0 else 0.0

    def mass(self, explainer: str, matter: Sequence[str]) -> float:
        """The share of an explainer that lies on these groups (relevance mass accuracy, Arras et al. 2022)."""
        return self._on(self.shares[explainer], matter)

    def _on(self, values: Sequence[float], matter: Sequence[str]) -> float:
        return sum(value for name, value in zip(self.groups, values, strict=True) if name in matter)


def observation(step: int) -> str:
    """The group of an observation; step: 0 of the current one, -1 of the one before."""
    return f"observation {step}"


def by_step(context_length: int, observation_size: int, action_width: int, reads_returns: bool) -> Groups:
    """The returns-to-go as one, and each observation and each action by itself. The current action is not read."""
    steps = torch.arange(context_length)
    names = [RETURN, *(observation(int(k) - context_length + 1) for k in steps)]
    names += [f"action {int(k) - context_length + 1}" for k in steps]
    return Groups(
        tuple(names),
        torch.zeros(context_length, dtype=torch.long),
        (1 + steps)[:, None].expand(-1, observation_size),
        (1 + context_length + steps)[:, None].expand(-1, action_width),
        (reads_returns, *[True] * context_length, *[True] * (context_length - 1), False),
        (False,) * len(names),
    )


def looking(material: Material, explainers: Sequence[str]) -> Looking:
    """Of these explainers, at the states of the policy's log at which actions matter, and its logged returns-to-go.

    Attributions and effects have donors from different episodes. Raises InputError where the policy does not offer what
    an explainer needs, tokens cannot tell the groups apart, or the log is not known.
    """
    from rlformer.explain import quality, units
    from rlformer.explain.explainers import EXPLAINERS, controls
    from rlformer.explain.explainers.attention import kinds_of_tokens
    from rlformer.explain.explainers.base import ATTENTION
    from rlformer.explain.replacement import varied
    from rlformer.explain.states import LogStates, two_samples

    subject, log = material.subject, material.case.log
    if log is None:
        raise InputError("its log is not known, whose states are explained")
    if ATTENTION in subject.offers and any(len(parts) > 1 for parts in kinds_of_tokens(subject)):
        raise InputError("a token of its model holds several inputs; tokens=separate tells them apart")
    known = {**EXPLAINERS, controls.UNIFORM_ROLLOUT.name: controls.UNIFORM_ROLLOUT}
    chosen = [known[name] for name in explainers]
    if lacking := [each.name for each in chosen if not each.needs <= subject.offers]:
        raise InputError(f"the policy does not offer what {', '.join(lacking)} needs")
    width = subject.codec.width
    groups = by_step(subject.context_length, material.observation.size, width, subject.scorer.reads_returns)
    states = LogStates(log, subject.context_length, material.decisions)
    shown, fresh = two_samples(states, _STATES, _REPLACEMENTS, material.rng("looking"), known_decisions=False)
    varies = ((varied(groups, shown) > 0) & (varied(groups, fresh) > 0)).tolist()
    counted = [read and moves for read, moves in zip(groups.read, varies, strict=True)]
    trial = quality.Trial(subject, groups, units.of_groups(groups, counted), shown, fresh, material.case.seed)
    return Looking(
        trial.units.names,
        tuple(trial.effects.mean(axis=0).tolist()),
        {each.name: _mean(trial.shares(each)) for each in chosen},
    )


def _mean(shares: Array) -> tuple[float, ...]:
    """Of shares (B, U), over the states in which there is any weight."""
    weighed = shares[shares.sum(axis=1) > 0]
    return tuple(weighed.mean(axis=0).tolist()) if len(weighed) else (0.0,) * shares.shape[1]
