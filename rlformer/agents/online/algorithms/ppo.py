"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import CLIPPED, Algorithm
from rlformer.agents.online.flops import actor_critic, seeing_actor_critic
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """Of each step alone: the policy's hidden layers, then what they say of the action."""
    from rlformer.agents.online.actors import policy_head

    return policy_head(model.policy, actions)


PPO = Algorithm(
    name="PPO",
    implementation="stable_baselines3:PPO",
    action_kinds=frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    actor=actor,
    counts=actor_critic,
    counts_of_images=seeing_actor_critic,
    network_keys=("ortho_init", "log_std_init"),
    optimizer={"fused": True, "eps": 1e-5},
    schedules=("learning_rate", "clip_range"),
    ranges=CLIPPED,
    zip_module="stable_baselines3.common.policies",
    zip_keys=frozenset({"clip_range"}),
)
