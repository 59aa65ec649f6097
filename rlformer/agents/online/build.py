"""A card's values made a model of stable-baselines3, untrained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from rlformer.agents.online.algorithms.base import ACTIVATIONS, Algorithm
from rlformer.agents.online.extractors import policy_arguments
from rlformer.agents.online.flops import action_size
from rlformer.agents.online.images import is_picture
from rlformer.core.errors import InputError
from rlformer.core.spaces import ObservationSpec
from rlformer.envs.spaces import action_spec, observation_spec

# What is not an argument of any algorithm's constructor, but of the run, its environments or its networks.
RUN_KEYS = frozenset(
    {
        "algorithm",
        "steps",
        "log_steps",
        "num_envs",
        "normalize_observations",
        "normalize_rewards",
        "hidden",
        "activation",
        "expert_episodes",
    }
)


class SpacesOnly(gym.Env[Any, Any]):
    """An environment's spaces without the environment: all that stable-baselines3 needs to build its networks."""

    def __init__(self, observation: spaces.Box, actions: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observation, actions


def build(
    algorithm: Algorithm,
    values: Mapping[str, Any],
    environments: VecEnv,
    seed: int,
    observation: ObservationSpec | None = None,
) -> BaseAlgorithm:
    """The model that a card's values describe. Raises InputError where they do not fit.

    observation: the parts of what the environments show, where they show one array of several; see `images`. Images
    have a range of their own: where there are some, observations are not normalised by statistics.
    """
    seen = observation or observation_spec(environments.observation_space)
    normalized = values["normalize_observations"] and not seen.has_images
    scaled = values.get("normalize_rewards", False)
    if normalized or scaled:
        environments = VecNormalize(
            environments,
            norm_obs=normalized,
            norm_reward=scaled,
            gamma=values.get("gamma", 0.99),  # of rewards alone, which nobody normalises without one
        )
    networks: dict[str, Any] = {
        "net_arch": list(values["hidden"]),
        "activation_fn": getattr(torch.nn, ACTIVATIONS[values["activation"]]),
        **({"optimizer_kwargs": dict(algorithm.optimizer)} if algorithm.optimizer else {}),
        **{key: values[key] for key in algorithm.network_keys if key in values},
    }
    policy = algorithm.policy
    if seen.has_images:
        networks |= policy_arguments(seen)
        policy = policy.replace("Mlp", "Cnn") if is_picture(seen) else policy
    own = values.keys() - RUN_KEYS - set(algorithm.network_keys)
    arguments = {key: _argument(value) for key, value in values.items() if key in own}
    size = action_size(action_spec(environments.action_space))
    arguments |= {key: make(values[key], size) for key, make in algorithm.objects.items() if key in values}
    kind = algorithm.load()
    try:
        # The networks are small: copying each step's batch to a GPU and back costs more than it saves.
        model: BaseAlgorithm = kind(policy, environments, policy_kwargs=networks, seed=seed, device="cpu", **arguments)
    except (AssertionError, ValueError) as error:
        raise InputError(f"{algorithm.name}: {' '.join(str(error).split())}") from error
    return model


def _argument(value: Any) -> Any:
    """A schedule's table as stable-baselines3 takes it: linear from `start` to `end` over the whole run."""
    if not isinstance(value, Mapping):
        return value
    return LinearSchedule(start=value["start"], end=value["end"], end_fraction=1.0)
