"""Whether the decisions of online RL or of sequence models can be explained better here, measure by measure."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.explanations.arms import mean
from rlformer.evaluator.judge.explanations.evidence import (
    CENSORED,
    ExplainedArm,
    Families,
    FamilyRow,
    Measured,
)
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.standing import candidate_of
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.explainers import SHARED
from rlformer.runs.spec import ONLINE, SEQUENCE, Family

ALPHA = 0.05  # of all measures together in which families are compared
UNDEFINED, ONE_SEED, LEVEL = "undefined for one of them", "one seed cannot tell", "cannot be told apart"
Better = Literal["+", "-"]
Values = Sequence[float]  # of an arm's seeds


def families(arms: Sequence[ExplainedArm], measured: Sequence[ArmEvidence]) -> Families | None:
    """The arms that stand for online RL and for sequence models among the explained ones, by the verdict's own rule.

    Of arms with an explainer that was judged, if a family has any. measured: the evidence of all arms.

    Differences are online minus sequence, with Welch's 95 % interval over the seeds of both; a measure tells them
    apart where its p-value, Holm-adjusted over the measures, is at most .05. Explainers are compared by one that both
    have: the best of each would be the luckiest, and attention models have more to choose from. None where one of the
    two families has no explained candidate.
    """
    a, b = (_stands(arms, measured, family) for family in (ONLINE, SEQUENCE))
    if a is None or b is None:
        return None
    rows = compared([(label, better, take(a), take(b)) for label, better, take in _MEASURES])
    return Families(a.label, b.label, min(len(a.seeds), len(b.seeds)), rows)


def _stands(arms: Sequence[ExplainedArm], measured: Sequence[ArmEvidence], family: Family) -> ExplainedArm | None:
    own = {arm.label: arm for arm in arms if arm.family == family}
    labels = [label for label, arm in own.items() if arm.best is not None] or list(own)
    chosen = candidate_of([arm for arm in measured if arm.label in labels], family)
    return None if chosen is None else own[chosen.arm.label]


def _of_shared(take: Callable[[ExplainedArm], Measured | None]) -> Callable[[ExplainedArm], Values]:
    """Of the explainer that every policy has, where the arm has it."""

    def values(arm: ExplainedArm) -> Values:
        measured = take(arm) if SHARED.name in arm.explainers else None
        return () if measured is None else measured.values

    return values


def _leaves(arm: ExplainedArm) -> Values:
    if arm.l90.reason:
        return ()
    return [float(np.log2(2 * CENSORED if v is None else v)) for v in arm.l90.values]


_MEASURES: tuple[tuple[str, Better, Callable[[ExplainedArm], Values]], ...] = (
    ("Reliance", "+", lambda arm: arm.reliances),
    (f"skill of {SHARED.name}", "+", _of_shared(lambda arm: arm.explainers[SHARED.name].skill)),
    (
        f"comprehensiveness of {SHARED.name}",
        "+",
        _of_shared(lambda arm: arm.explainers[SHARED.name].comprehensiveness),
    ),
    (f"sufficiency of {SHARED.name}", "-", _of_shared(lambda arm: arm.explainers[SHARED.name].sufficiency)),
    (
        f"agreement of {SHARED.name} with the total effects",
        "+",
        _of_shared(lambda arm: arm.explainers[SHARED.name].agreement),
    ),
    (f"sensitivity of {SHARED.name}", "-", _of_shared(lambda arm: arm.explainers[SHARED.name].sensitivity)),
    ("L90 (doublings of leaves; above 256 as 512)", "-", _leaves),
)


def compared(measures: Sequence[tuple[str, Better, Values, Values]]) -> tuple[FamilyRow, ...]:
    """A row for each measure (its name, whether more or less is better, the seeds' values of both arms)."""
    rows = [_row(*measure) for measure in measures]
    tested = [row.p for row in rows if row.p is not None]
    adjusted = iter(statistics.holm(tested) if tested else ())
    return tuple(row if row.p is None else _said(row, float(next(adjusted))) for row in rows)


def _row(label: str, better: Better, a: Values, b: Values) -> FamilyRow:
    """Means over seeds and their difference, with Welch's interval and its p-value, not yet adjusted."""
    row = FamilyRow(label, better, mean(a) if len(a) else None, mean(b) if len(b) else None, None, None, UNDEFINED)
    if not len(a) or not len(b):
        return row
    point = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < 2:
        return replace(row, difference=Estimate(None, point, None), says=ONE_SEED)
    if max(np.ptp(a), np.ptp(b)) <= 1e-9 * max(map(abs, (*a, *b))):  # no spread to test with
        return replace(row, difference=Estimate(point, point, point), p=float(point == 0), says="")
    from scipy import stats

    with warnings.catch_warnings():  # of one sample whose values are all but equal, beside one whose are not
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval(0.95)
    ends = Estimate(float(interval.low), point, float(interval.high))
    return replace(row, difference=ends, p=float(test.pvalue), says="")


def _said(row: FamilyRow, p: float) -> FamilyRow:
    """With its adjusted p-value: which arm is explained better, or that they cannot be told apart."""
    assert row.difference is not None
    ahead = "a" if (row.difference.point > 0) == (row.better == "+") else "b"
    return replace(row, p=p, says=ahead if p <= ALPHA else LEVEL)
