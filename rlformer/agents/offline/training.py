"""A run of offline RL: a log in a replay buffer, gradient steps, a curve, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv

from rlformer.agents import loop
from rlformer.agents.base import RunLog, Task
from rlformer.agents.loop import DivergedError, Pace
from rlformer.agents.offline.algorithms import ALGORITHMS
from rlformer.agents.offline.steps import gradient_steps
from rlformer.agents.online import state as states
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.build import SpacesOnly
from rlformer.agents.online.build import build as build_model
from rlformer.agents.online.images import as_read
from rlformer.agents.online.policy import policy_of
from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.machine import check_fits
from rlformer.core.records import Cost
from rlformer.core.spaces import Spaces
from rlformer.data import scales
from rlformer.data.dataset import Dataset
from rlformer.data.transitions import Transitions, transitions
from rlformer.envs.spaces import action_space
from rlformer.runs import checkpoints

_CURVE_POINTS = 200  # of losses


def build(algorithm: Algorithm, values: Mapping[str, Any], task: Spaces, buffer_size: int, seed: int) -> Any:
    """The model that a card's values describe, untrained, with an empty buffer.

    Raises InputError where they do not fit.
    """
    own = {key: value for key, value in values.items() if key != "gradient_steps"}  # the run's, not an update's
    own |= {"normalize_rewards": False, "buffer_size": buffer_size}
    seen = task.observation
    observation: spaces.Box = spaces.Box(-np.inf, np.inf, seen.shape, np.float32)
    if seen.has_images and seen.dtype == np.uint8:
        observation = as_read(spaces.Box(0, 255, seen.shape, np.uint8), seen)
    elif seen.has_images:
        observation = as_read(observation, seen)
    environments = DummyVecEnv([lambda: SpacesOnly(observation, action_space(task.actions))])
    return build_model(algorithm, own, environments, seed, seen)


def fill(model: OffPolicyAlgorithm, log: Transitions) -> None:
    """Put all of the log into the model's buffer, which has a row for each transition."""
    buffer = model.replay_buffer
    assert buffer is not None
    actions = log.actions if log.actions.ndim > 1 else log.actions[:, None]
    shape = buffer.observations[:, 0].shape
    buffer.observations[:, 0] = log.observations.reshape(shape)
    buffer.next_observations[:, 0] = log.next_observations.reshape(shape)
    buffer.actions[:, 0] = model.policy.scale_action(actions) if isinstance(model.action_space, spaces.Box) else actions
    buffer.rewards[:, 0], buffer.dones[:, 0] = log.rewards, log.ended
    buffer.timeouts[:, 0] = log.ended & ~log.terminated  # bootstrapped, though an episode ended
    buffer.full = True


def _check_memory(algorithm: Algorithm, log: Dataset) -> None:
    """Raise InputError where what is seen before and after each step does not fit, as read and in the buffer."""
    seen, count = log.info.spaces.observation, log.num_steps
    each = seen.dtype.itemsize + (1 if seen.has_images and seen.dtype == np.uint8 else 4)
    check_fits(f"{algorithm.name} on a log of {count:,} steps of {seen.describe()}", 2 * count * seen.size * each)


