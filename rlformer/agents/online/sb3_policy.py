"""What a stable-baselines3 algorithm learned, as a policy: batched, with a random stream for each episode.

Stable-baselines3's own `predict` draws from torch's global generator, so that an action depends on all that
was drawn before it, and costs several times the forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.sequence.actions import ActionCodec
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.seeding import policy_generator
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs.spaces import action_spec

_MULTIPLE = 8  # rounding of matrix products depends on the batch: pad, so that N does not change what is played


class Actor(Protocol):
    """From observations to canonical actions, through the network that was learned."""

    draws: int  # random numbers per action
    normal: bool  # whether they are standard normal, or uniform in [0, 1)
    stochastic: bool  # see `core.policy.Scorer`

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """See `core.policy.Scorer`."""

    def scores(self, observations: Tensor) -> Tensor:
        """(M, obs) -> (M, A), see `core.policy.Scorer`."""

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        """(M, obs), (M, draws) or None for the best action -> (M, *act), a box before it is clipped."""


class SB3Policy:
    """See `types.Policy` and `core.policy.Scorer`.

    statistics: a VecNormalize, whose statistics map raw observations to what the network was trained on.
    """

    reads_returns = False

    def __init__(self, actor: Actor, spec: ActionSpec, statistics: Any = None, sample: bool = False) -> None:
        self._actor, self._spec, self._statistics, self._sample = actor, spec, statistics, sample
        self._normalize: Callable[[Array], Array] | None = None if statistics is None else statistics.normalize_obs
        self._streams: dict[int, np.random.Generator] = {}
        self._padded = np.zeros((0, 0), np.float32)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `types.Policy`."""
        if isinstance(self._actor, Recurrent):
            self._actor.begin(slots)
        if self._sample:
            for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
                self._streams[slot] = policy_generator(seed)

    @torch.inference_mode()
    def act(self, observations: Array) -> Array:
        """See `types.Policy`."""
        count = len(observations)
        size = math.ceil(count / _MULTIPLE) * _MULTIPLE
        if self._padded.shape != (size, observations.shape[1]):
            self._padded = np.zeros((size, observations.shape[1]), np.float32)
        self._padded[:count] = observations
        rows = self._padded if self._normalize is None else self._normalize(self._padded)
        actions = self._actor(torch.from_numpy(rows), self._noise(size) if self._sample else None)
        return self._spec.clip(actions[:count].numpy()).astype(self._spec.dtype, copy=False)

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `types.Policy`."""

    @property
    def actions(self) -> ActionSpec:
        """See `core.policy.Scorer`."""
        return self._spec

    @property
    def context_length(self) -> int | None:
        """See `core.policy.Scorer`."""
        return None if isinstance(self._actor, Recurrent) else 1

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
        observations = self._standardized(window.observations.float())
        if isinstance(self._actor, Recurrent):
            return self._actor.scores_over(observations, last)
        return self._actor.scores(observations[torch.arange(len(last)), last])

    def _standardized(self, observations: Tensor) -> Tensor:
        """What VecNormalize does to observations (..., obs), differentiably."""
        if self._statistics is None:
            return observations
        known, most = self._statistics.obs_rms, self._statistics.clip_obs
        mean = torch.as_tensor(known.mean, dtype=torch.float32)
        deviation = torch.as_tensor(np.sqrt(known.var + self._statistics.epsilon), dtype=torch.float32)
        return ((observations - mean) / deviation).clamp(-most, most)

    def _noise(self, size: int) -> Tensor:
        """(size, draws): the next numbers of each slot's own stream."""
        noise, draws = np.zeros((size, self._actor.draws), np.float32), self._actor.draws
        for slot, rng in self._streams.items():
            noise[slot] = (
                rng.standard_normal(draws, np.float32) if self._actor.normal else rng.random(draws, np.float32)
            )
        return torch.from_numpy(noise)


