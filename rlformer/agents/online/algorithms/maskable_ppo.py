"""PPO that is told which actions are allowed (Huang & Ontanon 2022, arXiv:2006.14171), of sb3-contrib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import CLIPPED, Algorithm
from rlformer.agents.online.flops import actor_critic, seeing_actor_critic
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """PPO's, but for bits, which are categories of two levels there."""
    import torch

    from rlformer.agents.online.actors import MaskedCategories

    return MaskedCategories(
        torch.nn.Sequential(model.policy.mlp_extractor.policy_net, model.policy.action_net), actions
    )


MASKABLE_PPO = Algorithm(
    name="MaskablePPO",
    implementation="sb3_contrib:MaskablePPO",
    action_kinds=frozenset({"discrete", "multidiscrete"}),  # of bits, .zip files are read
    actor=actor,
    counts=actor_critic,
    counts_of_images=seeing_actor_critic,
    masked=True,
    extra="contrib",
    network_keys=("ortho_init",),
    optimizer={"fused": True, "eps": 1e-5},
    schedules=("learning_rate", "clip_range"),
    ranges={key: value for key, value in CLIPPED.items() if key not in ("use_sde", "sde_sample_freq", "log_std_init")},
    zip_module="sb3_contrib.common.maskable.policies",
)
