"""Twin delayed deterministic policy gradient (Fujimoto et al. 2018, arXiv:1802.09477)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import DELAYED, OFF_POLICY, Algorithm
from rlformer.agents.online.flops import CRITICS, Counts, critics
from rlformer.core.flops import mlp
from rlformer.core.ranges import real
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """A sample adds the noise that it explored with."""
    from rlformer.agents.online.actors import Deterministic
    from rlformer.agents.online.heads import noise_std

    return Deterministic(model.policy.actor.mu, noise_std(model.action_noise), actions)


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """The policy learns at every `policy_delay`th step, from one critic."""
    policy = mlp([observation, *values["hidden"], size])
    both, through = critics(values, observation, size)
    targets = policy.forward + both.forward
    improvement = (policy.training + through.training / CRITICS) / values["policy_delay"]
    sample = targets + both.training + improvement
    return Counts(policy.forward, policy.forward, sample, values.get("learning_starts", 0))


def noise(std: float, size: int) -> Any:
    """Added to actions that are scaled to [-1, 1]."""
    import numpy as np
    from stable_baselines3.common.noise import NormalActionNoise

    return NormalActionNoise(np.zeros(size), np.full(size, std))


TD3 = Algorithm(
    name="TD3",
    implementation="stable_baselines3:TD3",
    action_kinds=frozenset({"box"}),
    actor=actor,
    counts=counts,
    objects={"action_noise": noise},
    ranges={**OFF_POLICY, **DELAYED, "action_noise": real(0, 1e3)},
    zip_module="stable_baselines3.td3.policies",
)
