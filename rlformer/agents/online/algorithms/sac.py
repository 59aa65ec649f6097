"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import OFF_POLICY, Algorithm
from rlformer.agents.online.flops import Counts, critics
from rlformer.core.flops import linear, mlp
from rlformer.core.ranges import AUTO, FLAG, real, whole
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """A Gaussian squashed by tanh, of which the network gives mean and logarithm of the standard deviation."""
    from rlformer.agents.online.actors import Gaussian
    from rlformer.agents.online.heads import clipped_std, gsde_std

    network = model.policy.actor
    std = gsde_std(network) if network.use_sde else clipped_std(network.log_std)
    return Gaussian(network.latent_pi, network.mu, std, actions, squashed=True)


def counts(values: Mapping[str, Any], observation: int, size: int, quantiles: int = 1) -> Counts:
    """The policy's loss runs back through both critics to the actions. quantiles: of each critic's value."""
    hidden = list(values["hidden"])
    trunk, head = mlp([observation, *hidden]), linear(hidden[-1], size)
    policy = trunk + head * 2  # mean and standard deviation
    both, through = critics(values, observation, size, quantiles)
    targets = policy.forward + both.forward
    sample = policy.training + targets + both.training + through.training
    return Counts((trunk + head).forward, policy.forward, sample, values["learning_starts"])


RANGES = {
    **OFF_POLICY,
    "ent_coef": AUTO,
    "target_entropy": AUTO,
    "target_update_interval": whole(1, 10**9),
    "use_sde_at_warmup": FLAG,
    "log_std_init": real(-20, 20),
}

SAC = Algorithm(
    name="SAC",
    implementation="stable_baselines3:SAC",
    action_kinds=frozenset({"box"}),
    actor=actor,
    counts=counts,
    network_keys=("log_std_init",),
    ranges=RANGES,
    zip_module="stable_baselines3.sac.policies",
)
