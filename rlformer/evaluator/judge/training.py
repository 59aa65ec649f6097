"""Whether an arm was trained as long as it should have been: only marked, no verdict follows from it."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, Rising, SawLess
from rlformer.evaluator.judge.objections import (
    CutShortArms,
    Doubt,
    RisingArm,
    ShortArm,
    StillRising,
    UndertrainedArm,
    UndertrainedArms,
)
from rlformer.evaluator.judge.prices import scale_of
from rlformer.evaluator.judge.terms import Scale
from rlformer.runs.budget import Paper

RISE = 0.05  # of z, over the last third of a curve: what a smaller rise adds does not matter
SURE = 2.0  # standard errors of the slope by which it rises
_POINTS_OF_A_THIRD, _LEAST_POINTS = 4, 3  # of a run


def marked(evidence: Evidence, papers: dict[str, Paper]) -> Evidence:
    """The evidence with what is told of its arms' training. papers: of those whose card tells, by label."""
    scale = scale_of(evidence)
    arms = [
        arm
        if is_smoke(arm)
        else replace(arm, undertrained=saw_less(arm, papers.get(arm.label)), rising=rising(arm, scale))
        for arm in evidence.arms
    ]
    return replace(evidence, arms=tuple(arms))


def saw_less(arm: ArmEvidence, paper: Paper | None) -> SawLess | None:
    """How often an arm saw its log, where that is seldomer than its paper would."""
    costs = [run.cost for run in arm.counted if run.cost.logged_steps]
    if paper is None or not costs:
        return None
    passes = float(np.mean([cost.samples_seen / cost.logged_steps for cost in costs]))
    return SawLess(passes, paper.passes, paper.source) if 0 < passes < paper.passes else None


def rising(arm: ArmEvidence, scale: Scale | None) -> Rising | None:
    """Whether the curves of an arm still rise at their end.

    The statistic is the slope of a straight line through the last part of every run's curve, one slope for all of them
    and a level for each, by least squares; `rise` is what it adds over that part, as z. It counts from RISE on, and
    where it is more than SURE of its standard errors above 0. The part is the last third of the steps, or their last
    half where evaluations are few, as on a grid that grows by a ratio.
    """
    if scale is None or not arm.learns:
        return None
    xs, ys, runs = [], [], 0
    for run in arm.counted:
        last = _last_part(run.curve.step)
        if last is None:
            continue
        x, y = np.array(run.curve.step[last:]), np.array([scale.z(value) for value in run.curve.return_[last:]])
        x = (x - x[0]) / (x[-1] - x[0])
        xs.append(x - x.mean())
        ys.append(y - y.mean())
        runs += 1
    if not runs:
        return None
    x, y = np.concatenate(xs), np.concatenate(ys)
    slope = float(x @ y / (x @ x))
    freedom = len(x) - runs - 1
    error = float(np.sqrt(((y - slope * x) ** 2).sum() / freedom / (x @ x)))
    if slope < RISE or slope <= SURE * error:
        return None
    return Rising(slope, slope / error if error > 0 else None, len(x))


def _last_part(steps: Sequence[float]) -> int | None:
    """Where the last part of a curve begins; None where it has too few points."""
    if not steps or steps[-1] <= steps[0]:
        return None
    third = bisect.bisect_left(steps, steps[-1] * 2 / 3)
    if len(steps) - third >= _POINTS_OF_A_THIRD:
        return third
    half = bisect.bisect_left(steps, steps[-1] / 2)
    return half if len(steps) - half >= _LEAST_POINTS else None


def within(evidence: Evidence) -> float | None:
    """The minutes that arms were cut short to; None where a time cut none."""
    cuts = [arm.cut_short for arm in evidence.trained if arm.cut_short is not None]
    return max((cut.minutes for cut in cuts if cut.reason == "time" and cut.minutes is not None), default=None)


def is_smoke(arm: ArmEvidence) -> bool:
    """Whether its runs are a smoke test's."""
    return arm.cut_short is not None and arm.cut_short.reason == "smoke"


def cuts(evidence: Evidence) -> Iterator[Doubt]:
    """Arms that were given less than their presets: the first thing to know of a verdict on them."""
    cut = [(arm.label, arm.cut_short) for arm in evidence.arms if arm.learns and arm.cut_short is not None]
    reasons: tuple[Literal["time", "hand"], ...] = ("time", "hand")
    for reason in reasons:
        arms = tuple(ShortArm(label, found) for label, found in cut if found.reason == reason)
        if arms:
            yield CutShortArms(reason, arms)


def lacks(evidence: Evidence) -> Iterator[Doubt]:
    """Arms that more steps might improve."""
    risen = tuple(RisingArm(arm.label, arm.rising) for arm in evidence.arms if arm.rising is not None)
    if risen:
        yield StillRising(risen)
    under = tuple(UndertrainedArm(a.label, a.undertrained) for a in evidence.arms if a.undertrained is not None)
    if under:
        yield UndertrainedArms(under)
