"""Learns to act as an expert's log does, by interaction, with the values of agents/gail*.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rlformer.agents.adversarial import ADVERSARIAL
from rlformer.agents.adversarial.algorithm import ALGORITHMS
from rlformer.agents.base import LearnerKind, RunLog, Task
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.learner import OnlineLearner

if TYPE_CHECKING:
    from rlformer.agents.adversarial.training import Training


class AdversarialLearner(OnlineLearner):
    """See `agents.base.Learner`. What is saved is the policy: the discriminator is of no use to it."""

    kind: LearnerKind = ADVERSARIAL
    algorithms: Mapping[str, Algorithm] = ALGORITHMS

    @classmethod
    def check_task(cls, task: Task) -> None:
        """See `agents.base.Learner`."""
        from rlformer.agents.adversarial.training import expert_of

        assert task.dataset is not None
        expert_of(task.dataset, task.hyperparameters["expert_episodes"], task.seed)

    def _training(self, task: Task, log: RunLog) -> Training:
        from rlformer.agents.adversarial.training import Training

        return Training(task, log)
