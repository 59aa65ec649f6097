"""The gated Transformer-XL as a policy of stable-baselines3, whose observations bring along what is remembered."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import MlpExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from rlformer.agents.online.algorithms.ppo_trxl.network import GatedTransformerXL, advanced
from rlformer.core.spaces import Array


class Seen(NamedTuple):
    """What an action is chosen from: B rows."""

    observations: Tensor  # (B, *obs)
    memory: Tensor  # (B, L, M, W), see `network`
    age: Tensor  # (B,)


class TrXLPolicy(ActorCriticPolicy):
    """A network that remembers, and behind it layers for the policy and others for the value."""

    trunk: GatedTransformerXL

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        width: int = 64,
        layers: int = 3,
        heads: int = 4,
        memory_length: int = 32,
        net_arch: list[int] | None = None,
        activation_fn: type[nn.Module] = nn.Tanh,
        ortho_init: bool = True,
        log_std_init: float = 0.0,
        use_sde: bool = False,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._shape = (width, layers, heads, memory_length)  # read while all is built
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch=[64] if net_arch is None else net_arch,
            activation_fn=activation_fn,
            ortho_init=ortho_init,
            log_std_init=log_std_init,
            use_sde=use_sde,
            optimizer_kwargs=optimizer_kwargs,
        )

    def _build_mlp_extractor(self) -> None:
        width, layers, heads, memory_length = self._shape
        self.trunk = GatedTransformerXL(self.features_dim, width, layers, heads, memory_length)
        self.mlp_extractor = MlpExtractor(width, self.net_arch, self.activation_fn, self.device)

    def remember(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """What is known now (B, W), and what is to be remembered (B, L, W)."""
        features = self.features_extractor(seen.observations.float())
        known, row = self.trunk(features, seen.memory, seen.age)
        return known, row

    def choose(self, seen: Seen) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Sampled actions (B, *act), their values (B, 1), log-likelihoods (B,), and what is to be remembered."""
        known, row = self.remember(seen)
        distribution = self._distribution(known)
        actions = distribution.get_actions()
        values = self.value_net(self.mlp_extractor.forward_critic(known))
        return actions.reshape(-1, *self.action_space.shape), values, distribution.log_prob(actions), row  # type: ignore[misc]

    def evaluate_actions(self, obs: Seen, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:  # type: ignore[override]
        """Values, log-likelihoods and entropies; see `ActorCriticPolicy`."""
        known, _ = self.remember(obs)
        distribution = self._distribution(known)
        values = self.value_net(self.mlp_extractor.forward_critic(known))
        return values, distribution.log_prob(actions), distribution.entropy()

    def predict_values(self, obs: Seen) -> Tensor:  # type: ignore[override]
        """(B, 1); see `ActorCriticPolicy`."""
        known, _ = self.remember(obs)
        values: Tensor = self.value_net(self.mlp_extractor.forward_critic(known))
        return values

    def get_distribution(self, obs: Seen) -> Distribution:  # type: ignore[override]
        """See `ActorCriticPolicy`."""
        return self._distribution(self.remember(obs)[0])

    def predict(
        self,
        observation: Array | dict[str, Array],
        state: tuple[Array, ...] | None = None,
        episode_start: Array | None = None,
        deterministic: bool = False,
    ) -> tuple[Array, tuple[Array, ...] | None]:
        """Actions, and the state for the step that follows; see `BasePolicy.predict`."""
        self.set_training_mode(False)
        tensor, several = self.obs_to_tensor(observation)
        assert isinstance(tensor, Tensor)
        memory, age = self.nothing(len(tensor)) if state is None else map(torch.as_tensor, state)
        if episode_start is not None:
            age = age.masked_fill(torch.as_tensor(episode_start, dtype=torch.bool), 0)
        with torch.no_grad():
            known, row = self.remember(Seen(tensor, memory, age))
            actions = self._distribution(known).get_actions(deterministic=deterministic).numpy()
        actions = actions.reshape(-1, *self.action_space.shape)  # type: ignore[misc]
        if isinstance(self.action_space, spaces.Box):
            actions = np.clip(actions, self.action_space.low, self.action_space.high)
        return actions if several else actions[0], (advanced(memory, row).numpy(), (age + 1).numpy())

    def nothing(self, count: int) -> tuple[Tensor, Tensor]:
        """Memory and age of so many episodes that begin."""
        return torch.zeros(count, *self.trunk.memory_shape), torch.zeros(count, dtype=torch.long)

    def _distribution(self, known: Tensor) -> Distribution:
        return self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(known))
