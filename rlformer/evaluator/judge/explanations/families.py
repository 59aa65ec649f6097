"""Whether the decisions of online RL or of sequence models can be explained better here, measure by measure."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.arms import Arm
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.explanations.arms import explained_arm, mean
from rlformer.evaluator.judge.explanations.evidence import CENSORED, ExplainedArm, Families, FamilyRow, Measured
from rlformer.evaluator.judge.load import Run
from rlformer.evaluator.judge.standing import candidate_of
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.explainers import SHARED
from rlformer.runs.spec import ONLINE, SEQUENCE, Family

ALPHA = 0.05  # of all measures together, once for differences and once for equivalences
ALIKE, UNDECIDED = "alike", "undecided"
UNDEFINED, ONE_SEED, NO_SPREAD = "undefined for one of them", "one seed cannot tell", "the same on every seed"
_SAME = 1e-9  # relative spread below which seeds do not differ
_BEYOND = math.log2(2 * CENSORED)  # where the largest tree does not suffice
Better = Literal["+", "-"]
Values = Sequence[float]  # of an arm's seeds
Runs = Mapping[str, tuple[Arm, Sequence[Run]]]  # by label: an arm, and its runs that were explained


@dataclass(frozen=True)
class Measure:
    """What families are compared by."""

    label: str
    better: Better  # more, or less
    margin: float  # declared before anything is measured: a smaller difference of means does not matter
    take: Callable[[ExplainedArm], Values]
    limit: float = math.inf  # a value there is only known to be that or more


def families(runs: Runs, evidence: Evidence, terms: Terms) -> Families | str:
    """The arms that the verdict weighs for online RL and for sequence models, on the seeds that it judges them by.

    evidence: with all arms. Or why they are not compared.

    Differences are online minus sequence. A difference is claimed where Welch's test says so, equality where two
    one-sided tests (Schuirmann 1987) put it within the measure's margin; the p-values of both are Holm-adjusted over
    all named measures, those that cannot be tested included. Explainers are compared by one that both have: the best of
    each would be the luckiest.
    """
    found = []
    sides: tuple[tuple[Family, str], ...] = ((ONLINE, "online agent"), (SEQUENCE, "sequence model"))
    for family, name in sides:
        arm = _stands(runs, evidence, family, terms)
        if arm is None:
            return f"no {name} learned here, so there is nothing to compare"
        if isinstance(arm, str):
            return arm
        found.append(arm)
    a, b = found
    rows = compared([(measure, measure.take(a), measure.take(b)) for measure in MEASURES])
    return Families(a.label, b.label, min(len(a.seeds), len(b.seeds)), rows)


def _stands(runs: Runs, evidence: Evidence, family: Family, terms: Terms) -> ExplainedArm | str | None:
    """The verdict's candidate over its judging seeds; None without one, or why it cannot be compared."""
    chosen = candidate_of(evidence, family, terms)
    if chosen is None:
        return None
    arm, explained = runs[chosen.arm.label]
    own = [run for run in explained if run.record.seed in chosen.seeds]
    if not own:
        return f"{arm.label}, which the verdict weighs, was not explained: rlformer explain RUN"
    return explained_arm(arm, own)


def _of_shared(take: Callable[[ExplainedArm], Measured | None]) -> Callable[[ExplainedArm], Values]:
    """Of the explainer that every policy has, where the arm has it."""

    def values(arm: ExplainedArm) -> Values:
        measured = take(arm) if SHARED.name in arm.explainers else None
        return () if measured is None else measured.values

    return values


def _leaves(arm: ExplainedArm) -> Values:
    if arm.l90.reason:
        return ()
    return [_BEYOND if v is None else float(np.log2(v)) for v in arm.l90.values]


MEASURES = (
    Measure("Reliance", "+", 0.05, lambda arm: () if arm.own is None else arm.own.reliances),
    Measure(f"skill of {SHARED.name}", "+", 0.1, _of_shared(lambda arm: arm.explainers[SHARED.name].skill)),
    Measure(
        f"comprehensiveness of {SHARED.name}",
        "+",
        0.05,
        _of_shared(lambda arm: arm.explainers[SHARED.name].comprehensiveness),
    ),
    Measure(
        f"sufficiency of {SHARED.name}", "-", 0.05, _of_shared(lambda arm: arm.explainers[SHARED.name].sufficiency)
    ),
    Measure(
        f"agreement of {SHARED.name} with the total effects",
        "+",
        0.2,
        _of_shared(lambda arm: arm.explainers[SHARED.name].agreement),
    ),
    Measure(f"sensitivity of {SHARED.name}", "-", 0.1, _of_shared(lambda arm: arm.explainers[SHARED.name].sensitivity)),
    Measure("L90 (doublings of leaves; above 256 as 512)", "-", 1.0, _leaves, _BEYOND),
)


def compared(measures: Sequence[tuple[Measure, Values, Values]]) -> tuple[FamilyRow, ...]:
    """A row for each measure with the seeds' values of both arms."""
    rows = [_row(*measure) for measure in measures]
    different = statistics.holm([1.0 if row.p is None else row.p for row in rows])
    alike = statistics.holm([1.0 if row.p_alike is None else row.p_alike for row in rows])
    return tuple(_said(row, float(p), float(q)) for row, p, q in zip(rows, different, alike, strict=True))


def _row(measure: Measure, a: Values, b: Values) -> FamilyRow:
    """Means over seeds and their difference, with Welch's interval and both p-values, not yet adjusted."""
    means = (mean(a) if len(a) else None, mean(b) if len(b) else None)
    row = FamilyRow(measure.label, measure.better, measure.margin, *means, None, None, None, UNDEFINED)
    if not len(a) or not len(b):
        return row
    point = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < 2:
        return replace(row, difference=Estimate(None, point, None), says=ONE_SEED)
    largest = max(map(abs, (*a, *b)))
    if max(np.ptp(a), np.ptp(b)) <= _SAME * largest:  # then a width of zero would be no knowledge, but luck
        orders = math.comb(len(a) + len(b), len(a))
        p = 1.0 if abs(point) <= _SAME * largest else min(1.0, 2 / orders)  # Fisher's permutation test
        return replace(row, difference=Estimate(None, point, None), p=p, p_alike=1.0, says=NO_SPREAD)
    from scipy import stats

    with warnings.catch_warnings():  # of one sample whose values are all but equal, beside one whose are not
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval(0.95)
    ends = Estimate(float(interval.low), point, float(interval.high))
    censored = max(*a, *b) >= measure.limit  # how far apart they are beyond it is not known: they may not be alike
    within = 1.0 if censored else statistics.equivalence_test(a, b, measure.margin).pvalue
    return replace(row, difference=ends, p=float(test.pvalue), p_alike=float(within), says=UNDECIDED)


def _said(row: FamilyRow, p: float, p_alike: float) -> FamilyRow:
    """With its adjusted p-values: that both are alike, which arm is explained better, or that it is undecided."""
    if row.p is None or row.difference is None:
        return row
    says = row.says
    if p_alike <= ALPHA:  # where both are sure, the difference is one that does not matter
        says = ALIKE
    elif p <= ALPHA:
        says = "a" if (row.difference.point > 0) == (row.better == "+") else "b"
    return replace(row, p=p, p_alike=p_alike, says=says)
