"""PPO with an LSTM each for policy and value, of sb3-contrib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import CLIPPED, Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.agents.online.images import Features
from rlformer.core.flops import lstm, mlp
from rlformer.core.ranges import whole
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor


def actor(model: Any, actions: ActionSpec) -> Actor:
    """PPO's, behind an LSTM."""
    from rlformer.agents.online.actors import Recurrent, policy_head

    return Recurrent(model.policy.lstm_actor, policy_head(model.policy, actions))


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """What sequences are padded by is left out."""
    hidden = values["lstm_hidden_size"]
    memory = lstm(observation, hidden, input_gradient=False)
    sizes = [hidden, *values["hidden"]]
    policy = memory + mlp([*sizes, size], input_gradient=True)
    critic = memory + mlp([*sizes, 1], input_gradient=True)
    both = policy + critic
    return Counts(policy.forward, both.forward + critic.forward / values["n_steps"], both.training)


def counts_of_images(values: Mapping[str, Any], features: Features, size: int) -> Counts:
    """The same behind what makes features of images, which policy and value share."""
    hidden = values["lstm_hidden_size"]
    memory, sizes = lstm(features.size, hidden), [hidden, *values["hidden"]]
    policy, critic = (memory + mlp([*sizes, outputs], input_gradient=True) for outputs in (size, 1))
    whole = policy + critic + features.work
    bootstrap = (critic.forward + features.work.forward) / values["n_steps"]
    return Counts(policy.forward + features.work.forward, whole.forward + bootstrap, whole.training)


RECURRENT_PPO = Algorithm(
    name="RecurrentPPO",
    implementation="sb3_contrib:RecurrentPPO",
    action_kinds=frozenset({"discrete", "multidiscrete", "box"}),  # its buffer keeps bits as int8: no loss takes them
    actor=actor,
    counts=counts,
    counts_of_images=counts_of_images,
    extra="contrib",
    policy="MlpLstmPolicy",
    network_keys=("ortho_init", "log_std_init", "lstm_hidden_size"),
    optimizer={"fused": True, "eps": 1e-5},
    schedules=("learning_rate", "clip_range"),
    ranges={**CLIPPED, "lstm_hidden_size": whole(1, 8192)},
    zip_module="sb3_contrib.common.recurrent.policies",
)
