"""Two arms weighed against each other by what they score and what they cost: a joint bootstrap over their runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.comparisons import pairs_by_seed, sources
from rlformer.evaluator.judge.estimates import estimate
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.prices import made_here
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import PairFacts, Side

SURE, LEANING = 0.95, 0.75  # probabilities


@dataclass(frozen=True)
class Pair:
    """Two arms weighed against each other: a joint bootstrap over their runs, paired by seed where they share seeds."""

    a: ArmEvidence
    b: ArmEvidence
    terms: Terms
    seeds: int
    difference: statistics.Interval  # z of a minus z of b
    error: float  # its standard error
    costs: tuple[float, float]  # of a success, or plain
    reached: tuple[int, int]  # runs at the threshold
    per_success: bool  # whether costs are those of a success
    not_worse: tuple[float, float]  # probability that a (b) is not worse than the other by more than the margin
    better: tuple[float, float]
    cheaper: tuple[float, float]

    @property
    def arms(self) -> tuple[ArmEvidence, ArmEvidence]:
        """Both."""
        return self.a, self.b

    def chosen(self) -> tuple[int | None, bool]:
        """Which of the two is chosen, and whether beyond the chance of leaning only.

        Not worse and cheaper, or better and not dearer: where costs tie, nothing is given up for the score.
        """
        bounds = (self.difference.low, -self.difference.high)
        not_dearer = [1 - self.cheaper[1 - side] for side in (0, 1)]
        for side in (0, 1):
            if bounds[side] > -self.terms.margin and self.cheaper[side] >= SURE:
                return side, True
        alike = min(bounds) >= -self.terms.margin  # then no difference of scores decides
        better = [0.0 if alike else self.better[side] for side in (0, 1)]
        for side in (0, 1):
            if not alike and bounds[side] > 0 and not_dearer[side] >= SURE:
                return side, True
        likely = [
            max(min(self.not_worse[side], self.cheaper[side]), min(better[side], not_dearer[side])) for side in (0, 1)
        ]
        best = int(likely[1] > likely[0])
        return (best, False) if likely[best] >= LEANING else (None, False)

    def traded(self) -> int | None:
        """Which of the two is better and dearer, both with the certainty of a choice."""
        bounds = (self.difference.low, -self.difference.high)
        for side in (0, 1):
            if bounds[side] > 0 and self.cheaper[1 - side] >= SURE:
                return side
        return None

    def seeds_to_settle(self) -> float:
        """How many seeds would tell, at 80 % power, whether the likelier of the two is not worse."""
        side = int(self.cheaper[1] > self.cheaper[0])
        point = (self.difference.point, -self.difference.point)[side]
        return statistics.seeds_for_power(self.seeds, self.error, abs(point + self.terms.margin))

    def facts(self) -> PairFacts:
        """The numbers, without the arms."""
        needed = self.seeds_to_settle()
        return PairFacts(
            a=self._side(0),
            b=self._side(1),
            seeds=self.seeds,
            difference=estimate(self.difference),
            standard_error=self.error,
            per_success=self.per_success,
            seeds_to_settle=needed if math.isfinite(needed) else None,
        )

    def _side(self, side: int) -> Side:
        arm, cost = self.arms[side], self.costs[side]
        return Side(
            label=arm.label,
            family=arm.family,
            z=None if arm.normalized_score is None else arm.normalized_score.point,
            cost=cost if math.isfinite(cost) else None,
            reached=self.reached[side],
            not_worse=self.not_worse[side],
            cheaper=self.cheaper[side],
        )


def weigh(
    evidence: Evidence, a: ArmEvidence, b: ArmEvidence, terms: Terms, scale: Scale, resamples: int = 10_000
) -> Pair | None:
    """Scores and costs of two arms; None where one of them has fewer than two finished runs."""
    if min(len(a.counted), len(b.counted)) < 2:
        return None
    samples = [_sample(arm, terms.settled(made_here(evidence, arm)), scale) for arm in (a, b)]
    paired = pairs_by_seed(a, b)
    reached = (int(samples[0][:, 2].sum()), int(samples[1][:, 2].sum()))
    per_success = any(reached)

    def statistic(x: Array, y: Array) -> Array:  # (resamples, runs, 3) each -> (resamples, 3)
        costs = [
            statistics.expected_cost(s[..., 1], s[..., 2]) if per_success else s[..., 1].mean(axis=-1) for s in (x, y)
        ]
        return np.stack([x[..., 0].mean(axis=-1) - y[..., 0].mean(axis=-1), *costs], axis=-1)

    drawn = statistics.bootstrap(
        statistic, *samples, rng=np.random.default_rng(0), paired=paired,
        sources=sources(a.counted, b.counted, paired), resamples=resamples,
    )  # fmt: skip
    point, (gaps, *costs) = np.asarray(drawn.point), drawn.distribution.T
    return Pair(
        a, b, terms, min(len(a.counted), len(b.counted)),
        difference=statistics.Resampled(point[0], gaps).interval(),
        error=float(gaps.std()),
        costs=(float(point[1]), float(point[2])),
        reached=reached,
        per_success=per_success,
        not_worse=(float((gaps > -terms.margin).mean()), float((gaps < terms.margin).mean())),
        better=(float((gaps > 0).mean()), float((gaps < 0).mean())),
        cheaper=(statistics.probability_less(*costs), statistics.probability_less(*reversed(costs))),
    )  # fmt: skip


def _sample(arm: ArmEvidence, terms: Terms, scale: Scale) -> Array:
    """(runs, 3): z, cost, and whether it reached the threshold."""
    scores = [scale.z(run.score) for run in arm.counted]
    return np.array([[z, terms.cost(run), z >= terms.threshold] for z, run in zip(scores, arm.counted, strict=True)])
