"""The training of ReBRAC, on what TD3+BC is made of."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from stable_baselines3.common.policies import BasePolicy, ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn

from rlformer.agents.offline.algorithms.td3_bc.train import TD3OnLog
from rlformer.core.spaces import Array


class NormalizedCritic(ContinuousCritic):
    """Stable-baselines3's critics with a layer norm behind each activation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.q_networks = [_normalized(network) for network in self.q_networks]
        for index, network in enumerate(self.q_networks):
            self.add_module(f"qf{index}", network)


def _normalized(network: nn.Module) -> nn.Sequential:
    """Linear, activation, ..., linear, with a layer norm behind each activation."""
    layers: list[nn.Module] = []
    for layer in network.children():
        layers.append(layer)
        if isinstance(layer, nn.Linear):
            width = layer.out_features
        else:
            layers.append(nn.LayerNorm(width))
    return nn.Sequential(*layers)


class ReBRACPolicy(TD3Policy):
    """TD3's, with layer norms in its critics."""

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:
        """See `stable_baselines3.td3.policies.TD3Policy`."""
        arguments = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return NormalizedCritic(**arguments).to(self.device)


class ReBRAC(TD3OnLog):
    """TD3 on a log that keeps to it both in its policy and in its values (Tarasov et al. 2023, arXiv:2305.09836).

    The policy descends -Q / mean |Q| + actor_penalty (pi(s) - a)^2, and targets lose critic_penalty (a' - a'_log)^2,
    the squared distance of the following action from the one that the log took there. Actions are in [-1, 1], and
    squares are summed over their numbers. Where the log tells no following action nothing is subtracted.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": ReBRACPolicy}

    def __init__(self, *args: Any, actor_penalty: float = 0.01, critic_penalty: float = 0.01, **kwargs: Any) -> None:
        self.actor_penalty, self.critic_penalty = actor_penalty, critic_penalty
        super().__init__(*args, **kwargs)

    def penalty(self, rows: Array, following: Tensor) -> Tensor | float:
        """See `TD3OnLog`."""
        buffer = self.replay_buffer
        assert buffer is not None
        after = torch.as_tensor(buffer.actions[(rows + 1) % buffer.size(), 0])  # the log lies there in its order
        known = torch.as_tensor(1.0 - buffer.dones[rows])  # (B, 1): the episode goes on
        return self.critic_penalty * known * (following - after).square().sum(dim=1, keepdim=True)

    def losses(self, observations: Tensor, actions: Tensor, logged: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `TD3OnLog`: the lesser of both values, and squares summed."""
        values = torch.cat(self.critic(observations, actions), dim=1).amin(dim=1)  # (B,)
        distance = (actions - logged).square().sum(dim=1).mean()
        scale = 1 / values.abs().mean().detach().clamp(min=1e-8)  # all values may be 0
        return self.actor_penalty * distance - scale * values.mean(), distance, values.mean()
