"""Operations of a run of a trajectory model, from the hyperparameters of its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives import OBJECTIVES
from rlformer.agents.sequence.work import acting
from rlformer.core.spaces import Spaces
from rlformer.runs.record import RunRecord


def of_run(values: Mapping[str, Any], spaces: Spaces, record: RunRecord) -> dict[str, float]:
    """See `agents.flops.of_run`. Whole windows are computed, padding too, so that gradient steps count."""
    architecture = Architecture.of(values, spaces, longest=1)
    counts = {"action": acting(architecture).forward}
    gradient_steps = record.progress.get("done")
    if gradient_steps is not None:
        work = OBJECTIVES[values.get("objective", "imitation")].work(architecture)
        in_all = work * values["batch_size"] + architecture.kind.shared(architecture)
        counts["training"] = gradient_steps * in_all.training
    return counts
