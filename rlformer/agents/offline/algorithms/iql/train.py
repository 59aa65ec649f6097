"""The training of IQL, on stable-baselines3's off-policy algorithms.

It draws from a buffer that holds the log and never grows; a call of `train` is that many gradient steps.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor, create_mlp
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.common.utils import polyak_update
from torch import Tensor, nn
from torch.nn import functional

_LOG_STD = (-5.0, 2.0)  # of a policy of reals, as in the authors' code


def expectile_loss(errors: Tensor, expectile: float) -> Tensor:
    """mean |expectile - 1(error < 0)| error^2, of errors of any shape (Kostrikov et al. 2022, equation 5).

    Its minimum over a constant is the expectile of what the errors are of: .5 their mean, towards 1 their maximum.

    >>> expectile_loss(torch.tensor([1.0, -1.0]), 0.9).item()
    0.5
    """
    return (torch.where(errors < 0, 1 - expectile, expectile) * errors.square()).mean()


class IQLPolicy(BasePolicy):
    """A policy, a value, and two critics with their targets, on vectors of observations.

    Critics read an action as numbers: a real one as it is, a category one-hot. Where observations hold images, all
    networks read features of one extractor, which learns from the critics alone (as in Yarats et al. 2022,
    arXiv:2107.09645), and the targets those of a second one, which follows it.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        net_arch: list[int],
        activation_fn: type[nn.Module] = nn.ReLU,
        features_extractor_class: type[BaseFeaturesExtractor] = FlattenExtractor,
        features_extractor_kwargs: dict[str, Any] | None = None,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        real = isinstance(action_space, spaces.Box)
        super().__init__(
            observation_space,
            action_space,
            features_extractor_class,
            features_extractor_kwargs,
            optimizer_kwargs=optimizer_kwargs,
            squash_output=real,
        )
        assert observation_space.shape is not None
        inputs, self.sees = observation_space.shape[0], features_extractor_class is not FlattenExtractor
        if self.sees:
            self.features_extractor = self.make_features_extractor()
            self.target_extractor = self.make_features_extractor().requires_grad_(False)
            self.target_extractor.load_state_dict(self.features_extractor.state_dict())
            inputs = self.features_extractor.features_dim
        self.real = real
        size = action_space.shape[0] if isinstance(action_space, spaces.Box) else int(action_space.n)  # type: ignore[attr-defined]

        def network(read: int, outputs: int, squash: bool = False) -> nn.Sequential:
            return nn.Sequential(*create_mlp(read, outputs, net_arch, activation_fn, squash_output=squash))

        self.size = size
        self.actor = network(inputs, size, squash=self.real)
        self.log_std = nn.Parameter(torch.zeros(size), requires_grad=self.real)
        self.value = network(inputs, 1)
        self.critics = nn.ModuleList(network(inputs + size, 1) for _ in range(2))
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)

        def optimizer(*parameters: Any) -> torch.optim.Optimizer:
            return optimizer_class(list(parameters), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

        self.actor_optimizer = optimizer(*self.actor.parameters(), *([self.log_std] if self.real else []))
        self.value_optimizer = optimizer(*self.value.parameters())
        reading = self.features_extractor.parameters() if self.sees else ()
        self.critic_optimizer = optimizer(*self.critics.parameters(), *reading)

    def seen(self, observations: Tensor, *, by_targets: bool = False) -> Tensor:
        """What the networks read of observations (B, obs): vectors as they are, features of images."""
        if not self.sees:
            return observations
        return self.extract_features(observations, self.target_extractor if by_targets else self.features_extractor)

    def read(self, actions: Tensor) -> Tensor:
        """Logged actions (B, A), reals in [-1, 1], or (B, 1) categories -> (B, size) as critics read them."""
        return actions if self.real else functional.one_hot(actions[:, 0].long(), self.size).float()

    def worth(self, critics: nn.ModuleList, seen: Tensor, actions: Tensor) -> Tensor:
        """Of what is `seen` (B, ...) and actions as critics read them (B, size), by each critic: (B, 2)."""
        both = torch.cat([seen, actions], dim=1)
        return torch.cat([critic(both) for critic in critics], dim=1)

    def log_probability(self, seen: Tensor, actions: Tensor) -> Tensor:
        """Of actions as critics read them, under the policy: (B,)."""
        found: Tensor = self.actor(seen)
        if not self.real:
            return (functional.log_softmax(found, dim=1) * actions).sum(dim=1)
        log_std = self.log_std.clamp(*_LOG_STD)
        return torch.distributions.Normal(found, log_std.exp()).log_prob(actions).sum(dim=1)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        assert isinstance(observation, Tensor)
        found: Tensor = self.actor(self.seen(observation))
        return found if self.real else found.argmax(dim=1)


class IQL(OffPolicyAlgorithm):
    """Implicit Q-learning (Kostrikov et al. 2022, arXiv:2110.06169).

    The value is an expectile of what the logged actions are worth, the critics learn from it, and the policy imitates
    the log with weights min(exp(temperature (Q - V)), most_weight): no action that the log lacks is ever judged.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": IQLPolicy, "CnnPolicy": IQLPolicy}
    policy: IQLPolicy

    def __init__(
        self,
        policy: str,
        env: Any,
        learning_rate: float | Schedule = 3e-4,
        expectile: float = 0.7,
        temperature: float = 3.0,
        most_weight: float = 100.0,
        **kwargs: Any,
    ) -> None:
        self.expectile, self.temperature, self.most_weight = expectile, temperature, most_weight
        super().__init__(
            policy,
            env,
            learning_rate,
            **kwargs,
            sde_support=False,
            supported_action_spaces=(spaces.Box, spaces.Discrete),
        )
        self._setup_model()

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """See `stable_baselines3.TD3`."""
        assert self.replay_buffer is not None
        policy = self.policy
        policy.set_training_mode(True)
        self._update_learning_rate([policy.actor_optimizer, policy.value_optimizer, policy.critic_optimizer])
        for _ in range(gradient_steps):
            batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            observations, actions = batch.observations, policy.read(batch.actions)
            assert isinstance(observations, Tensor)
            assert isinstance(batch.next_observations, Tensor)
            with torch.no_grad():
                shown = policy.seen(observations, by_targets=True)
                worth = policy.worth(policy.targets, shown, actions).amin(dim=1)  # (B,)
                following = policy.value(policy.seen(batch.next_observations))  # (B, 1)
                targets = batch.rewards + (1 - batch.dones) * self.gamma * following
            seen = policy.seen(observations)
            values = policy.value(seen.detach())[:, 0]
            advantages = worth - values
            value_loss = expectile_loss(advantages, self.expectile)
            self._descend(policy.value_optimizer, value_loss)
            weights = (self.temperature * advantages.detach()).exp().clamp(max=self.most_weight)
            actor_loss = -(weights * policy.log_probability(seen.detach(), actions)).mean()
            self._descend(policy.actor_optimizer, actor_loss)
            judged = policy.worth(policy.critics, seen, actions)
            critic_loss = functional.mse_loss(judged, targets.expand_as(judged))
            self._descend(policy.critic_optimizer, critic_loss)
            polyak_update(policy.critics.parameters(), policy.targets.parameters(), self.tau)
            if policy.sees:
                polyak_update(policy.features_extractor.parameters(), policy.target_extractor.parameters(), self.tau)
            self._n_updates += 1
            found = {
                "critic_loss": critic_loss,
                "value_loss": value_loss,
                "imitation_loss": actor_loss,
                "value": values.mean(),
            }
            for name, value in found.items():
                self.logger.record_mean(f"train/{name}", value.item())

    @staticmethod
    def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        optimizers = [f"policy.{name}_optimizer" for name in ("actor", "value", "critic")]
        return ["policy", *optimizers], []
