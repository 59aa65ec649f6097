"""The training of ReBRAC, on stable-baselines3's TD3.

It draws from a buffer that holds the log and never grows; a call of `train` is that many gradient steps.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.policies import BasePolicy, ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn
from torch.nn import functional


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


class ReBRAC(TD3):
    """TD3 on a log that keeps to it both in its policy and in its values (Tarasov et al. 2023, arXiv:2305.09836).

    The policy descends -Q / mean |Q| + actor_penalty (pi(s) - a)^2, and targets lose critic_penalty (a' - a'_log)^2,
    the squared distance of the following action from the one that the log took there. Actions are in [-1, 1], and
    squares are summed over their numbers. Where the log tells no following action nothing is subtracted.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": ReBRACPolicy}

    def __init__(self, *args: Any, actor_penalty: float = 0.01, critic_penalty: float = 0.01, **kwargs: Any) -> None:
        self.actor_penalty, self.critic_penalty = actor_penalty, critic_penalty
        super().__init__(*args, **kwargs)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """See `stable_baselines3.TD3`."""
        buffer = self.replay_buffer
        assert buffer is not None
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        for _ in range(gradient_steps):
            rows = np.random.randint(0, buffer.size(), batch_size)  # noqa: NPY002 - as `sample` draws
            batch = buffer._get_samples(rows, env=self._vec_normalize_env)
            after = torch.as_tensor(buffer.actions[(rows + 1) % buffer.size(), 0])  # the log lies there in its order
            known = torch.as_tensor(1.0 - buffer.dones[rows])  # (B, 1): the episode goes on
            with torch.no_grad():
                noise = torch.randn_like(batch.actions) * self.target_policy_noise
                noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
                following = (self.actor_target(batch.next_observations) + noise).clamp(-1, 1)
                both = torch.cat(self.critic_target(batch.next_observations, following), dim=1)  # (B, 2)
                astray = known * (following - after).square().sum(dim=1, keepdim=True)
                worth = both.amin(dim=1, keepdim=True) - self.critic_penalty * astray
                targets = batch.rewards + (1 - batch.dones) * self.gamma * worth
            errors = [functional.mse_loss(q, targets) for q in self.critic(batch.observations, batch.actions)]
            critic_loss = torch.stack(errors).sum()
            self.critic.optimizer.zero_grad()
            critic_loss.backward()
            self.critic.optimizer.step()
            self._n_updates += 1
            self.logger.record_mean("train/critic_loss", critic_loss.item())
            if self._n_updates % self.policy_delay == 0:
                self._improve(batch.observations, batch.actions)

    def _improve(self, observations: Tensor, logged: Tensor) -> None:
        """One step of the policy, and the targets after it."""
        actions = self.actor(observations)
        values = torch.cat(self.critic(observations, actions), dim=1).amin(dim=1)  # (B,)
        distance = (actions - logged).square().sum(dim=1).mean()
        scale = 1 / values.abs().mean().detach().clamp(min=1e-8)  # all values may be 0
        self.actor.optimizer.zero_grad()
        (self.actor_penalty * distance - scale * values.mean()).backward()
        self.actor.optimizer.step()
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        polyak_update(self.actor.parameters(), self.actor_target.parameters(), self.tau)
        for name, value in (("imitation_loss", distance), ("value", values.mean())):
            self.logger.record_mean(f"train/{name}", value.item())
