"""What is not learned: uniform actions, and the log itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlformer.agents.base import Learner, LearnerKind, RunLog, Task
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import SCHEMA, Cost, EnvSpec
from rlformer.envs.make import spaces_of
from rlformer.envs.rollout import RandomPolicy

RANDOM = LearnerKind(
    name="random",
    implementation="rlformer.agents.reference:RandomLearner",
    needs=frozenset({"env"}),
    curve_unit="gradient_steps",
    flops=lambda values, spaces, record: {"action": 0.0, "training": 0.0},
    ranges=lambda values: {},
    learns=False,
)
BEHAVIOUR = LearnerKind(
    name="behaviour",
    implementation="rlformer.agents.reference:BehaviourLearner",
    needs=frozenset({"log"}),
    curve_unit="gradient_steps",
    flops=lambda values, spaces, record: {"training": 0.0},  # a log does not act
    ranges=lambda values: {},
    learns=False,
    acts=False,
    evaluations=frozenset({"log"}),
)


class RandomLearner(Learner):
    """Uniform actions. See `agents.base.Learner`."""

    num_parameters = 0
    scales: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self._env: EnvSpec | None = None
        self._seed = 0

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`."""

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`."""
        self._env, self._seed = task.env, task.seed
        return Cost()

    def policy(self, sample: bool = False) -> Policy:
        """See `agents.base.Learner`."""
        assert self._env is not None, "fit or load first"
        return RandomPolicy(spaces_of(self._env).actions, self._seed)

    def save(self, directory: Path) -> None:
        """Write random.json: the seed is all there is to know."""
        files.write_json(files.writable_directory(directory) / "random.json", {"schema": SCHEMA, "seed": self._seed})

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> RandomLearner:
        """The inverse of `save`."""
        learner = cls()
        learner._env, learner._seed = env, files.read_json(directory / "random.json")["seed"]
        return learner


class BehaviourLearner(Learner):
    """The log's own episodes, as a rung of the ladder: nothing is learned and nothing can act."""

    num_parameters = 0
    scales: Mapping[str, Any] = {}

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`."""

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`."""
        assert task.dataset is not None
        return task.dataset.cost

    def policy(self, sample: bool = False) -> Policy:
        """Raises InputError: a log cannot act."""
        raise InputError("the behaviour arm is a log, not a policy: it cannot act")

    def save(self, directory: Path) -> None:
        """Nothing to write."""

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> BehaviourLearner:
        """See `agents.base.Learner`."""
        return cls()
