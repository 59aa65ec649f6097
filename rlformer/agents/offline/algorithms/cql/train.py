"""The training of CQL, on stable-baselines3's DQN.

It draws from a buffer that holds the log and never grows; a call of `train` is that many gradient steps.
"""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3 import DQN
from stable_baselines3.common.utils import polyak_update
from torch import Tensor
from torch.nn import functional


def conservative_gap(values: Tensor, actions: Tensor) -> Tensor:
    """logsumexp_a Q(s, a) - Q(s, a_log), of values (B, A) and logged actions (B, 1): (B, 1), above 0.

    The CQL(H) term of Kumar et al. 2020 (arXiv:2006.04779, equation 4): small where the logged action is the best.
    """
    return values.logsumexp(dim=1, keepdim=True) - values.gather(1, actions)


class CQL(DQN):
    """Conservative Q-learning for categories: DQN's loss plus `alpha` times the conservative gap.

    The target network follows every `target_update_interval` gradient steps. `huber`: DQN's loss, under which chance
    that spreads rewards by more than 1 moves a value towards their median; else the squared error, whose minimum is
    their mean.
    """

    def __init__(self, *args: Any, alpha: float = 1.0, huber: bool = True, **kwargs: Any) -> None:
        self.alpha, self._td_loss = alpha, functional.smooth_l1_loss if huber else functional.mse_loss
        # It never explored: a sample is the best action.
        super().__init__(*args, **{**kwargs, "exploration_final_eps": 0.0})

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """See `stable_baselines3.DQN`."""
        assert self.replay_buffer is not None
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        for _ in range(gradient_steps):
            batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            with torch.no_grad():
                best = self.q_net_target(batch.next_observations).amax(dim=1, keepdim=True)  # (B, 1)
                targets = batch.rewards + (1 - batch.dones) * self.gamma * best
            values = self.q_net(batch.observations)  # (B, A)
            td_loss = self._td_loss(values.gather(1, batch.actions), targets)
            gap = conservative_gap(values, batch.actions).mean()
            self.policy.optimizer.zero_grad()
            (td_loss + self.alpha * gap).backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
            self._n_updates += 1
            if self._n_updates % self.target_update_interval == 0:
                polyak_update(self.q_net.parameters(), self.q_net_target.parameters(), self.tau)
            for name, value in (("td_loss", td_loss), ("conservative_gap", gap), ("value", values.mean())):
                self.logger.record_mean(f"train/{name}", value.item())
