"""Quantile regression DQN (Dabney et al. 2018, arXiv:1710.10044), of sb3-contrib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms import dqn
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.algorithms.dqn import COUNTERS, DQN, exploring
from rlformer.agents.online.flops import Counts
from rlformer.agents.online.images import Features
from rlformer.core.flops import mlp
from rlformer.core.ranges import whole
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """DQN's, on the means of the quantiles: a sample explores at the final rate of training."""
    from rlformer.agents.online.actors import EpsilonGreedy
    from rlformer.agents.online.heads import mean_of_quantiles

    network = model.policy.quantile_net
    values = mean_of_quantiles(network.n_quantiles)
    return EpsilonGreedy(network.quantile_net, float(model.exploration_final_eps), actions, values)


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """DQN's network, with as many outputs for each action as there are quantiles."""
    return exploring(values, mlp([observation, *values["hidden"], values["n_quantiles"] * size]))


def counts_of_images(values: Mapping[str, Any], features: Features, size: int) -> Counts:
    """The same behind what makes features of images."""
    return dqn.counts_of_images(values, features, values["n_quantiles"] * size)


QRDQN = Algorithm(
    name="QRDQN",
    implementation="sb3_contrib:QRDQN",
    action_kinds=frozenset({"discrete"}),
    actor=actor,
    counts=counts,
    counts_of_images=counts_of_images,
    extra="contrib",
    network_keys=("n_quantiles",),
    ranges={**DQN.ranges, "n_quantiles": whole(1, 10**4)},
    counters=COUNTERS,
    zip_module="sb3_contrib.qrdqn.policies",
)
