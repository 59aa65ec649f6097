"""The learners on stable-baselines3's networks: what all of them do once they are trained, and those that interact."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer.agents.base import Learner, LearnerKind, RunLog, Task
from rlformer.agents.online import ONLINE
from rlformer.agents.online.algorithms import ALGORITHMS
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.checks import check_fit, check_images, check_memory, check_values
from rlformer.agents.online.images import as_read
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import Cost, EnvSpec
from rlformer.envs.make import spaces_of
from rlformer.envs.masks import check_said
from rlformer.envs.native import NativeSpaces, Translator, native_spaces

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from rlformer.agents.online.training import Training


class SB3Learner(Learner):
    """Holds a trained model; how it was trained is the subclass's."""

    scales: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self._algorithm: Algorithm | None = None
        self._model: BaseAlgorithm | None = None

    @property
    def algorithm(self) -> Algorithm:
        """What the model is one of."""
        assert self._algorithm is not None, "fit or load first"
        return self._algorithm

    @property
    def model(self) -> BaseAlgorithm:
        """The algorithm of stable-baselines3, for what this project does not do with it."""
        assert self._model is not None, "fit or load first"
        return self._model

    def policy(self, sample: bool = False) -> Policy:
        """See `agents.base.Learner`."""
        from rlformer.agents.online.policy import policy_of

        return policy_of(self.algorithm, self.model, sample)

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients changed: target networks follow without any. Without gradients, all of the policy."""
        from rlformer.agents.online import state

        if not self.algorithm.optimizer:
            return sum(p.numel() for p in self.model.policy.parameters())
        groups = [g for o in state.optimizers(self.model).values() for g in o.param_groups]
        return sum({id(p): p.numel() for group in groups for p in group["params"]}.values())

    def _write(self, directory: Path, described: Mapping[str, Any]) -> None:
        """What it takes to act: see `state.write_acting`."""
        from rlformer.agents.online import state

        state.write_acting(directory, self.algorithm, self.model, described)

    @staticmethod
    def _described(directory: Path, algorithm: Algorithm) -> Mapping[str, Any]:
        """What model.json says. Raises InputError where it is of another algorithm."""
        described: dict[str, Any] = files.read_json(directory / "model.json")
        if described.get("algorithm") != algorithm.name:
            raise InputError(f"{directory}: holds a {described.get('algorithm')}, not a {algorithm.name}")
        return described

    def _read(self, directory: Path) -> None:
        """The weights into an untrained model. Raises InputError where they are damaged or another model's."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        from rlformer.agents.online import state

        try:
            state.restore_acting(self.model, load_file(directory / "model.safetensors"))
        except (OSError, SafetensorError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise InputError(f"{directory}: the weights cannot be read: {' '.join(str(error).split())}") from error


class OnlineLearner(SB3Learner):
    """Trains by interaction. The policy is the last one: choosing by rollouts would cost environment steps.

    See `agents.base.Learner`.
    """

    kind: LearnerKind = ONLINE  # whose class this is
    algorithms: Mapping[str, Algorithm] = ALGORITHMS  # that a card of it may name

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`."""
        algorithm = check_values(hyperparameters, cls.algorithms)
        spaces = spaces_of(env)
        check_fit(algorithm, spaces.actions, env.name, cls.kind)
        check_images(algorithm, spaces.observation, env.name, cls.kind)
        check_memory(algorithm, hyperparameters, spaces)
        if algorithm.masked:
            check_said(env)

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`. Raises InputError where a value or the environment's actions do not fit."""
        assert task.env is not None
        self.check(task.env, task.hyperparameters)
        training = self._training(task, log)
        self._algorithm, self._model = training.algorithm, training.model
        return training.run()

    def _training(self, task: Task, log: RunLog) -> Training:
        """The run of the task, which may continue."""
        from rlformer.agents.online.training import Training

        return Training(task, log)

    def save(self, directory: Path) -> None:
        """Write what it takes to act, without the state of the optimisers: model.safetensors, model.json."""
        self._write(directory, {})

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> OnlineLearner:
        """The inverse of `save`. Raises InputError where the files are damaged or of another algorithm.

        The environment is made only where its spaces do not stand beside the weights (`envs.native`).
        """
        from stable_baselines3.common.vec_env import DummyVecEnv

        from rlformer.agents.online.build import SpacesOnly, build

        assert env is not None
        algorithm = cls.algorithms[hyperparameters["algorithm"]]
        cls._described(directory, algorithm)
        learner, values = cls(), dict(hyperparameters)
        if "buffer_size" in values:
            values["buffer_size"] = 1  # nothing is learned here
        translator = Translator(NativeSpaces.load(directory) or native_spaces(env))
        seen = translator.native.canonical.observation
        own = as_read(translator.canonical_observation_space, seen), translator.canonical_action_space
        environments = DummyVecEnv([lambda: SpacesOnly(*own) for _ in range(values["num_envs"])])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the training noted them
            learner._algorithm, learner._model = algorithm, build(algorithm, values, environments, 0, seen)
        learner._read(directory)
        return learner
