"""The operations of a whole run, from its specification, its shapes and its record alone."""

from __future__ import annotations

from rlformer.agents.learners import learner
from rlformer.core.spaces import Spaces
from rlformer.runs.record import RunRecord
from rlformer.runs.spec import RunSpec


def of_run(spec: RunSpec, spaces: Spaces, record: RunRecord) -> dict[str, float]:
    """Operations by what they were for: "training", learning alone, of a run that it went on from
    too; "evaluation", the forward passes of all episodes
    that were played to measure it, while it learned and afterwards; and "action", one of one environment.

    record: its cost and progress say what was done. An action is chosen with a full context. A key is absent where the
    record does not tell.
    """
    found = learner(spec.agent.learner).flops(spec.values, spaces, record)
    if spec.weights is not None and "training" in found:
        if spec.weights.flops is None:  # nobody knows what they took
            del found["training"]
        else:
            found["training"] += spec.weights.flops
    if "action" in found:
        found["evaluation"] = record.cost.evaluation_env_steps * found["action"]
    return found
