"""Implicit Q-learning (Kostrikov et al. 2022, arXiv:2110.06169); what trains it is in `train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import ON_LOG, Algorithm
from rlformer.agents.online.flops import Counts, critics
from rlformer.agents.online.images import Features
from rlformer.core.flops import mlp
from rlformer.core.ranges import real
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """Categories by their logits; reals by a mean in [-1, 1] and a standard deviation that no state changes."""
    from rlformer.agents.online.actors import Categories, Deterministic

    policy = model.policy
    if actions.kind == "discrete":
        return Categories(policy.actor, actions)
    return Deterministic(policy.actor, policy.log_std.detach().exp(), actions)


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """A value, two critics and their targets, and a policy that imitates: no gradient passes through an action."""
    policy, value = mlp([observation, *values["hidden"], size]), mlp([observation, *values["hidden"], 1])
    both, _ = critics(values, observation, size)
    sample = value.training + value.forward + both.training + both.forward + policy.training
    return Counts(policy.forward, 0.0, sample)


def counts_of_images(values: Mapping[str, Any], features: Features, size: int) -> Counts:
    """The same behind what makes features of images: learned for the critics, asked for targets and what follows."""
    policy, value = mlp([features.size, *values["hidden"], size]), mlp([features.size, *values["hidden"], 1])
    targets, judged = critics(values, features.size, size)
    sample = value.training + value.forward + judged.training + targets.forward + policy.training
    seeing = features.work.training + 2 * features.work.forward
    return Counts(policy.forward + features.work.forward, 0.0, sample + seeing)


IQL = Algorithm(
    name="IQL",
    implementation="rlformer.agents.offline.algorithms.iql.train:IQL",
    action_kinds=frozenset({"box", "discrete"}),
    actor=actor,
    counts=counts,
    counts_of_images=counts_of_images,
    ranges={
        **{key: known for key, known in ON_LOG.items() if key not in ("alpha", "max_grad_norm")},
        "expectile": real(0.5, 1),
        "temperature": real(0, 1e6),
        "most_weight": real(0, 1e9, above=True),
    },
)
