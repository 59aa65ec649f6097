"""Reinforcement learning on a log, without interaction: CQL and TD3+BC, with the values of agents/*.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlformer.agents.base import RunLog, Task
from rlformer.agents.online import sb3
from rlformer.agents.online.sb3_learner import SB3Learner
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.data.dataset import Dataset
from rlformer.envs.make import spaces_of

# Which action space each algorithm acts in.
ALGORITHMS: Mapping[str, frozenset[str]] = {"CQL": frozenset({"discrete"}), "TD3-BC": frozenset({"box"})}
_LOWEST = {"evaluate_every": 0}


class OfflineLearner(SB3Learner):
    """Maximises returns from the transitions of a log; the environment is not needed. See `agents.base.Learner`."""

    def __init__(self) -> None:
        super().__init__()
        self._spaces: dict[str, Any] = {}

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`. Where the environment is not here, the log tells the actions: see `fit`."""
        sb3.check(hyperparameters, ALGORITHMS, _LOWEST)
        try:
            actions = spaces_of(env).actions
        except InputError:
            return
        _check_actions(hyperparameters, actions, env.name)

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`. Raises InputError where a value or the log's actions do not fit."""
        assert isinstance(task.dataset, Dataset)
        info = task.dataset.info
        sb3.check(task.hyperparameters, ALGORITHMS, _LOWEST)
        _check_actions(task.hyperparameters, info.actions, task.env.name if task.env else info.env or "the log")
        from rlformer.agents.offline.offline_training import Training

        training = Training(task, log)
        log.spent(training.cost)
        self._model = training.model
        self._spaces = {"observation_shape": list(info.observation_shape), "actions": info.actions.to_dict()}
        return training.run()

    def save(self, directory: Path) -> None:
        """Write what it takes to act: model.safetensors, model.json."""
        self._write(directory, self._spaces)

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> OfflineLearner:
        """The inverse of `save`. Raises InputError where the files are damaged or of other shapes."""
        from rlformer.agents.offline import offline_training

        learner, described = cls(), files.read_json(directory / "model.json")
        learner._spaces = {key: described[key] for key in ("observation_shape", "actions")}
        shape, actions = tuple(described["observation_shape"]), ActionSpec.from_dict(described["actions"])
        learner._model = offline_training.build(hyperparameters, shape, actions, buffer_size=1, seed=0)
        learner._read(directory)
        return learner


def _check_actions(values: Mapping[str, Any], actions: ActionSpec, where: str) -> None:
    sb3.check_fit(values["algorithm"], ALGORITHMS, actions, where, ("offline", "sequence"))
