"""PPO that is told which actions are allowed (Huang & Ontanon 2022, arXiv:2006.14171), of sb3-contrib: its zips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import Published
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


MASKABLE_PPO = Published(
    name="MaskablePPO",
    implementation="sb3_contrib:MaskablePPO",
    actor=actor,
    extra="contrib",
    zip_module="sb3_contrib.common.maskable.policies",
)
