"""Reinforcement learning on a log, without interaction, with the values of agents/*.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlformer.agents.base import RunLog, Task
from rlformer.agents.offline import OFFLINE
from rlformer.agents.offline.algorithms import ALGORITHMS
from rlformer.agents.online.checks import check_fit, check_images, check_memory, check_values
from rlformer.agents.online.learner import SB3Learner
from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EnvSpec
from rlformer.core.spaces import Spaces
from rlformer.envs.make import spaces_of


class OfflineLearner(SB3Learner):
    """Maximises returns from the transitions of a log; the environment is not needed. See `agents.base.Learner`."""

    def __init__(self) -> None:
        super().__init__()
        self._spaces: Spaces | None = None

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`. Where the environment is not here, the log tells the actions: see `fit`."""
        algorithm = check_values(hyperparameters, ALGORITHMS)
        try:
            spaces = spaces_of(env)
        except InputError:
            return
        check_fit(algorithm, spaces.actions, env.name, OFFLINE)
        check_images(algorithm, spaces.observation, env.name, OFFLINE)
        check_memory(algorithm, hyperparameters, spaces)

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`. Raises InputError where a value or the log's actions do not fit."""
        assert task.dataset is not None
        info = task.dataset.info
        algorithm = check_values(task.hyperparameters, ALGORITHMS)
        where = task.env.name if task.env else info.env or "the log"
        check_fit(algorithm, info.actions, where, OFFLINE)
        check_images(algorithm, info.spaces.observation, where, OFFLINE)
        from rlformer.agents.offline.training import Training

        training = Training(task, log)
        log.spent(training.cost)
        self._algorithm, self._model, self._spaces = algorithm, training.model, training.spaces
        return training.run()

    def save(self, directory: Path) -> None:
        """Write what it takes to act: model.safetensors, model.json."""
        assert self._spaces is not None, "fit or load first"
        self._write(directory, {"spaces": self._spaces.to_dict()})

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> OfflineLearner:
        """The inverse of `save`. Raises InputError where the files are damaged, or of another algorithm or shapes."""
        from rlformer.agents.offline.training import build

        learner, algorithm = cls(), ALGORITHMS[hyperparameters["algorithm"]]
        spaces = Spaces.from_dict(cls._described(directory, algorithm)["spaces"])
        learner._algorithm, learner._spaces = algorithm, spaces
        learner._model = build(algorithm, hyperparameters, spaces, buffer_size=1, seed=0)
        learner._read(directory)
        return learner
