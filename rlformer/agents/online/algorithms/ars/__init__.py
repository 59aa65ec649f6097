"""Augmented random search (Mania et al. 2018, arXiv:1803.07055), of sb3-contrib; `train` evaluates its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.algorithms.base import ACTIVATIONS, Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.core.errors import InputError
from rlformer.core.flops import mlp, product
from rlformer.core.ranges import FLAG, TEXT, one_of, real, sizes, whole
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


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """Each step asks one candidate; a sample is a direction, which an update adds to the weights."""
    layers = [observation, *values["hidden"], size]
    policy, weights = mlp(layers), sum((a + values["with_bias"]) * b for a, b in pairwise(layers))
    return Counts(policy.forward, policy.forward, product(1, 1, weights))


def check(values: Mapping[str, Any]) -> None:
    """Raise InputError where an update would use more directions than are tried."""
    if values["n_top"] > values["n_delta"]:
        raise InputError(f"n_top: at most n_delta, which is {values['n_delta']}, got {values['n_top']}")


ARS = Algorithm(
    name="ARS",
    implementation="rlformer.agents.online.algorithms.ars.train:SequentialARS",
    action_kinds=frozenset({"discrete", "box"}),
    actor=actor,
    counts=counts,
    check=check,
    extra="contrib",
    network_keys=("with_bias", "squash_output"),
    optimizer={},  # it has none
    batch_key="n_top",
    schedules=("learning_rate", "delta_std"),
    ranges={
        "algorithm": TEXT,
        "steps": whole(1, 10**10),
        "num_envs": whole(1, 1),
        "normalize_observations": FLAG,
        "hidden": sizes(8192, none=True),
        "activation": one_of(*ACTIVATIONS),
        "with_bias": FLAG,
        "squash_output": FLAG,
        "learning_rate": real(0, 1e38, scheduled=True),
        "n_delta": whole(1, 10**5),
        "n_top": whole(1, 10**5),
        "delta_std": real(0, 1e9, above=True, scheduled=True),
        "n_eval_episodes": whole(1, 10**5),
        "alive_bonus_offset": real(-1e9, 1e9),
        "zero_policy": FLAG,
    },
    zip_module="sb3_contrib.ars.policies",
)
