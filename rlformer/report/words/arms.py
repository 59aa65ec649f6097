"""Which arms a sentence or a figure is about."""

from __future__ import annotations

from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence


def trained(environment: Evidence) -> list[ArmEvidence]:
    """The arms that learn."""
    return [arm for arm in environment.arms if arm.learns]


def judging_seeds(environment: Evidence) -> int:
    """Seeds of the arms that the answer weighs; without one those of the arm that has fewest.

    Arms that were not chosen for their family have only the seeds that chose: they tell nothing of the answer.
    """
    if environment.verdict is not None and environment.verdict.pair is not None:
        return environment.verdict.pair.seeds
    return min((len(arm.seeds) for arm in trained(environment)), default=0)
