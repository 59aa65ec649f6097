"""A run of adversarial imitation: an online training that is given an expert's steps, and no reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from rlformer.agents.adversarial.algorithm import ALGORITHMS
from rlformer.agents.adversarial.train import GAIL, Expert
from rlformer.agents.base import RunLog, Task
from rlformer.agents.online import training
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.sequence.actions import ActionCodec
from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.data import scales
from rlformer.data.dataset import Dataset
from rlformer.data.windows import observation_rows, step_rows


class Training(training.Training):
    """See `online.training.Training`."""

    algorithms: Mapping[str, Algorithm] = ALGORITHMS

    def __init__(self, task: Task, log: RunLog) -> None:
        assert task.dataset is not None
        chosen = expert_of(task.dataset, task.hyperparameters["expert_episodes"], task.seed)
        if len(chosen) == 1:
            log.note(
                f"the expert's log has only one episode of {chosen.num_steps} steps: the policy cannot learn what the "
                "expert does after another start"
            )
        super().__init__(replace(task, dataset=chosen), log)

    def _build(self, environments: VecEnv, seed: int) -> BaseAlgorithm:
        unrewarded = Unrewarded(environments)
        model = super()._build(unrewarded, seed)
        assert isinstance(model, GAIL)
        assert self._task.dataset is not None
        model.imitate(_expert(self._task.dataset), unrewarded.terminated)
        return model


class Unrewarded(VecEnvWrapper):
    """Environments whose rewards nobody hears of: they are 0. Which episodes terminate is remembered."""

    def __init__(self, environments: VecEnv) -> None:
        super().__init__(environments)
        self._ends: list[Array] = []

    def terminated(self) -> Array:
        """Whether each step since the last call was the end of an episode that was not cut off, (steps, N) bool."""
        found = np.stack(self._ends)
        self._ends.clear()
        return found

    def reset(self) -> Any:
        """See `stable_baselines3.common.vec_env.VecEnv`."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """See `stable_baselines3.common.vec_env.VecEnv`."""
        observations, rewards, dones, infos = self.venv.step_wait()
        cut = [bool(info.get("TimeLimit.truncated")) for info in infos]
        self._ends.append(dones & ~np.array(cut))
        return observations, np.zeros_like(rewards), dones, infos


def expert_of(dataset: Dataset, episodes: int, seed: int) -> Dataset:
    """So many episodes of the log, drawn at random, since a return must not choose them; 0: all.

    Raises InputError where the log has fewer.
    """
    if not len(dataset):
        raise InputError("the expert's log holds no episode")
    if episodes > len(dataset):
        raise InputError(f"expert_episodes: {episodes}, and the log has {len(dataset)}; 0 takes all of them")
    if episodes in (0, len(dataset)):
        return dataset
    order = seeding.generator(seed, "expert").permutation(len(dataset))
    return dataset.select(np.sort(order[:episodes]), f"{episodes} episodes drawn at random")


def _expert(dataset: Dataset) -> Expert:
    spec = dataset.info.actions
    limits = scales.action_range(dataset) if spec.kind == "box" else None
    return Expert(
        dataset.observations[observation_rows(dataset)],
        dataset.actions[step_rows(dataset)],
        int(dataset.episodes["terminated"][dataset.index].sum()),
        ActionCodec(spec, log_range=limits),
    )
