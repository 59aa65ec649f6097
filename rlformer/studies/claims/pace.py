"""How long a cell takes, about: figures measured on one core of a server with small models, for a forecast alone.

They fit 40 trainings of models of 1,000 to 100,000 parameters within a factor of two.
"""

from __future__ import annotations

from rlformer.agents.learners import learner
from rlformer.runs.spec import RunSpec

CELL = 3.0  # seconds of a process, its log and 100 episodes
EXPLANATION = 6.0
_GRADIENT_STEP, _TOKEN = 1.0e-3, 1.2e-5  # seconds of a gradient step, and of each token that it reads
_ENV_STEP = 4.0e-4  # of an environment and of an online agent's updates behind it, evaluations included


def training(spec: RunSpec) -> float:
    """CPU seconds of a training."""
    values, kind = spec.values, learner(spec.agent.learner)
    if kind.steps_env:
        return _ENV_STEP * kind.steps(values)
    in_step = 3 if values.get("tokens") == "separate" else 1
    read = int(values.get("batch_size", 0)) * int(values.get("context_length", 1)) * in_step
    return kind.steps(values) * (_GRADIENT_STEP + _TOKEN * read)
