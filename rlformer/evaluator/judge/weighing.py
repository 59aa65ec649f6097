"""Two arms weighed against each other by what they score and what they cost.

Not worse is two statements (see `statistics.not_worse`): the share of runs that work and what those score. Costs are
those of a success, failures paid (Hansen et al. 2021), compared by a joint bootstrap over runs.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.comparisons import CLAIM_FROM, LEAN_BELOW
from rlformer.evaluator.judge.estimates import estimate
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.pairing import common, sources
from rlformer.evaluator.judge.prices import made_here
from rlformer.evaluator.judge.standing import Candidate
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.trials import Trial, held_against, mean_z, trials
from rlformer.evaluator.judge.values import Estimate
from rlformer.evaluator.judge.verdict import PairFacts, Side, Statement

ERRORS: dict[Strength, float] = {"claim": 0.025, "probable": 0.10, "lean": 0.25}  # that are accepted
SEEDS: dict[Strength, int] = {"claim": CLAIM_FROM, "probable": LEAN_BELOW, "lean": 2}  # that it takes at least
COST_ERROR = 0.05  # of being cheaper, whatever else is accepted
SAME_COST = 0.10  # costs within this share are equal
_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Pair:
    """Two arms weighed against each other: a joint bootstrap over their runs, paired by seed where they share seeds."""

    a: ArmEvidence
    b: ArmEvidence
    terms: Terms
    runs: tuple[tuple[Trial, ...], tuple[Trial, ...]]
    difference: Estimate  # z of a minus z of b, failed runs as random play
    costs: tuple[float, float]  # of a success, or plain
    per_success: bool  # whether costs are those of a success
    held: tuple[statistics.NotWorse, statistics.NotWorse]  # a against b, b against a
    cheaper: tuple[float, float]  # probabilities, by more than the costs that count as equal

    @property
    def arms(self) -> tuple[ArmEvidence, ArmEvidence]:
        """Both."""
        return self.a, self.b

    @property
    def seeds(self) -> int:
        """Of the arm that has fewer."""
        return min(map(len, self.runs))

    @property
    def alike(self) -> bool:
        """Whether neither is worse than the other: then no difference of scores decides."""
        accepted = ERRORS["probable" if _enough(self.seeds, "probable") else "lean"]
        return max(held.p for held in self.held) <= accepted

    def error(self, side: int) -> float:
        """How likely it is that choosing this side is wrong.

        Right is: not worse and cheaper, or better and not dearer. Each takes all of its parts (an intersection-union
        test), so that the error is that of the weakest.
        """
        cheaper = max(self.held[side].p, 1 - self.cheaper[side])
        return cheaper if self.alike else min(cheaper, max(self.held[side].p_better, self._dearer(side)))

    def strength(self, side: int) -> Strength | None:
        """How firmly this side may be chosen; None where not even a direction can be told."""
        return next((level for level in ERRORS if self._passes(side, level)), None)

    def traded(self, side: int, level: Strength) -> bool:
        """Whether this side is better, and dearer, both beyond doubt."""
        better = not self.alike and self.held[side].p_better <= ERRORS[level]
        return better and 1 - self._dearer(side) <= cost_error(level) and _enough(self.seeds, level)

    def _dearer(self, side: int) -> float:
        """Probability that this side costs more than what counts as equal."""
        return self.cheaper[1 - side]

    def _passes(self, side: int, level: Strength) -> bool:
        if not _enough(self.seeds, level):
            return False
        accepted = ERRORS[level]
        cost = cost_error(level)
        held = self.held[side]
        cheaper = held.p <= accepted and 1 - self.cheaper[side] <= cost
        better = not self.alike and held.p_better <= accepted and self._dearer(side) <= cost
        return cheaper or better

    def likelier(self) -> int:
        """The side that is less likely a wrong choice."""
        return int(self.error(1) < self.error(0))

    def seeds_to_settle(self) -> tuple[float, Literal["alike"] | None]:
        """With how many seeds, were the others like these, there would be a probable answer, and which; inf: with none.

        The likelier side would be chosen, by its scores and its costs alike. Where nothing is chosen yet, it may turn
        out before that neither is worse.
        """
        side, accepted = self.likelier(), ERRORS["probable"]
        dear = 1 - self._dearer(side)
        alike = self._times(lambda both: max(held.p for held in both) <= accepted)
        cheaper = max(
            self._times(lambda both: both[side].p <= accepted),
            statistics.more_runs(self.cheaper[side], 1 - cost_error("probable")),
        )
        better = max(
            self._times(lambda both: both[side].p_better <= accepted),
            statistics.more_runs(dear, 1 - cost_error("probable")),
        )
        chosen = min(cheaper, better if better < alike else math.inf)  # alike, no difference of scores decides
        as_alike = alike <= chosen and self.strength(side) is None
        times = alike if as_alike else chosen
        seeds = math.inf if times * self.seeds > _MOST_SEEDS else math.ceil(times * self.seeds)
        return float(max(seeds, SEEDS["probable"])), "alike" if as_alike else None

    def _times(self, holds: Callable[[tuple[statistics.NotWorse, statistics.NotWorse]], bool]) -> float:
        """The least number of times that these runs, over and over, would have to be there; inf: beyond all seeds."""

        def enough(times: int) -> bool:
            a, b = (runs * times for runs in self.runs)
            return holds((held_against(a, b, self.terms), held_against(b, a, self.terms)))

        most = max(1, _MOST_SEEDS // self.seeds)
        return bisect.bisect_left(range(1, most), True, key=enough) + 1 if enough(most) else math.inf

    @property
    def paired(self) -> bool:
        """Whether runs are paired by seed."""
        return common(*self.runs) is not None

    def facts(self) -> PairFacts:
        """The numbers, without the arms."""
        needed, settles = self.seeds_to_settle()
        return PairFacts(
            a=self._side(0),
            b=self._side(1),
            seeds=self.seeds,
            paired=self.paired,
            alike=self.alike,
            difference=self.difference,
            per_success=self.per_success,
            seeds_to_settle=needed if math.isfinite(needed) else None,
            settles=settles,
        )

    def _side(self, side: int) -> Side:
        arm, runs, held, cost = self.arms[side], self.runs[side], self.held[side], self.costs[side]
        return Side(
            label=arm.label,
            family=arm.family,
            z=mean_z(runs),
            cost=cost if math.isfinite(cost) else None,
            runs=len(runs),
            worked=sum(not trial.failed for trial in runs),
            reached=sum(trial.reached for trial in runs),
            reliability=_statement(held.reliability),
            typical=_statement(held.typical),
            p_worse=held.p,
            cheaper=self.cheaper[side],
            error=self.error(side),
        )


def firmest(error: float, seeds: int) -> Strength | None:
    """How firmly something may be said with this error on so many seeds; None where not even a direction is told."""
    return next((level for level in ERRORS if error <= ERRORS[level] and _enough(seeds, level)), None)


def cost_error(level: Strength) -> float:
    """The error of being cheaper, or dearer, that is accepted."""
    return ERRORS[level] if level == "lean" else min(ERRORS[level], COST_ERROR)


def _enough(seeds: int, level: Strength) -> bool:
    return seeds >= SEEDS[level]


def weigh(evidence: Evidence, a: Candidate, b: Candidate, terms: Terms, resamples: int = 10_000) -> Pair | None:
    """Scores and costs of two arms; None where one of them has fewer than two runs that ended. terms: resolved."""
    runs_a, runs_b = (trials(evidence, one, terms.settled(made_here(evidence, one.arm))) for one in (a, b))
    if min(len(runs_a), len(runs_b)) < 2:
        return None
    per_success = any(trial.reached for trial in (*runs_a, *runs_b))
    gap, cheaper = _resampled(runs_a, runs_b, per_success, resamples)
    return Pair(
        a.arm, b.arm, terms, (runs_a, runs_b),
        difference=gap,
        costs=(_cost(_sample(runs_a), per_success).item(), _cost(_sample(runs_b), per_success).item()),
        per_success=per_success,
        held=(held_against(runs_a, runs_b, terms), held_against(runs_b, runs_a, terms)),
        cheaper=cheaper,
    )  # fmt: skip


def _resampled(
    runs_a: Sequence[Trial], runs_b: Sequence[Trial], per_success: bool, resamples: int
) -> tuple[Estimate, tuple[float, float]]:
    """The difference of z, and for each the probability that it is the cheaper one."""
    rows = common(runs_a, runs_b)
    if rows is not None:
        runs_a, runs_b = [runs_a[row] for row in rows[:, 0]], [runs_b[row] for row in rows[:, 1]]

    def statistic(x: Array, y: Array) -> Array:  # (resamples, runs, 3) each -> (resamples, 3)
        gaps = x[..., 0].mean(axis=-1) - y[..., 0].mean(axis=-1)
        return np.stack([gaps, _cost(x, per_success), _cost(y, per_success)], axis=-1)

    drawn = statistics.bootstrap(
        statistic, _sample(runs_a), _sample(runs_b), rng=np.random.default_rng(0), paired=rows is not None,
        sources=sources([run.log for run in runs_a], [run.log for run in runs_b], rows is not None),
        resamples=resamples,
    )  # fmt: skip
    gaps, own, other = drawn.distribution.T
    cheaper = tuple(statistics.probability_less(x * (1 + SAME_COST), y) for x, y in ((own, other), (other, own)))
    point = float(np.asarray(drawn.point)[0])
    return estimate(statistics.Resampled(np.float64(point), gaps).interval()), (cheaper[0], cheaper[1])


def _sample(runs: Sequence[Trial]) -> Array:
    """(runs, 3): z, a run without a score as random play; cost; whether it reached the threshold."""
    return np.array([[trial.z or 0.0, trial.cost, trial.reached] for trial in runs])


def _cost(runs: Array, per_success: bool) -> Array:
    """Of (..., runs, 3)."""
    costs = statistics.expected_cost(runs[..., 1], runs[..., 2]) if per_success else runs[..., 1].mean(axis=-1)
    return np.asarray(costs)


def _statement(found: statistics.Bound) -> Statement:
    finite = [value if math.isfinite(value) else None for value in (found.point, found.low)]
    return Statement(finite[0], finite[1], found.p)
