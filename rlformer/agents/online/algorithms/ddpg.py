"""Deep deterministic policy gradient (Lillicrap et al. 2016, arXiv:1509.02971)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.online.algorithms import td3
from rlformer.agents.online.algorithms.base import OFF_POLICY, Algorithm
from rlformer.agents.online.flops import CRITICS, Counts, critics
from rlformer.core.flops import mlp
from rlformer.core.ranges import real


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """One critic, and a policy that learns at every step."""
    policy = mlp([observation, *values["hidden"], size])
    both, through = critics(values, observation, size)
    targets = policy.forward + both.forward / CRITICS
    sample = targets + both.training / CRITICS + policy.training + through.training / CRITICS
    return Counts(policy.forward, policy.forward, sample, values["learning_starts"])


DDPG = Algorithm(
    name="DDPG",
    implementation="stable_baselines3:DDPG",
    action_kinds=frozenset({"box"}),
    actor=td3.actor,
    counts=counts,
    objects={"action_noise": td3.noise},
    ranges={**OFF_POLICY, "action_noise": real(0, 1e3)},
)
