"""What training took apart from what measuring took, and whether the seconds can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlformer.evaluator.judge.estimates import spread
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.values import Spread

SHARED = "made while other runs shared the machine"
PARTS: Mapping[str, str] = {  # by their key, in the words of a table
    "learning": "Training time",
    "learning_cpu": "CPU of training",
    "evaluation": "Evaluation",
    "evaluation_cpu": "CPU of evaluation",
}


def of(arm: ArmEvidence) -> Mapping[str, Spread | None]:
    """Seconds over the runs of an arm, by the keys of `PARTS`, and "upstream_cpu"; None where a run does not know."""
    runs = arm.counted
    told: Mapping[str, Sequence[float | None]] = {
        "learning": [run.learning_seconds or None for run in runs],
        "learning_cpu": [run.learning_cpu or None for run in runs],
        "evaluation": [run.times.get("evaluation") for run in runs],
        "evaluation_cpu": [run.times.get("evaluation_cpu") for run in runs],
        "upstream_cpu": [run.cost.upstream_cpu_seconds if run.cost.logged_steps else None for run in runs],
    }
    return {key: spread(values) for key, values in told.items()}


def shared(arm: ArmEvidence) -> bool:
    """Whether some of its runs were made while others ran beside them, so that their seconds say less."""
    return any((run.side_by_side or 1) > 1 for run in arm.counted)
