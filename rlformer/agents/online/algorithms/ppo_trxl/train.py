"""The training of PPO on a gated Transformer-XL: a rollout keeps what steps remembered, an update reads it again."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import Tensor

from rlformer.agents.online.algorithms.ppo_trxl.network import advanced
from rlformer.agents.online.algorithms.ppo_trxl.policy import Seen, TrXLPolicy
from rlformer.core.spaces import Array


class MemoryBuffer(RolloutBuffer):
    """A rollout with one row of what each step adds to the memory; a step's memory is the M rows before its own."""

    def __init__(self, *args: Any, layers: int, memory_length: int, width: int, **kwargs: Any) -> None:
        self._layers, self._length, self._width = layers, memory_length, width
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """See `RolloutBuffer`."""
        super().reset()
        rows = (self._length + self.buffer_size, self.n_envs, self._layers, self._width)
        self.rows = np.zeros(rows, np.float32)  # those from before the rollout first
        self.ages = np.zeros((self.buffer_size, self.n_envs), np.int64)

    def begin(self, memory: Tensor) -> None:
        """What was remembered before the rollout, (num_envs, L, M, W)."""
        self.rows[: self._length] = memory.permute(2, 0, 1, 3).numpy()

    def remember(self, age: Tensor, row: Tensor) -> None:
        """Of the step that is added next: (num_envs,), (num_envs, L, W)."""
        self.ages[self.pos], self.rows[self._length + self.pos] = age.numpy(), row.numpy()

    def _get_samples(self, batch_inds: Array, env: VecNormalize | None = None) -> RolloutBufferSamples:
        samples = super()._get_samples(batch_inds, env)
        which, step = np.divmod(batch_inds, self.buffer_size)  # the buffer stands flat, one environment after the other
        windows = self.rows[step[:, None] + np.arange(self._length), which[:, None]]  # (B, M, L, W)
        memory = torch.from_numpy(windows).transpose(1, 2)
        seen = Seen(samples.observations, memory, torch.from_numpy(self.ages[step, which]))
        return samples._replace(observations=seen)  # type: ignore[arg-type]


class PPOTrXL(PPO):
    """PPO in environments whose every step is chosen with what the episode has shown."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"TrXLPolicy": TrXLPolicy}
    policy: TrXLPolicy

    def _setup_model(self) -> None:
        self.rollout_buffer_class = MemoryBuffer
        self.rollout_buffer_kwargs = {key: self.policy_kwargs[key] for key in ("layers", "memory_length", "width")}
        super()._setup_model()
        self._memory, self._age = self.policy.nothing(self.n_envs)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """See `OnPolicyAlgorithm`, whose steps these are, with a memory."""
        assert isinstance(rollout_buffer, MemoryBuffer)
        assert self._last_obs is not None
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        rollout_buffer.begin(self._memory)
        callback.on_rollout_start()
        for _ in range(n_rollout_steps):
            self._forget()
            with torch.no_grad():
                actions, values, log_probs, row = self.policy.choose(self._seen(self._last_obs))
            executed = actions.numpy()
            if isinstance(self.action_space, spaces.Box):
                executed = np.clip(executed, self.action_space.low, self.action_space.high)
            new_obs, rewards, dones, infos = env.step(executed)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            rollout_buffer.remember(self._age, row)
            self._memory, self._age = advanced(self._memory, row), self._age + 1
            for i in np.flatnonzero(dones):
                if infos[i].get("TimeLimit.truncated", False):
                    rewards[i] += self.gamma * self._value_behind(infos[i]["terminal_observation"], int(i))
            if isinstance(self.action_space, spaces.Discrete):
                actions = actions.reshape(-1, 1)
            starts = self._last_episode_starts
            assert isinstance(self._last_obs, np.ndarray)
            assert starts is not None
            rollout_buffer.add(self._last_obs, actions.numpy(), rewards, starts, values, log_probs)
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
        self._forget()
        with torch.no_grad():
            last_values = self.policy.predict_values(self._seen(self._last_obs))
        rollout_buffer.compute_returns_and_advantage(last_values=last_values, dones=dones)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _forget(self) -> None:
        """Where an episode begins nothing is remembered."""
        self._age = self._age.masked_fill(torch.as_tensor(self._last_episode_starts, dtype=torch.bool), 0)

    def _seen(self, observations: Any) -> Seen:
        return Seen(torch.as_tensor(observations), self._memory, self._age)

    def _value_behind(self, observation: Any, i: int) -> float:
        """Of what followed the step that an episode was cut off at."""
        tensor, _ = self.policy.obs_to_tensor(observation)
        assert isinstance(tensor, Tensor)
        with torch.no_grad():
            return float(self.policy.predict_values(Seen(tensor, self._memory[i : i + 1], self._age[i : i + 1])))

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_memory", "_age"]
