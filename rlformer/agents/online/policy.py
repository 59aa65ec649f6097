"""What a stable-baselines3 algorithm learned, as a policy: batched, with a random stream for each episode.

Stable-baselines3's own `predict` draws from torch's global generator, so that an action depends on all that
was drawn before it, and costs several times the forward pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlformer.agents import rounding
from rlformer.agents.online.actors import Actor, Seeing
from rlformer.agents.online.algorithms.base import Published
from rlformer.agents.online.extractors import reader_of
from rlformer.agents.online.scaling import Live, Scaling
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.seeding import policy_generator
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs.spaces import action_spec


def policy_of(algorithm: Published, model: Any, sample: bool = False) -> SB3Policy:
    """What a model of the algorithm learned; the policy changes as the model trains on."""
    normalize = model.get_vec_normalize_env()
    scaling = Live(normalize) if normalize is not None and normalize.norm_obs else None
    return policy_with(actor_of(algorithm, model), action_spec(model.action_space), scaling, sample)


def policy_with(
    actor: Actor, spec: ActionSpec, scaling: Scaling | None, sample: bool, order: Array | None = None
) -> SB3Policy:
    """An actor as a policy; see `SB3Policy`."""
    return SB3Policy(actor, spec, scaling, sample, order)


def actor_of(algorithm: Published, model: Any) -> Actor:
    """The acting part of a model of the algorithm. Raises InputError where its network reads what is not supported."""
    kind = model.policy.features_extractor_class.__name__
    actor = algorithm.actor(model, action_spec(model.action_space))
    if kind in ("FlattenExtractor", "CombinedExtractor"):
        return actor
    reader = reader_of(_extractor(model.policy))
    if reader is None:
        raise InputError(f"this {algorithm.name} reads observations through a {kind}, which is not supported")
    return Seeing(reader, model.observation_space.shape, actor)


def _extractor(policy: Any) -> Any:
    """What its acting network reads observations by; None where it has none, or is none of those that are known."""
    for network in (policy, *(getattr(policy, name, None) for name in ("q_net", "quantile_net", "actor"))):
        if (found := getattr(network, "features_extractor", None)) is not None:
            return found
    return None


class SB3Policy:
    """See `core.policy.Policy`, `core.policy.Scorer` and `core.policy.Masked`.

    scaling: from raw observations to what the network was trained on. order: which number of an observation each is
    that the network reads, (D,); None: they are the same.
    """

    reads_returns = False

    def __init__(
        self,
        actor: Actor,
        spec: ActionSpec,
        scaling: Scaling | None = None,
        sample: bool = False,
        order: Array | None = None,
    ) -> None:
        self._actor, self._spec, self._scaling, self._sample, self._order = actor, spec, scaling, sample, order
        self._streams: dict[int, np.random.Generator] = {}
        self._padded = np.zeros((0, 0), np.float32)
        self._alike = rounding.Alike()

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        self._actor.begin(slots)
        self._actor.allow(None)  # until it is told
        if self._sample:
            for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
                self._streams[slot] = policy_generator(seed)

    @property
    def needs_masks(self) -> bool:
        """See `core.policy.Masked`."""
        return self._actor.needs_masks

    def allow(self, masks: Array) -> None:
        """See `core.policy.Masked`."""
        allowed = np.ones((max(len(masks), rounding.rows()), masks.shape[1]), bool)
        allowed[: len(masks)] = masks
        self._actor.allow(torch.from_numpy(allowed))

    @torch.inference_mode()
    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`. Does not depend on how many environments run side by side."""
        count = len(observations)
        size = max(count, rounding.rows())
        if self._padded.shape != (size, *observations.shape[1:]):
            self._padded = np.zeros((size, *observations.shape[1:]), np.float32)
        self._padded[:count] = observations if self._order is None else observations[:, self._order]
        rows = self._padded if self._scaling is None else self._scaling(self._padded)
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
    def scaling(self) -> Scaling | None:
        """Through which observations go first; None without one."""
        return self._scaling

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
        """What the network reads of observations (..., obs), differentiably."""
        if self._order is not None:
            observations = observations[..., torch.from_numpy(self._order)]
        if self._scaling is None:
            return observations
        mean, std, bound = (torch.as_tensor(numbers, dtype=torch.float32) for numbers in self._scaling.numbers())
        return ((observations - mean) / std).clamp(-bound, bound)

    def _noise(self, size: int) -> Tensor:
        """(size, draws): the next numbers of each slot's own stream."""
        noise, draws = np.zeros((size, self._actor.draws), np.float32), self._actor.draws
        for slot, rng in self._streams.items():
            noise[slot] = (
                rng.standard_normal(draws, np.float32) if self._actor.normal else rng.random(draws, np.float32)
            )
        return torch.from_numpy(noise)
