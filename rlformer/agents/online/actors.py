"""How a network that was learned acts: its greedy action, and one sampled with given random numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rlformer.agents import rounding
from rlformer.agents.online.heads import gsde_std
from rlformer.agents.sequence.actions import ActionCodec
from rlformer.core.spaces import ActionSpec, Array

_FORBIDDEN = -1e8  # sb3-contrib's number: finite where nothing is allowed


class Actor(ABC):
    """From observations to canonical actions, through the network that was learned.

    This one reads the current observation alone; one that remembers overrides what is said of episodes.
    """

    draws: int  # random numbers per action
    normal: bool  # whether they are standard normal, or uniform in [0, 1)
    stochastic: bool  # see `core.policy.Scorer`
    networks: tuple[torch.nn.Module, ...]  # see `core.policy.Scorer`
    context_length: int | None = 1  # see `core.policy.Scorer`
    masks: Tensor | None = None  # (M, A) bool, level after level as its logits: what is allowed now; None: everything
    needs_masks = False  # see `core.policy.Masked`
    memory_size = 0  # numbers that it keeps of an episode from step to step, where `step` asks for them

    def begin(self, slots: Array) -> None:  # noqa: B027 - without a memory there is nothing to forget
        """New episodes in these rows."""

    def allow(self, masks: Tensor | None) -> None:
        """What is allowed in each row from now on; None: everything."""
        self.masks = masks

    def obedient(self, scores: Tensor) -> Tensor:
        """Scores (M, A) of categories, of which those that are forbidden are far below all others."""
        return scores if self.masks is None else scores.masked_fill(~self.masks[: len(scores)], _FORBIDDEN)

    @abstractmethod
    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        """(M, obs), (M, draws) or None for the greedy action -> (M, *act), a box before it is clipped."""

    @abstractmethod
    def scores(self, observations: Tensor) -> Tensor:
        """(M, obs) -> (M, A), see `core.policy.Scorer`: of episodes that begin with these."""

    def step(self, observations: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(M, obs) and what is kept of each episode, (M, memory_size), zeros as it begins.

        -> the greedy actions (M, *act), a box before it is clipped; their scores (M, A); and what to keep.
        """
        return self(observations, None), self.scores(observations), memory

    def scores_over(self, observations: Tensor, last: Tensor) -> Tensor:
        """(B, K, obs) and the current step of each (B,) -> (B, A), of episodes that begin at the first step."""
        return self.scores(observations[torch.arange(len(last)), last])


