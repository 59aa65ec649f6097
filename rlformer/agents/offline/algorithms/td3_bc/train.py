"""The training of TD3+BC, on stable-baselines3's TD3.

It draws from a buffer that holds the log and never grows; a call of `train` is that many gradient steps.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.utils import polyak_update
from torch import Tensor
from torch.nn import functional

from rlformer.core.spaces import Array


class TD3OnLog(TD3):
    """TD3 that learns from a log and keeps to it; what its policy descends is said by its kinds."""

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """See `stable_baselines3.TD3`."""
        buffer = self.replay_buffer
        assert buffer is not None
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        for _ in range(gradient_steps):
            rows = np.random.randint(0, buffer.size(), batch_size)  # noqa: NPY002 - as `sample` draws
            batch = buffer._get_samples(rows, env=self._vec_normalize_env)
            with torch.no_grad():
                noise = torch.randn_like(batch.actions) * self.target_policy_noise
                noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
                following = (self.actor_target(batch.next_observations) + noise).clamp(-1, 1)
                both = torch.cat(self.critic_target(batch.next_observations, following), dim=1)  # (B, 2)
                worth = both.amin(dim=1, keepdim=True) - self.penalty(rows, following)
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

    def penalty(self, rows: Array, following: Tensor) -> Tensor | float:
        """What the following actions (B, act) of these rows of the log lose in the targets, (B, 1): here nothing."""
        return 0.0

    @abstractmethod
    def losses(self, observations: Tensor, actions: Tensor, logged: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the policy's actions: what it descends, its distance from the log, and what it is worth on average."""

    def _improve(self, observations: Tensor, logged: Tensor) -> None:
        """One step of the policy, and the targets after it."""
        loss, distance, value = self.losses(observations, self.actor(observations), logged)
        self.actor.optimizer.zero_grad()
        loss.backward()
        self.actor.optimizer.step()
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        polyak_update(self.actor.parameters(), self.actor_target.parameters(), self.tau)
        for name, found in (("imitation_loss", distance), ("value", value)):
            self.logger.record_mean(f"train/{name}", found.item())


class TD3BC(TD3OnLog):
    """TD3 whose policy also imitates the log (Fujimoto & Gu 2021, arXiv:2106.06860).

    It descends -lambda Q(s, pi(s)) + (pi(s) - a_log)^2 with lambda = alpha / mean |Q|, actions in [-1, 1].
    """

    def __init__(self, *args: Any, alpha: float = 2.5, **kwargs: Any) -> None:
        self.alpha = alpha
        super().__init__(*args, **kwargs)

    def losses(self, observations: Tensor, actions: Tensor, logged: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `TD3OnLog`."""
        values = self.critic.q1_forward(observations, actions)
        distance = functional.mse_loss(actions, logged)
        scale = self.alpha / values.abs().mean().detach().clamp(min=1e-8)  # all values may be 0
        return distance - scale * values.mean(), distance, values.mean()