class Categories:
    """Softmax over the logits of each category; the most likely is the best."""

    normal, stochastic = False, True

    def __init__(self, network: torch.nn.Module, spec: ActionSpec) -> None:
        self._network, self._codec = network, ActionCodec(spec)
        self.draws, self.networks = self._codec.components, (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        logits: Tensor = self._network(observations)
        return logits

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        logits = self.scores(observations)
        return self._codec.greedy(logits) if noise is None else self._codec.sample(logits, noise)


class Bits:
    """One Bernoulli for each dimension, from its logit."""

    normal, stochastic = False, True

    def __init__(self, network: torch.nn.Module, spec: ActionSpec) -> None:
        self._network = network
        self.draws, self.networks = len(spec.nvec), (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`: of each dimension the logits of 0, which is 0, and of 1."""
        logits = self._network(observations)
        return torch.stack([torch.zeros_like(logits), logits], dim=-1).flatten(-2)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        probabilities = torch.sigmoid(self._network(observations))
        return (probabilities > (0.5 if noise is None else noise)).long()


class Gaussian:
    """A diagonal Gaussian; squashed by tanh and stretched to the bounds where `squashed`."""

    normal, stochastic = True, False  # its density over reals has no shares to compare

    def __init__(
        self,
        trunk: torch.nn.Module,
        mean: torch.nn.Module,
        std: Callable[[Tensor], Tensor],
        spec: ActionSpec,
        squashed: bool,
    ) -> None:
        self._trunk, self._mean, self._std, self._squashed = trunk, mean, std, squashed
        self._low, self._high = torch.tensor(spec.low), torch.tensor(spec.high)
        self.draws, self.networks = len(spec.low), (trunk, mean)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return self(observations, None)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        latent = self._trunk(observations)
        actions = self._mean(latent)
        if noise is not None:
            actions = actions + self._std(latent) * noise
        if self._squashed:
            actions = self._low + 0.5 * (torch.tanh(actions) + 1.0) * (self._high - self._low)
        return actions


class Recurrent:
    """An LSTM before another actor: what each row's episode has shown so far, forgotten when one begins."""

    def __init__(self, lstm: torch.nn.LSTM, actor: Actor) -> None:
        self._lstm, self._actor = lstm, actor
        self.draws, self.normal, self.stochastic = actor.draws, actor.normal, actor.stochastic
        self.networks = (lstm, *actor.networks)
        self._states = torch.zeros(2, lstm.num_layers, 0, lstm.hidden_size)  # hidden, cell

    @torch.inference_mode()
    def begin(self, slots: Array) -> None:
        """New episodes in these rows."""
        self._reserve(int(slots.max()) + 1)
        self._states[:, :, slots] = 0.0

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        count = len(observations)
        self._reserve(count)
        before = self._states[:, :, :count].contiguous()
        outputs, after = self._lstm(observations[None], (before[0], before[1]))  # (1, M, H)
        self._states[:, :, :count] = torch.stack(after)
        return self._actor(outputs[0], noise)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`: of episodes that begin with these."""
        return self.scores_over(observations[:, None], torch.zeros(len(observations), dtype=torch.long))

    def scores_over(self, observations: Tensor, last: Tensor) -> Tensor:
        """(B, K, obs) and the current step of each (B,) -> (B, A); the state is zero before the first."""
        outputs, _ = self._lstm(observations.transpose(0, 1))  # (K, B, H)
        return self._actor.scores(outputs[last, torch.arange(len(last))])

    def _reserve(self, count: int) -> None:
        kept, rows = self._states, self._states.shape[2]
        if rows < count:
            self._states = torch.cat([kept, kept.new_zeros(2, kept.shape[1], count - rows, kept.shape[3])], dim=2)


class Deterministic:
    """TD3: the network's action in [-1, 1]; a sample adds the exploration noise of training."""

    normal, stochastic = True, False

    def __init__(self, network: torch.nn.Module, std: float, spec: ActionSpec) -> None:
        self._network, self._std = network, std
        self._low, self._high = torch.tensor(spec.low), torch.tensor(spec.high)
        self.draws, self.networks = len(spec.low), (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return self(observations, None)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        actions = self._network(observations)
        if noise is not None:
            actions = (actions + self._std * noise).clamp(-1.0, 1.0)
        return self._low + 0.5 * (actions + 1.0) * (self._high - self._low)


class EpsilonGreedy:
    """DQN: the action of the highest value; a sample explores at the final rate of training."""

    normal, stochastic = False, False  # a softmax over values has an arbitrary temperature
    draws = 2

    def __init__(self, network: torch.nn.Module, epsilon: float, spec: ActionSpec) -> None:
        self._network, self._epsilon, self._n = network, epsilon, spec.nvec[0]
        self.networks = (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`: the values."""
        values: Tensor = self._network(observations)
        return values

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        best = self._network(observations).argmax(dim=1)
        if noise is None:
            return best
        return torch.where(noise[:, 0] < self._epsilon, (noise[:, 1] * self._n).long(), best)


def actor_of(model: Any) -> Actor:
    """The acting part of a stable-baselines3 PPO, A2C, DQN, SAC or TD3, of a class made from one, or RecurrentPPO.

    Raises InputError for another algorithm, or for a network that does not read a vector.
    """
    policy, algorithm, spec = model.policy, _algorithm(model), action_spec(model.action_space)
    if policy.features_extractor_class.__name__ != "FlattenExtractor":
        raise InputError(f"this {algorithm} reads images or dictionaries; only vectors of observations are supported")
    if algorithm == "DQN":
        return EpsilonGreedy(policy.q_net.q_net, float(model.exploration_final_eps), spec)
    if algorithm == "TD3":
        return Deterministic(policy.actor.mu, _noise_std(model), spec)
    if algorithm == "SAC":
        actor = policy.actor
        std = _state_dependent(actor) if actor.use_sde else lambda x: actor.log_std(x).clamp(-20, 2).exp()
        return Gaussian(actor.latent_pi, actor.mu, std, spec, squashed=True)
    head = _policy_head(policy, spec)
    return Recurrent(policy.lstm_actor, head) if algorithm == "RecurrentPPO" else head


def _algorithm(model: Any) -> str:
    """The known algorithm that the model is, or that its class was made from."""
    known = ("A2C", "DQN", "PPO", "RecurrentPPO", "SAC", "TD3")
    for kind in type(model).__mro__:
        if kind.__name__ in known:
            return kind.__name__
    raise InputError(f"stable-baselines3 {type(model).__name__} is not supported; valid: {', '.join(known)}")


def _policy_head(policy: Any, spec: ActionSpec) -> Actor:
    """Of PPO, A2C and RecurrentPPO: from features, or what the LSTM makes of them, to actions."""
    trunk = policy.mlp_extractor.policy_net
    if spec.kind == "box":
        std = _state_dependent(policy) if policy.use_sde else lambda x: policy.log_std.exp()
        return Gaussian(trunk, policy.action_net, std, spec, squashed=policy.squash_output)
    logits = torch.nn.Sequential(trunk, policy.action_net)
    return Bits(logits, spec) if spec.kind == "multibinary" else Categories(logits, spec)


def _state_dependent(policy: Any) -> Callable[[Tensor], Tensor]:
    """Standard deviation of gSDE (Raffin 2021, arXiv:2005.05719), its noise drawn afresh at each step."""

    def std(latent: Tensor) -> Tensor:
        distribution = policy.action_dist
        variance: Tensor = latent.square() @ distribution.get_std(policy.log_std).square()
        return (variance + distribution.epsilon).sqrt()

    return std


def _noise_std(model: Any) -> float:
    """Of the action noise that TD3 explored with; 0 without one."""
    noise: Any = getattr(model.action_noise, "base_noise", model.action_noise)  # vectorised while it trains
    sigma: Sequence[float] = getattr(noise, "_sigma", (0.0,))
    return float(np.max(sigma))
