"""Where z begins and ends on an environment, which logs an arm read, and who made them."""

from __future__ import annotations

from rlformer.evaluator.judge.evidence import Evidence, LogFacts
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.terms import GOOD_ENOUGH, MEASURED, Scale
from rlformer.evaluator.judge.values import Estimate


def scale_of(evidence: Evidence, good_enough: float | None = None) -> Scale | None:
    """The card's scale. Without one random play is 0, as measured here, and 1 is what is good enough, a return.

    Without that 1 is the best arm as measured here. None where random play was not measured, or nothing betters it.
    """
    low, high = evidence.card.random_score, evidence.card.reference_score
    if low is not None and high is not None and low != high:
        return Scale(low, high, "the card's random and reference scores")
    random = random_play(evidence)
    others = [arm.point for arm in evidence.trained]
    if random is None or not others:
        return None
    if good_enough is not None:
        return Scale(random, good_enough, GOOD_ENOUGH) if good_enough > random else None
    return Scale(random, max(others), MEASURED) if max(others) > random else None


def random_play(evidence: Evidence) -> float | None:
    """The mean return of what acts and has learned nothing, as measured here."""
    found = [arm.point for arm in evidence.arms if arm.acts and not arm.learns and arm.mean_return is not None]
    return found[0] if found else None


def score_of(evidence: Evidence, arm: ArmEvidence) -> Estimate | None:
    """An arm's normalised score: by the card, or without one on the verdict's scale; None without any."""
    weighed, mean = evidence.verdict.scale if evidence.verdict is not None else None, arm.mean_return
    scale = weighed or scale_of(evidence)
    if arm.normalized_score is not None or scale is None or mean is None:
        return arm.normalized_score
    ends = [None if end is None else scale.z(end) for end in (mean.low, mean.high)]
    return Estimate(ends[0], scale.z(mean.point), ends[1])


def log_of(evidence: Evidence, arm: ArmEvidence) -> list[LogFacts]:
    """The logs that an arm's runs learned from."""
    read = {run.data_hash for run in arm.counted}
    return [log for log in evidence.logs if log.hash in read]


def maker_of(evidence: Evidence, arm: ArmEvidence) -> ArmEvidence | None:
    """The arm of this comparison whose training an arm's logs come from; None where they come from elsewhere."""
    made = {log.maker_hash for log in log_of(evidence, arm)}
    return next((other for other in evidence.arms if made & {run.spec_hash for run in other.runs}), None)


def made_here(evidence: Evidence, arm: ArmEvidence) -> bool:
    """Whether an arm's logs were made for this comparison."""
    logs = log_of(evidence, arm)
    return bool(logs) and all(log.made_here for log in logs)
