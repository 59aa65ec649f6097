"""What a stable-baselines3 algorithm learned, as a policy: batched, with a random stream for each episode.

Stable-baselines3's own `predict` draws from torch's global generator, so that an action depends on all that
was drawn before it, and costs several times the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from rlformer.agents import rounding
from rlformer.agents.online.actors import Actor
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.seeding import policy_generator
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs.spaces import action_spec


def policy_of(algorithm: Algorithm, model: Any, sample: bool = False) -> SB3Policy:
    """What a model of the algorithm learned; the policy changes as the model trains on."""
    normalize = model.get_vec_normalize_env()
    statistics = normalize if normalize is not None and normalize.norm_obs else None
    return SB3Policy(actor_of(algorithm, model), action_spec(model.action_space), statistics, sample)


def actor_of(algorithm: Algorithm, model: Any) -> Actor:
    """The acting part of a model of the algorithm. Raises InputError unless its network reads a vector."""
    if model.policy.features_extractor_class.__name__ != "FlattenExtractor":
        raise InputError(
            f"this {algorithm.name} reads images or dictionaries; only vectors of observations are supported"
        )
    return algorithm.actor(model, action_spec(model.action_space))


class SB3Policy:
    """See `core.policy.Policy` and `core.policy.Scorer`.

    statistics: a VecNormalize, whose statistics map raw observations to what the network was trained on. own_spaces:
    of observations and actions, where the file that it comes from says them.
    """

    reads_returns = False

    def __init__(
        self,
        actor: Actor,
        spec: ActionSpec,
        statistics: Any = None,
        sample: bool = False,
        own_spaces: tuple[gym.Space[Any], gym.Space[Any]] | None = None,
    ) -> None:
        self.own_spaces = own_spaces
        self._actor, self._spec, self._statistics, self._sample = actor, spec, statistics, sample
        self._normalize: Callable[[Array], Array] | None = None if statistics is None else statistics.normalize_obs
        self._streams: dict[int, np.random.Generator] = {}
        self._padded = np.zeros((0, 0), np.float32)
        self._alike = rounding.Alike()

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        self._actor.begin(slots)
        if self._sample:
            for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
                self._streams[slot] = policy_generator(seed)

    @torch.inference_mode()
    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`. Does not depend on how many environments run side by side."""
        count = len(observations)
        size = max(count, rounding.rows())
        if self._padded.shape != (size, observations.shape[1]):
            self._padded = np.zeros((size, observations.shape[1]), np.float32)
        self._padded[:count] = observations
        rows = self._padded if self._normalize is None else self._normalize(self._padded)
        with self._alike(size):
            actions = self._actor(torch.from_numpy(rows), self._noise(size) if self._sample else None)
        return self._spec.clip(actions[:count].numpy()).astype(self._spec.dtype, copy=False)

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""

    @property
    def actor(self) -> Actor:
        """From what the network reads to actions."""
        return self._actor

    @property
    def statistics(self) -> Any:
        """A VecNormalize, through which observations go first; None without one."""
        return self._statistics

    @property
    def actions(self) -> ActionSpec:
        """See `core.policy.Scorer`."""
        return self._spec

    @property
    def context_length(self) -> int | None:
        """See `core.policy.Scorer`."""
        return self._actor.context_length

    @property
    def remembers(self) -> bool:
        """Whether `observe` has to tell it of steps: what its LSTM has seen it knows without."""
        return False

    @property
    def stochastic(self) -> bool:
        """See `core.policy.Scorer`."""
        return self._actor.stochastic

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """See `core.policy.Scorer`."""
        return self._actor.networks

    def scores(self, window: Window) -> Tensor:
        """See `core.policy.Scorer`."""
        last = window.mask.long().sum(dim=1) - 1  # (B,)
        return self._actor.scores_over(self._standardized(window.observations.float()), last)

    def _standardized(self, observations: Tensor) -> Tensor:
        """What VecNormalize does to observations (..., obs), differentiably."""
        if self._statistics is None:
            return observations
        moments, bound = self._statistics.obs_rms, self._statistics.clip_obs
        mean = torch.as_tensor(moments.mean, dtype=torch.float32)
        std = torch.as_tensor(np.sqrt(moments.var + self._statistics.epsilon), dtype=torch.float32)
        return ((observations - mean) / std).clamp(-bound, bound)

    def _noise(self, size: int) -> Tensor:
        """(size, draws): the next numbers of each slot's own stream."""
        noise, draws = np.zeros((size, self._actor.draws), np.float32), self._actor.draws
        for slot, rng in self._streams.items():
            noise[slot] = (
                rng.standard_normal(draws, np.float32) if self._actor.normal else rng.random(draws, np.float32)
            )
        return torch.from_numpy(noise)
