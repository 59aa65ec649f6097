"""Advantage actor-critic (Mnih et al. 2016, arXiv:1602.01783), synchronous."""

from __future__ import annotations

from rlformer.agents.online.algorithms.base import ON_POLICY, Algorithm
from rlformer.agents.online.algorithms.ppo import actor
from rlformer.agents.online.flops import actor_critic, seeing_actor_critic
from rlformer.core.ranges import FLAG, real

A2C = Algorithm(
    name="A2C",
    implementation="stable_baselines3:A2C",
    action_kinds=frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    actor=actor,  # PPO's networks
    counts=actor_critic,
    counts_of_images=seeing_actor_critic,
    network_keys=("ortho_init", "log_std_init"),
    optimizer={"fused": True, "eps": 1e-5},  # where `use_rms_prop` does not replace it
    ranges={**ON_POLICY, "use_rms_prop": FLAG, "rms_prop_eps": real(0, 1, above=True)},
    zip_module="stable_baselines3.common.policies",
)
