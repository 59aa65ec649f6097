"""Augmented random search (Mania et al. 2018, arXiv:1803.07055), of sb3-contrib: its .zip files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import Published
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """Its policies have no distribution: a sample is the greedy action."""
    from rlformer.agents.online.actors import Deterministic, EpsilonGreedy

    network = model.policy.action_net
    if actions.kind == "box":
        return Deterministic(network, 0.0, actions, scaled=model.policy.squash_output)
    return EpsilonGreedy(network, 0.0, actions)


ARS = Published(
    name="ARS",
    implementation="sb3_contrib:ARS",
    actor=actor,
    extra="contrib",
    zip_module="sb3_contrib.ars.policies",
)
