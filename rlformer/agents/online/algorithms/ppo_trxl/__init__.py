"""PPO whose policy is a gated Transformer-XL (Parisotto et al. 2020, arXiv:1910.06764).

`network` is what policy and value share, `policy` puts it behind stable-baselines3's interfaces, `train` learns, and
`acting` plays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import CLIPPED, Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.core.errors import InputError
from rlformer.core.flops import Work, attention, linear, mlp
from rlformer.core.machine import check_fits
from rlformer.core.ranges import whole
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor

NETWORK = ("width", "layers", "heads", "memory_length")  # a card's keys of the Transformer
FEEDFORWARD = 2  # times the width: what lies between the two linear layers of a block


def actor(model: Any, actions: ActionSpec) -> Actor:
    """PPO's, behind the Transformer."""
    from rlformer.agents.online.actors import policy_head
    from rlformer.agents.online.algorithms.ppo_trxl.acting import Remembering

    return Remembering(model.policy.trunk, policy_head(model.policy, actions))


def trunk(values: Mapping[str, Any], observation: int) -> Work:
    """One step of the network: what it remembers is data, so that no gradient goes further back."""
    width, heads, seen = values["width"], values["heads"], values["memory_length"] + 1
    square = linear(width, width)  # queries, keys, values, what leaves the heads
    attended = square * 4 + attention(1, seen, heads * width) + linear(width, seen)  # content, then places
    gates = linear(width, 6 * width) * 2
    between = linear(width, FEEDFORWARD * width) + linear(FEEDFORWARD * width, width)
    return linear(observation, width, input_gradient=False) + (attended + gates + between) * values["layers"]


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """Policy and value are two heads of one network."""
    below, sizes = trunk(values, observation), [values["width"], *values["hidden"]]
    policy, critic = mlp([*sizes, size], input_gradient=True), mlp([*sizes, 1], input_gradient=True)
    both = below + policy + critic
    bootstrap = (below + critic).forward / values["n_steps"]  # the value of what follows a rollout
    return Counts((below + policy).forward, both.forward + bootstrap, both.training)


def check(values: Mapping[str, Any]) -> None:
    """Raise InputError where heads do not share the width, or what is remembered does not fit into memory."""
    width, heads, layers, length = (values[key] for key in ("width", "heads", "layers", "memory_length"))
    if width % heads:
        fitting = ", ".join(str(n) for n in range(1, 2 * heads + 1) if width % n == 0)
        raise InputError(f"heads: {heads} do not divide the width {width}; such as {fitting} do")
    rows = values["num_envs"] * (values["n_steps"] + length) + 3 * length * values["batch_size"]
    weights = layers * (4 + 12 + 2 * FEEDFORWARD) * width**2
    named = ", ".join(f"{key} {values[key]}" for key in (*NETWORK, "n_steps", "num_envs", "batch_size"))
    check_fits(f"PPO-TrXL with {named}", 4 * (4 * weights + rows * layers * width))


PPO_TRXL = Algorithm(
    name="PPO-TrXL",
    implementation="rlformer.agents.online.algorithms.ppo_trxl.train:PPOTrXL",
    action_kinds=frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    actor=actor,
    counts=counts,
    check=check,
    policy="TrXLPolicy",
    network_keys=("ortho_init", "log_std_init", *NETWORK),
    optimizer={"fused": True, "eps": 1e-5},
    schedules=("learning_rate", "clip_range"),
    ranges={
        **{key: value for key, value in CLIPPED.items() if key not in ("use_sde", "sde_sample_freq")},
        "width": whole(1, 4096),
        "layers": whole(1, 64),
        "heads": whole(1, 256),
        "memory_length": whole(1, 4096),
    },
    zip_module="rlformer.agents.online.algorithms.ppo_trxl.policy",
)
