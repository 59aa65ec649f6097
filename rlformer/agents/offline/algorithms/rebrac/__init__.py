"""ReBRAC (Tarasov et al. 2023, arXiv:2305.09836); what trains it is in `train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.online.algorithms import td3
from rlformer.agents.online.algorithms.base import DELAYED, ON_LOG, Algorithm
from rlformer.agents.online.flops import Counts, critics
from rlformer.core.flops import mlp
from rlformer.core.ranges import real


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """The policy learns at every `policy_delay`th step, from the lesser of both critics."""
    policy = mlp([observation, *values["hidden"], size])
    both, through = critics(values, observation, size)
    improvement = (policy.training + through.training) / values["policy_delay"]
    return Counts(policy.forward, 0.0, policy.forward + both.forward + both.training + improvement)


REBRAC = Algorithm(
    name="ReBRAC",
    implementation="rlformer.agents.offline.algorithms.rebrac.train:ReBRAC",
    action_kinds=frozenset({"box"}),
    actor=td3.actor,
    counts=counts,
    ranges={
        **{key: known for key, known in ON_LOG.items() if key not in ("alpha", "max_grad_norm")},
        **DELAYED,
        "actor_penalty": real(0, 1e9),
        "critic_penalty": real(0, 1e9),
    },
)
