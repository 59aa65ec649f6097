"""Which arm is best, and which one stands for its family: answered here alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.runs.spec import Family

if TYPE_CHECKING:
    from rlformer.evaluator.judge.evidence import Evidence


def standing(arm: ArmEvidence) -> tuple[float, float]:
    """What the best of some arms is the largest of: its mean return, and where that ties, fewer environment steps."""
    steps = [spread.mean for spread in (arm.cost.env_steps, arm.cost.upstream_env_steps) if spread is not None]
    return arm.point, -sum(steps)


def best(arms: Iterable[ArmEvidence]) -> ArmEvidence | None:
    """The best of these arms, of those that have a mean return; of equal ones the first."""
    return max((arm for arm in arms if arm.mean_return is not None), key=standing, default=None)


def candidate(evidence: Evidence, family: Family) -> ArmEvidence | None:
    """The arm that stands for a family; see `candidate_of`."""
    return candidate_of(evidence.trained, family)


def candidate_of(arms: Iterable[ArmEvidence], family: Family) -> ArmEvidence | None:
    """Of these arms, which learn: the best of its candidates, of those with two finished runs if there are any.

    One lucky run is no candidate beside an arm that was repeated.
    """
    own = [arm for arm in arms if arm.role == "candidate" and arm.family == family]
    return best([arm for arm in own if len(arm.counted) > 1] or own)
