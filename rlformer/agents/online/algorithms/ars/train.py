"""ARS whose candidates play one after the other in one environment, every step of which is counted."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from sb3_contrib import ARS
from sb3_contrib.ars.policies import ARSPolicy
from sb3_contrib.common.vec_env.async_eval import AsyncEval
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor


class SequentialARS(ARS):
    """sb3-contrib's ARS, but for how candidates are evaluated and how a stopped training goes on.

    The library resets the environment once more before each candidate, and counts steps of several environments that
    nobody takes. It lets schedules begin anew in a continued training.
    """

    policy: ARSPolicy
    weights: Any  # a tensor

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        # What is searched around is a copy of the policy's weights, which a checkpoint does not hold.
        self.weights = torch.nn.utils.parameters_to_vector(self.policy.parameters()).detach()
        return super()._setup_learn(*args, **kwargs)

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, self._total_timesteps)  # earlier steps among them

    def evaluate_candidates(
        self, candidate_weights: Tensor, callback: BaseCallback, async_eval: AsyncEval | None
    ) -> Tensor:
        """The sum of `n_eval_episodes` returns of each candidate, (2 n_delta, P) -> (2 n_delta,)."""
        callback.on_rollout_start()
        candidate, returns = deepcopy(self.policy), torch.zeros(len(candidate_weights))
        for i, weights in enumerate(candidate_weights):
            candidate.load_from_vector(weights)
            returns[i] = sum((self._play(candidate, callback) for _ in range(self.n_eval_episodes)), 0.0)
        callback.on_rollout_end()
        return returns

    def _play(self, candidate: ARSPolicy, callback: BaseCallback) -> float:
        """The return of an episode, its alive bonus taken out; the environment begins the next one by itself."""
        assert self.env is not None
        episode_return, done = 0.0, False
        while not done:
            actions, _ = candidate.predict(self._last_obs, deterministic=True)  # type: ignore[arg-type]
            self._last_obs, rewards, dones, _ = self.env.step(actions)  # type: ignore[assignment]
            episode_return += float(rewards[0]) + self.alive_bonus_offset
            done = bool(dones[0])
            self.num_timesteps += 1
            callback.on_step()
        return episode_return
