"""What generative adversarial imitation learning is, told without importing what trains it (`train`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.online.algorithms import ppo
from rlformer.agents.online.algorithms.base import CLIPPED, Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.core.flops import Work, linear, mlp
from rlformer.core.ranges import one_of, real, sizes, whole

CONSTANT = "constant"  # the reward of the control, without a discriminator
REWARDS = ("log_ratio", "positive", "negative", CONSTANT)
READS = ("state-action", "state")


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """PPO's, the values of each rollout's end once more, and the discriminator's.

    The discriminator tells all steps of a rollout what they earn, after `discriminator_updates` updates on a batch of
    the expert, one of the learner, and one between the two for the penalty.
    """
    own = ppo.PPO.counts(values, observation, size)
    bootstrap = mlp([observation, *values["hidden"], 1]).forward / values["n_steps"]
    if values["reward"] == CONSTANT:
        return Counts(own.action, own.step + bootstrap, own.sample)
    inputs = observation + (size if values["discriminator_reads"] == "state-action" else 0) + 1
    layers = [inputs, *values["discriminator_hidden"], 1]
    update = 2 * mlp(layers).training + (penalty(layers).training if values["gradient_penalty"] else 0.0)
    rows = values["discriminator_updates"] * values["discriminator_batch_size"]
    asked = mlp(layers).forward
    each = (rows * update + asked) / (values["n_steps"] * values["num_envs"])  # the absorbing state is asked of once
    return Counts(own.action, own.step + bootstrap + asked + each, own.sample)


def penalty(layers: list[int]) -> Work:
    """Of one row: the gradient of the output with respect to the input, and that of its length by the parameters.

    Backward, each product of the chain has two, but that of the last layer, which begins with a constant, has one; the
    slopes of the activations send a gradient through all layers but the last.
    """
    last = linear(layers[-2], layers[-1]).forward
    chain = mlp(layers).forward
    return Work(2 * chain, 2 * chain - last + mlp(layers[:-1]).backward)


GAIL = Algorithm(
    name="GAIL",
    implementation="rlformer.agents.adversarial.train:GAIL",
    action_kinds=ppo.PPO.action_kinds,
    actor=ppo.actor,  # PPO's networks
    counts=counts,
    network_keys=ppo.PPO.network_keys,
    optimizer=ppo.PPO.optimizer,
    schedules=ppo.PPO.schedules,
    ranges={
        **{
            key: value
            for key, value in CLIPPED.items()
            if key not in ("normalize_rewards", "use_sde", "sde_sample_freq")
        },
        "expert_episodes": whole(0, 10**6),
        "reward": one_of(*REWARDS),
        "discriminator_reads": one_of(*READS),
        "discriminator_hidden": sizes(8192),
        "discriminator_learning_rate": real(0, 1e3, above=True),
        "discriminator_updates": whole(1, 10**6),
        "discriminator_batch_size": whole(1, 10**6),
        "gradient_penalty": real(0, 1e6),
    },
)
ALGORITHMS: Mapping[str, Algorithm] = {GAIL.name: GAIL}
