"""Runs as the verdict counts them: what a run scored, what it cost, and whether it failed. Failures are paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.outcomes import Outcome, bar_of, outcomes
from rlformer.evaluator.judge.pairing import common
from rlformer.evaluator.judge.standing import Candidate
from rlformer.evaluator.judge.terms import Terms


@dataclass(frozen=True)
class Trial:
    """One seed of an arm, at some prices; see `outcomes.Outcome`. What broke off, or is missing, has no score."""

    seed: int
    z: float | None
    cost: float
    reached: bool  # the threshold, and kept by the final episodes
    failed: bool  # it broke off, never reached the threshold, or scores far below it
    log: str | None  # the hash of the log that it learned from
    seed_obeyed: bool | None = None  # see `pairing.Seeded`
    cpu: float = 0.0  # seconds of learning that the cost stands for


def trials(evidence: Evidence, candidate: Candidate, terms: Terms) -> tuple[Trial, ...]:
    """Of the seeds that an arm is judged on; `terms` resolved and settled. An unfinished run is left out."""
    found = outcomes(evidence, candidate.arm, bar_of(evidence, terms), terms)
    return tuple(_trial(one, terms) for one in found if one.seed in candidate.seeds)


def _trial(one: Outcome, terms: Terms) -> Trial:
    cost = terms.cost(one.spent)
    return Trial(one.seed, one.z, cost, one.reached, one.failed, one.log, one.seed_obeyed, one.spent.learning_cpu)


def held_against(a: Sequence[Trial], b: Sequence[Trial], terms: Terms) -> statistics.NotWorse:
    """Whether `a` is not worse than `b`, in how many runs work and in what those score."""
    scores = [np.array([np.nan if trial.z is None else trial.z for trial in of]) for of in (a, b)]
    worked = [np.array([not trial.failed for trial in of]) for of in (a, b)]
    return statistics.not_worse(
        *scores, *worked,
        reliability_tolerance=terms.reliability, score_tolerance=terms.margin, pairs=common(a, b),
    )  # fmt: skip


def mean_z(of: Sequence[Trial]) -> float:
    """Mean normalised score; a run without a score counts as random play, 0."""
    return float(np.mean([trial.z or 0.0 for trial in of]))
