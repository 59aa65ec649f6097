"""The training of GAIL, on stable-baselines3's PPO: what a rollout earned is filled in before PPO learns from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor
from torch.nn import functional as F

from rlformer.agents.adversarial.algorithm import CONSTANT
from rlformer.agents.adversarial.discriminator import REWARDS, Discriminator, discrimination, gradient_penalty
from rlformer.agents.sequence.actions import ActionCodec
from rlformer.core.spaces import ActionSpec, Array

_LONGEST = 1000  # steps of a horizon, of discounts that are 1 or nearly so


@dataclass(frozen=True)
class Expert:
    """The steps to be matched: S of them."""

    observations: Array  # (S, *obs), raw
    actions: Array  # (S, *act), canonical
    terminations: int  # episodes that terminated, and were not cut off
    codec: ActionCodec  # from actions to numbers

    @property
    def spec(self) -> ActionSpec:
        """What is executed of an action."""
        return self.codec.spec

    @property
    def width(self) -> int:
        """Numbers of an encoded action."""
        return len(self.spec.nvec) if self.spec.kind == "multibinary" else self.codec.width

    def encode(self, actions: Array) -> Tensor:
        """(S, *act) -> (S, width): one-hot categories, bits as they are, reals in [-1, 1]."""
        numbers = torch.as_tensor(actions)
        return numbers.float() if self.spec.kind == "multibinary" else self.codec.encode(numbers)


class GAIL(PPO):
    """PPO on the reward of a discriminator that tells the expert's steps from its own (Ho & Ermon 2016).

    Rewards of the environment must not come in: the environment that it is given pays nothing. A discriminator is made
    when `imitate` says whom to match; without, the model only acts.

    An episode that terminates stays where it is, in an absorbing state that the discriminator reads too (Kostrikov et
    al. 2019, arXiv:1809.02925). Without it a reward above 0 pays for staying alive and one below 0 for ending,
    whatever the expert does. It counts 1 / (1 - gamma) steps, as many as a discounted return sees.
    """

    def __init__(
        self,
        *args: Any,
        reward: str = "log_ratio",
        discriminator_reads: str = "state-action",
        discriminator_hidden: Sequence[int] = (64, 64),
        discriminator_learning_rate: float = 3e-4,
        discriminator_updates: int = 8,
        discriminator_batch_size: int = 256,
        gradient_penalty: float = 10.0,
        **kwargs: Any,
    ) -> None:
        self.reward, self.discriminator_reads = reward, discriminator_reads
        self.discriminator_hidden, self.discriminator_learning_rate = discriminator_hidden, discriminator_learning_rate
        self.discriminator_updates, self.discriminator_batch_size = discriminator_updates, discriminator_batch_size
        self.gradient_penalty = gradient_penalty
        self.discriminator: Discriminator | None = None
        self.discriminator_optimizer: torch.optim.Optimizer | None = None
        super().__init__(*args, **kwargs)

    def imitate(self, expert: Expert, terminated: Callable[[], Array]) -> None:
        """Make the discriminator. To be called once, before anything is learned.

        terminated: says which steps of the rollout that just ended were the last of an episode that was not cut off,
        (n_steps, num_envs) bool.
        """
        self._expert, self._terminated = expert, terminated
        if self.reward == CONSTANT:
            return
        inputs = expert.observations[0].size + (expert.width if self._reads_actions else 0) + 1
        self.discriminator = Discriminator(inputs, self.discriminator_hidden)
        rate = self.discriminator_learning_rate
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=rate, fused=True)

    def train(self) -> None:
        """See `stable_baselines3.PPO`: the discriminator learns first, and says what the rollout earned."""
        buffer = self.rollout_buffer
        terminated = self._terminated()
        if self.discriminator is None:
            earned = np.ones_like(buffer.rewards)
        else:
            rows = self._rows(_flat(buffer.observations), self._executed(_flat(buffer.actions)))
            self._discriminate(self.discriminator, rows, int(terminated.sum()))
            *steps, afterwards = self._earned(self.discriminator, rows)
            earned = np.reshape(steps, buffer.rewards.shape).astype(np.float32)
            earned[terminated] += self.gamma * self._horizon * afterwards
            self.logger.record("train/absorbing_reward", float(afterwards))
        self.logger.record("train/imitation_reward", float(earned.mean()))
        buffer.rewards += earned  # to what lies behind an episode that was cut off
        with torch.no_grad():
            last_values = self.policy.predict_values(obs_as_tensor(self._last_obs, self.device))  # type: ignore[arg-type]
        assert self._last_episode_starts is not None
        buffer.compute_returns_and_advantage(last_values, self._last_episode_starts)
        super().train()

    @property
    def _reads_actions(self) -> bool:
        return self.discriminator_reads == "state-action"

    @property
    def _horizon(self) -> float:
        return min(1 / max(1 - self.gamma, 1e-9), _LONGEST)

    def _discriminate(self, discriminator: Discriminator, learner: Tensor, terminations: int) -> None:
        """The updates of the discriminator that follow a rollout.

        learner: its rows (S + 1, inputs), the absorbing state's the last, and how many of its episodes terminated.
        """
        assert self.discriminator_optimizer is not None
        expert = self._rows(self._scaled(self._expert.observations), self._expert.actions)
        sides = ((expert, self._expert.terminations), (learner, terminations))
        # How often each side is in a step, or where nothing follows any more.
        counts = [(rows, len(rows) - 1 + ends * round(self._horizon)) for rows, ends in sides]
        size, parameters = self.discriminator_batch_size, list(discriminator.parameters())
        for _ in range(self.discriminator_updates):
            first, second = (rows[torch.randint(n, (size,)).clamp(max=len(rows) - 1)] for rows, n in counts)
            of_expert, of_learner = discriminator(torch.cat([first, second])).split(size)
            loss = discrimination(of_expert, of_learner)
            if self.gradient_penalty:
                penalty = gradient_penalty(discriminator, first, second, torch.rand(size, 1))
                self.logger.record_mean("train/gradient_penalty", penalty.item())
                total = loss + self.gradient_penalty * penalty
            else:
                total = loss
            for parameter, gradient in zip(
                parameters, torch.autograd.grad(total, parameters, allow_unused=True), strict=True
            ):
                parameter.grad = gradient
            self.discriminator_optimizer.step()
            right = torch.cat([of_expert > 0, of_learner < 0]).float().mean()
            for name, found in (
                ("loss", loss), ("accuracy", right),
                ("expert_logit", of_expert.mean()), ("learner_logit", of_learner.mean()),
            ):  # fmt: skip
                self.logger.record_mean(f"train/discriminator_{name}", found.item())

    @torch.no_grad()
    def _earned(self, discriminator: Discriminator, rows: Tensor) -> Array:
        """What each of these earns, (S,)."""
        earned: Array = REWARDS[self.reward](discriminator(rows)).numpy()
        return earned

    def _rows(self, observations: Array, actions: Array) -> Tensor:
        """What the discriminator reads of S steps, and of the absorbing state: (S + 1, inputs).

        Of steps these are observations as the policy reads them and canonical actions; the last number tells which is
        which.
        """
        seen = torch.as_tensor(observations, dtype=torch.float32).flatten(1)
        if self._reads_actions:
            seen = torch.cat([seen, self._expert.encode(actions)], dim=1)
        rows = F.pad(seen, (0, 1, 0, 1))
        rows[-1, -1] = 1.0
        return rows

    def _scaled(self, observations: Array) -> Array:
        """As the policy reads them now."""
        normalize: Any = self.get_vec_normalize_env()
        if normalize is None:
            return observations
        found = normalize.normalize_obs(observations)
        assert isinstance(found, np.ndarray)
        return found

    def _executed(self, actions: Array) -> Array:
        """(S, ...) of the buffer -> (S, *act), as a log has them."""
        return self._expert.spec.clip(actions.reshape(len(actions), *self._expert.spec.shape))

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        """See `stable_baselines3`: what a checkpoint holds."""
        modules, variables = super()._get_torch_save_params()
        if self.discriminator is None:
            return modules, variables
        names = [f"discriminator.{name}" for name, _ in self.discriminator.named_parameters()]
        return [*modules, "discriminator_optimizer"], [*variables, *names]


def _flat(array: Array) -> Array:
    """(n_steps, num_envs, ...) -> (S, ...)."""
    return array.reshape(-1, *array.shape[2:])