class Seeing(Actor):
    """Another actor, on features of observations with images.

    shape: of one observation as the reader takes it; explanations give them flat.
    """

    def __init__(self, reader: torch.nn.Module, shape: tuple[int, ...], actor: Actor) -> None:
        self._reader, self._shape, self._actor = reader, shape, actor
        self.draws, self.normal, self.stochastic = actor.draws, actor.normal, actor.stochastic
        self.context_length, self.memory_size = actor.context_length, actor.memory_size
        self.networks, self.needs_masks = (reader, *actor.networks), actor.needs_masks

    def begin(self, slots: Array) -> None:
        """See `Actor`."""
        self._actor.begin(slots)

    def allow(self, masks: Tensor | None) -> None:
        """See `Actor`."""
        self._actor.allow(masks)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        return self._actor(self._features(observations), noise)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return self._actor.scores(self._features(observations))

    def step(self, observations: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Actor`."""
        return self._actor.step(self._features(observations), memory)

    def scores_over(self, observations: Tensor, last: Tensor) -> Tensor:
        """See `Actor`."""
        if self.context_length == 1:
            return self.scores(observations[torch.arange(len(last)), last])
        features = self._features(observations.flatten(0, 1))
        return self._actor.scores_over(features.unflatten(0, observations.shape[:2]), last)

    def _features(self, observations: Tensor) -> Tensor:
        features: Tensor = self._reader(observations.reshape(len(observations), *self._shape))
        return features


class Categories(Actor):
    """Softmax over the logits of each category; the most likely is the best."""

    normal, stochastic = False, True

    def __init__(self, network: torch.nn.Module, spec: ActionSpec) -> None:
        self._network, self._codec = network, ActionCodec(spec)
        self.draws, self.networks = self._codec.components, (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return rounding.chain(self._network, observations)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        logits = self.obedient(self.scores(observations))
        return self._codec.greedy(logits) if noise is None else self._codec.sample(logits, noise)


class MaskedCategories(Categories):
    """Of a policy that was trained with masks (Huang & Ontanon 2022, arXiv:2006.14171), and cannot do without."""

    needs_masks = True


class Bits(Actor):
    """One Bernoulli for each dimension, from its logit."""

    normal, stochastic = False, True

    def __init__(self, network: torch.nn.Module, spec: ActionSpec) -> None:
        self._network = network
        self.draws, self.networks = len(spec.nvec), (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`: of each dimension the logits of 0, which is 0, and of 1."""
        logits = rounding.chain(self._network, observations)
        return torch.stack([torch.zeros_like(logits), logits], dim=-1).flatten(-2)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        probabilities = rounding.rowwise("sigmoid", torch.sigmoid, rounding.chain(self._network, observations))
        bits = (probabilities > (0.5 if noise is None else noise)).long()
        if self.masks is None:
            return bits
        allowed = self.masks[: len(bits)].unflatten(1, (-1, 2))  # (M, bits, 2): whether it may be 0, and 1
        return torch.where(allowed.all(dim=-1), bits, allowed[..., 1].long())


class Gaussian(Actor):
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
        latent = rounding.chain(self._trunk, observations)
        actions = rounding.chain(self._mean, latent)
        if noise is not None:
            actions = actions + self._std(latent) * noise
        if self._squashed:
            actions = self._low + 0.5 * (rounding.rowwise("tanh", torch.tanh, actions) + 1.0) * (self._high - self._low)
        return actions


class Recurrent(Actor):
    """An LSTM before another actor: what each row's episode has shown so far, forgotten when one begins."""

    context_length = None

    def __init__(self, lstm: torch.nn.LSTM, actor: Actor) -> None:
        self._lstm, self._actor = lstm, actor
        self.draws, self.normal, self.stochastic = actor.draws, actor.normal, actor.stochastic
        self.networks, self.needs_masks = (lstm, *actor.networks), actor.needs_masks
        self._states = torch.zeros(2, lstm.num_layers, 0, lstm.hidden_size)  # hidden, cell
        self.memory_size = 2 * lstm.num_layers * lstm.hidden_size

    def allow(self, masks: Tensor | None) -> None:
        """See `Actor`."""
        self._actor.allow(masks)

    @torch.inference_mode()
    def begin(self, slots: Array) -> None:
        """New episodes in these rows."""
        self._reserve(int(slots.max()) + 1)
        self._states[:, :, slots] = 0.0

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        count = len(observations)
        self._reserve(count)
        layers, states = self._lstm.num_layers, self._states[:, :, :count].transpose(1, 2)  # (2, M, layers, H)
        step = partial(_step, self._lstm)
        outcome = rounding.rowwise(("recurrent", layers), step, observations, *states, trial=self._random)
        output, *after = outcome.split([1, layers, layers], dim=1)
        self._states[:, :, :count] = torch.stack(after).transpose(1, 2)
        return self._actor(output[:, 0], noise)

    def step(self, observations: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Actor`: the memory is the hidden states of all layers, then the cells."""
        layers = self._lstm.num_layers
        states = memory.unflatten(1, (2, layers, self._lstm.hidden_size)).unbind(1)
        output, after = _step(self._lstm, observations, *states).split([1, 2 * layers], dim=1)
        return self._actor(output[:, 0], None), self._actor.scores(output[:, 0]), after.flatten(1)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return self.scores_over(observations[:, None], torch.zeros(len(observations), dtype=torch.long))

    def scores_over(self, observations: Tensor, last: Tensor) -> Tensor:
        """See `Actor`: the state is zero before the first step."""
        outputs, _ = self._lstm(observations.transpose(0, 1))  # (K, B, H)
        return self._actor.scores(outputs[last, torch.arange(len(last))])

    def _random(self) -> Callable[..., Tensor]:
        return partial(_step, rounding.random_copy(self._lstm))

    def _reserve(self, count: int) -> None:
        kept, rows = self._states, self._states.shape[2]
        if rows < count:
            self._states = torch.cat([kept, kept.new_zeros(2, kept.shape[1], count - rows, kept.shape[3])], dim=2)


class Stacked(Actor):
    """The last `frames` observations as one, before another actor: zeros stand for those before an episode's first.

    As stable-baselines3's VecFrameStack has them, the oldest first, of observations that were normalised one by one.
    """

    def __init__(self, actor: Actor, frames: int, size: int) -> None:
        """size: numbers of one observation."""
        self._actor, self._frames, self._size = actor, frames, size
        self.draws, self.normal, self.stochastic = actor.draws, actor.normal, actor.stochastic
        self.networks, self.needs_masks, self.context_length = actor.networks, actor.needs_masks, frames
        self.memory_size = (frames - 1) * size
        self._before = torch.zeros(0, self.memory_size)  # (M, memory_size)

    def allow(self, masks: Tensor | None) -> None:
        """See `Actor`."""
        self._actor.allow(masks)

    @torch.inference_mode()
    def begin(self, slots: Array) -> None:
        """New episodes in these rows."""
        self._reserve(int(slots.max()) + 1)
        self._before[slots] = 0.0
        self._actor.begin(slots)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        count = len(observations)
        self._reserve(count)
        stacked = torch.cat([self._before[:count], observations], dim=1)  # (M, frames * size)
        self._before[:count] = stacked[:, self._size :]
        return self._actor(stacked, noise)

    def step(self, observations: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Actor`: the memory is the observations before."""
        stacked = torch.cat([memory, observations], dim=1)
        return self._actor(stacked, None), self._actor.scores(stacked), stacked[:, self._size :]

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return self.scores_over(observations[:, None], torch.zeros(len(observations), dtype=torch.long))

    def scores_over(self, observations: Tensor, last: Tensor) -> Tensor:
        """See `Actor`."""
        places = last[:, None] + torch.arange(1 - self._frames, 1)  # (B, frames)
        rows = observations[torch.arange(len(last))[:, None], places.clamp(min=0)]  # (B, frames, size)
        return self._actor.scores(torch.where((places >= 0)[..., None], rows, torch.zeros(())).flatten(1))

    def _reserve(self, count: int) -> None:
        if (lacking := count - len(self._before)) > 0:
            self._before = torch.cat([self._before, self._before.new_zeros(lacking, self.memory_size)])


def _step(lstm: torch.nn.Module, observations: Tensor, hidden: Tensor, cell: Tensor) -> Tensor:
    """(M, obs) and the states before, (M, layers, H) -> the output and the states after, (M, 1 + 2 layers, H)."""
    before = (hidden.transpose(0, 1).contiguous(), cell.transpose(0, 1).contiguous())
    output, after = lstm(observations[None], before)  # (1, M, H)
    return torch.cat([output, *after]).transpose(0, 1)


class Deterministic(Actor):
    """The network's action in [-1, 1]; a sample adds Gaussian noise of this standard deviation, one for all or (A,).

    Not `scaled`: the network's output is the action itself, and there is no noise.
    """

    normal, stochastic = True, False

    def __init__(self, network: torch.nn.Module, std: float | Tensor, spec: ActionSpec, scaled: bool = True) -> None:
        self._network, self._std, self._scaled = network, std, scaled
        self._low, self._high = torch.tensor(spec.low), torch.tensor(spec.high)
        self.draws, self.networks = len(spec.low), (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return self(observations, None)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        actions = rounding.chain(self._network, observations)
        if not self._scaled:
            return actions
        if noise is not None:
            actions = (actions + self._std * noise).clamp(-1.0, 1.0)
        return self._low + 0.5 * (actions + 1.0) * (self._high - self._low)


class EpsilonGreedy(Actor):
    """The action of the highest value; a sample is uniform with probability `epsilon`.

    values: from what the network gives to the value of each action (M, A); None: it gives these.
    """

    normal, stochastic = False, False  # a softmax over values has an arbitrary temperature
    draws = 2

    def __init__(
        self,
        network: torch.nn.Module,
        epsilon: float,
        spec: ActionSpec,
        values: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._network, self._epsilon, self._n, self._values = network, epsilon, spec.nvec[0], values
        self.networks = (network,)

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`: the values."""
        found = rounding.chain(self._network, observations)
        return found if self._values is None else self._values(found)

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        best = self.obedient(self.scores(observations)).argmax(dim=1)
        if noise is None:
            return best
        strays = (noise[:, 1] * self._n).long()
        if self.masks is not None:  # the n-th of those that are allowed
            allowed = self.masks[: len(best)].long()
            place = (noise[:, 1] * allowed.sum(dim=1)).long()
            strays = (allowed.cumsum(dim=1) <= place[:, None]).sum(dim=1).clamp(max=self._n - 1)
        return torch.where(noise[:, 0] < self._epsilon, strays, best)


def policy_head(policy: Any, spec: ActionSpec) -> Actor:
    """Of stable-baselines3's actor-critic policies: from features, or what an LSTM makes of them, to actions."""
    trunk = policy.mlp_extractor.policy_net
    if spec.kind == "box":
        std = gsde_std(policy) if policy.use_sde else lambda latent: policy.log_std.exp()
        return Gaussian(trunk, policy.action_net, std, spec, squashed=policy.squash_output)
    logits = torch.nn.Sequential(trunk, policy.action_net)
    return Bits(logits, spec) if spec.kind == "multibinary" else Categories(logits, spec)
