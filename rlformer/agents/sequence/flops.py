"""Operations of a run of a trajectory model, from the hyperparameters of its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives import OBJECTIVES, pretraining, pretraining_steps
from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.work import acting
from rlformer.core.spaces import Spaces
from rlformer.runs.record import RunRecord


def of_run(values: Mapping[str, Any], spaces: Spaces, record: RunRecord) -> dict[str, float]:
    """See `agents.flops.of_run`. Whole windows are computed, padding too, so that gradient steps count."""
    architecture = Architecture.of(values, spaces, longest=1)
    counts = {"action": acting(architecture).forward}
    gradient_steps = record.progress.get("done")
    if gradient_steps is not None:
        shared = architecture.kind.shared(architecture)

        def taken(objective: Objective, steps: int) -> float:
            return steps * (objective.work(architecture) * values["batch_size"] + shared).training

        before = pretraining(values.get("pretraining", "none"), architecture)
        first = min(gradient_steps, pretraining_steps(values))
        counts["training"] = taken(OBJECTIVES[values.get("objective", "imitation")], gradient_steps - first)
        if before is not None:
            counts["training"] += taken(before, first)
    return counts
