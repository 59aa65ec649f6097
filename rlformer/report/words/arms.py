"""Which arms a sentence or a figure is about."""

from __future__ import annotations

from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence


def trained(environment: Evidence) -> list[ArmEvidence]:
    """The arms that learn."""
    return [arm for arm in environment.arms if arm.learns]
