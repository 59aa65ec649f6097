"""Sequence models: they imitate a log, return-conditioned or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.base import LearnerKind
from rlformer.agents.sequence.ranges import RANGES
from rlformer.core.spaces import Spaces
from rlformer.runs.record import RunRecord


def _flops(values: Mapping[str, Any], spaces: Spaces, record: RunRecord) -> dict[str, float]:
    from rlformer.agents.sequence.flops import of_run  # torch, which what only asks what there is can do without

    return of_run(values, spaces, record)


SEQUENCE = LearnerKind(
    name="sequence",
    implementation="rlformer.agents.sequence.learner:SequenceLearner",
    needs=frozenset({"log"}),
    curve_unit="gradient_steps",
    flops=_flops,
    ranges=lambda values: RANGES,
    # Runs from before these keys act greedily, and see vectors alone.
    required=frozenset(RANGES) - {"action_selection", "encoder", "random_shift"},
    gpu=True,
    evaluations=frozenset({"final", "targets", "other"}),
)
