"""Deep Q-network (Mnih et al. 2015, doi:10.1038/nature14236)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import OFF_POLICY, Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.agents.online.images import Features
from rlformer.core.flops import Work, mlp
from rlformer.core.ranges import real, whole
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor

EXPLORATION = dict.fromkeys(("exploration_fraction", "exploration_initial_eps", "exploration_final_eps"), real(0, 1))
COUNTERS = ("_n_calls", "exploration_rate")


def actor(model: Any, actions: ActionSpec) -> Actor:
    """A sample explores at the final rate of training."""
    from rlformer.agents.online.actors import EpsilonGreedy

    return EpsilonGreedy(model.policy.q_net.q_net, float(model.exploration_final_eps), actions)


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """One network on an observation, with as many outputs as there are actions."""
    return exploring(values, mlp([observation, *values["hidden"], size]))


def counts_of_images(values: Mapping[str, Any], features: Features, size: int) -> Counts:
    """The same behind what makes features of images, which wants a gradient."""
    head = mlp([features.size, *values["hidden"], size], input_gradient=True)
    return exploring(values, features.work + head)


def exploring(values: Mapping[str, Any], network: Work) -> Counts:
    """Of a network of values that is learned with a target network, and asked where no action is drawn."""
    begun = min(values["learning_starts"], values["steps"])
    sample = network.training + network.forward
    return Counts(network.forward, _greedy_share(values) * network.forward, sample, begun)


def _greedy_share(values: Mapping[str, Any]) -> float:
    """The expected share of steps after the first ones that ask the network: exploring steps do not."""
    first, last = values["exploration_initial_eps"], values["exploration_final_eps"]
    through = max(values["exploration_fraction"], 1e-12)

    def explored(until: float) -> float:  # the integral of epsilon over that share of the run
        falling = min(until, through)
        return float(first * falling + (last - first) * falling**2 / (2 * through) + last * (until - falling))

    begun = min(values["learning_starts"] / values["steps"], 1.0)
    return 1.0 - (explored(1.0) - explored(begun)) / (1.0 - begun) if begun < 1.0 else 0.0


DQN = Algorithm(
    name="DQN",
    implementation="stable_baselines3:DQN",
    action_kinds=frozenset({"discrete"}),
    actor=actor,
    counts=counts,
    counts_of_images=counts_of_images,
    ranges={**OFF_POLICY, **EXPLORATION, "target_update_interval": whole(1, 10**9)},
    counters=COUNTERS,
    zip_module="stable_baselines3.dqn.policies",
)
