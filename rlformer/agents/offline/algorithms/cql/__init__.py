"""Conservative Q-learning for categories (Kumar et al. 2020, arXiv:2006.04779); what trains it is in `train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.online.algorithms import dqn
from rlformer.agents.online.algorithms.base import ON_LOG, Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.agents.online.images import Features
from rlformer.core.flops import mlp
from rlformer.core.ranges import FLAG, whole


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """DQN's network and target network, which no environment step asks."""
    network = mlp([observation, *values["hidden"], size])
    return Counts(network.forward, 0.0, network.training + network.forward)


def counts_of_images(values: Mapping[str, Any], features: Features, size: int) -> Counts:
    """The same behind what makes features of images."""
    network = features.work + mlp([features.size, *values["hidden"], size], input_gradient=True)
    return Counts(network.forward, 0.0, network.training + network.forward)


CQL = Algorithm(
    name="CQL",
    implementation="rlformer.agents.offline.algorithms.cql.train:CQL",
    action_kinds=frozenset({"discrete"}),
    actor=dqn.actor,
    counts=counts,
    counts_of_images=counts_of_images,
    counters=dqn.COUNTERS,
    ranges={**ON_LOG, "huber": FLAG, "target_update_interval": whole(1, 10**9)},
)
