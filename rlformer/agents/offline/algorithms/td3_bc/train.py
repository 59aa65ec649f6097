"""The training of TD3+BC, on stable-baselines3's TD3.

It draws from a buffer that holds the log and never grows; a call of `train` is that many gradient steps.
"""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3 import TD3
from stable_baselines3.common.utils import polyak_update
from torch import Tensor
from torch.nn import functional


class TD3BC(TD3):
    """TD3 whose policy also imitates the log (Fujimoto & Gu 2021, arXiv:2106.06860).

    It descends -lambda Q(s, pi(s)) + (pi(s) - a_log)^2 with lambda = alpha / mean |Q|, actions in [-1, 1].
    """

    def __init__(self, *args: Any, alpha: float = 2.5, **kwargs: Any) -> None:
        self.alpha = alpha
        super().__init__(*args, **kwargs)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """See `stable_baselines3.TD3`."""
        assert self.replay_buffer is not None
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        for _ in range(gradient_steps):
            batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            with torch.no_grad():
                noise = torch.randn_like(batch.actions) * self.target_policy_noise
                noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
                following = (self.actor_target(batch.next_observations) + noise).clamp(-1, 1)
                both = torch.cat(self.critic_target(batch.next_observations, following), dim=1)  # (B, 2)
                targets = batch.rewards + (1 - batch.dones) * self.gamma * both.amin(dim=1, keepdim=True)
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
        values = self.critic.q1_forward(observations, actions)
        distance = functional.mse_loss(actions, logged)
        scale = self.alpha / values.abs().mean().detach().clamp(min=1e-8)  # all values may be 0
        self.actor.optimizer.zero_grad()
        (distance - scale * values.mean()).backward()
        self.actor.optimizer.step()
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        polyak_update(self.actor.parameters(), self.actor_target.parameters(), self.tau)
        for name, value in (("imitation_loss", distance), ("value", values.mean())):
            self.logger.record_mean(f"train/{name}", value.item())
