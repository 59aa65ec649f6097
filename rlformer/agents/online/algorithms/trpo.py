"""Trust region policy optimisation (Schulman et al. 2015, arXiv:1502.05477), of sb3-contrib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from rlformer.agents.online.algorithms import ppo
from rlformer.agents.online.algorithms.base import ON_POLICY, Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.core.flops import mlp, product
from rlformer.core.ranges import real, whole


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """One step of natural gradient for the policy, then `n_critic_updates` passes for the value.

    The policy is asked before the step, with a gradient, and for one try of the line search, which most often takes the
    first. The product with the Fisher matrix is made at the start of the conjugate gradient, at each of its steps (it
    may stop earlier, which is left out), and for the length of the step.
    """
    sizes = [observation, *values["hidden"]]
    policy, critic = mlp([*sizes, size]), mlp([*sizes, 1])
    gradient, fisher = _by_parameter([*sizes, size])
    step = 3 * policy.forward + 2 * gradient + (values["cg_max_steps"] + 2) * fisher
    bootstrap = critic.forward / values["n_steps"]  # the value of what follows a rollout
    acting = policy.forward + critic.forward + bootstrap
    return Counts(policy.forward, acting, step + values["n_critic_updates"] * critic.training)


def _by_parameter(sizes: Sequence[int]) -> tuple[float, float]:
    """Of one row: a gradient that is formed for one parameter after the other, and the product of its derivative.

    For weight and bias of each layer the chain of the layers above is run through again; the derivative runs back
    through every product of these chains, of the weights' gradients, and of the forward pass.
    """
    gradient = fisher = 0.0
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        once = product(1, inputs, outputs)
        gradient += (2 * layer + 1) * once
        fisher += (2 * 2 * layer + (4 if layer else 2)) * once
    return gradient, fisher


TRPO = Algorithm(
    name="TRPO",
    implementation="sb3_contrib:TRPO",
    action_kinds=frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    actor=ppo.actor,  # PPO's networks
    counts=counts,
    extra="contrib",
    network_keys=("ortho_init", "log_std_init"),
    optimizer={"fused": True, "eps": 1e-5},  # of the value's networks
    ranges={
        **ON_POLICY,
        "batch_size": whole(1, 10**6),
        "target_kl": real(0, 1e3, above=True),
        "cg_max_steps": whole(1, 10**4),
        "cg_damping": real(0, 1e6),
        "line_search_shrinking_factor": real(0, 1),
        "line_search_max_iter": whole(1, 10**4),
        "n_critic_updates": whole(1, 10**4),
    },
    zip_module="stable_baselines3.common.policies",
    zip_keys=frozenset({"cg_max_steps"}),
)