class Training:
    """One run of `task`, continued from the checkpoint in `log.directory` if there is one: see `agents.loop.Training`.

    A step is a gradient step.

    The policy is the last one: the loss of temporal differences does not tell a good policy from a bad one, so
    that nothing is held out and nothing stops early.
    """

    def __init__(self, task: Task, log: RunLog) -> None:
        torch.set_num_threads(task.threads)
        self._task, self._log, self._values = task, log, task.hyperparameters
        self.algorithm = ALGORITHMS[self._values["algorithm"]]
        assert task.dataset is not None
        self._dataset: Dataset = task.dataset
        self._total = gradient_steps(self._values, self._dataset.cost.logged_steps)
        if self._total > (given := self._values["gradient_steps"]):
            steps, up_to = self._dataset.cost.logged_steps, self._values["log_steps"]
            log.note(
                f"{self._total:,} gradient steps instead of {given:,}, which are for a log of {up_to:,} steps: this "
                f"one has {steps:,}; log_steps=0 leaves them as they are"
            )
        self._directory = log.directory / "checkpoints" / "last"
        info = self._dataset.info
        # Bounds far beyond what the log holds would set the scale of the policy's last layer.
        actions = info.actions
        if actions.kind == "box":
            actions = actions.within(*scales.action_range(self._dataset))
        self.spaces = replace(info.spaces, actions=actions)
        self.model = self._prepare()
        loop.resume(self, log)

    @property
    def step(self) -> int:
        """Gradient steps made."""
        return int(self.model._n_updates)

    @property
    def cost(self) -> Cost:
        """So far."""
        return replace(self._dataset.cost, samples_seen=self.step * self._values["batch_size"])

    def run(self) -> Cost:
        """Train to the end. Raises Interrupted, with everything on disk, when the log asks to stop.

        Raises DivergedError when a loss is not finite.
        """
        self._policy = policy_of(self.algorithm, self.model)
        pace = Pace(
            total=self._total,
            log_every=max(1, self._total // _CURVE_POINTS),
            evaluate=self._task.evaluate is not None,
        )
        loop.run(self, pace, self._log)
        return self.cost

    def ended(self) -> bool:
        """Whether all steps were made."""
        return self.step >= self._total

    def advance(self) -> None:
        """One gradient step."""
        self.model._current_progress_remaining = 1.0 - self.step / self._total  # of learning-rate schedules
        self.model.train(1, self._values["batch_size"])

    def scalars(self) -> Mapping[str, float]:
        """Means of the losses since the last call. Raises DivergedError where one is not finite."""
        values = {name: float(value) for name, value in self.model.logger.name_to_value.items()}
        self.model.logger.dump(self.step)  # nothing is printed; the values are cleared
        if not all(math.isfinite(value) for value in values.values()):
            raise DivergedError(
                f"a loss is not finite at gradient step {self.step} ({values}); a lower learning_rate usually mends it"
            )
        return values

    def validate(self) -> Mapping[str, float]:
        """Nothing is held out."""
        return {}

    def evaluate(self, step: int) -> Mapping[str, float]:
        """Points of curves, of episodes in the environment."""
        assert self._task.evaluate is not None, "the pace asks for none"
        return self._task.evaluate(self._policy, step)

    def note(self) -> str:
        """Nothing stands beside the progress."""
        return ""

    def save(self) -> None:
        """Write the checkpoint."""
        arrays, state = states.capture(self.algorithm, self.model, replay=False)  # the log is the buffer
        checkpoints.save(self._directory, arrays, state)
        self._log.spent(self.cost)

    def restore(self) -> str | None:
        """Continue from the checkpoint, if there is one; a warning where one was damaged."""
        found = checkpoints.load(self._directory)
        if found is None:
            return None
        arrays, state, warning = found
        if state:
            states.restore(self.algorithm, self.model, arrays, state)
        return warning

    def _prepare(self) -> Any:
        """The model of this run with the log in its buffer, as it is before the first step."""
        _check_memory(self.algorithm, self._dataset)
        steps = transitions(self._dataset)
        if steps.left_out:
            self._log.note(
                f"the log lacks final observations: what the last step of {steps.left_out} episodes that were cut off "
                "led to is unknown, so those steps are left out"
            )
        if not len(steps):
            raise InputError("the log has no transition to learn from: each episode is one step, cut off behind it")
        seed = seeding.derive(self._task.seed, "training")
        model = build(self.algorithm, self._values, self.spaces, len(steps), seed)
        model.set_logger(Logger(None, []))
        fill(model, steps)
        normalize = model.get_vec_normalize_env()
        if normalize is not None and normalize.norm_obs:
            measured = scales.measure(self._dataset, return_scale=1.0)
            normalize.obs_rms.mean, normalize.obs_rms.var = measured.observation_mean, measured.observation_std**2
            normalize.obs_rms.count = float(len(steps))
        return model
