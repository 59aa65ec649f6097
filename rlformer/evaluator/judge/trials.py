"""Runs as the verdict counts them: what a run scored, what it cost, and whether it failed. Failures are paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.facts import RunFacts
from rlformer.evaluator.judge.pairing import common
from rlformer.evaluator.judge.standing import Candidate
from rlformer.evaluator.judge.terms import Scale, Terms


@dataclass(frozen=True)
class Trial:
    """One seed of an arm. A run that failed on the way, or left no directory, is a failure too, without a score."""

    seed: int
    z: float | None
    cost: float
    reached: bool  # the threshold
    failed: bool  # it broke off, or scored far below the threshold
    log: str | None  # the hash of the log that it learned from
    seed_obeyed: bool | None = None  # see `pairing.Seeded`


def trials(candidate: Candidate, terms: Terms, scale: Scale) -> tuple[Trial, ...]:
    """Of the seeds that an arm is judged on; `terms` settled. An unfinished run says nothing yet and is left out."""
    arm = candidate.arm
    runs = {run.seed: run for run in arm.runs if run.counts or run.status == "failed"}
    lost = [Trial(seed, None, 0.0, False, True, None) for seed in candidate.seeds if seed not in runs]
    known = [_trial(run, terms, scale) for seed, run in runs.items() if seed in candidate.seeds]
    return tuple(sorted((*known, *lost), key=lambda trial: trial.seed))


def _trial(run: RunFacts, terms: Terms, scale: Scale) -> Trial:
    z = scale.z(run.score) if run.counts else None
    return Trial(
        seed=run.seed,
        z=z,
        cost=terms.cost(run),
        reached=z is not None and z >= terms.threshold,
        failed=z is None or z < terms.failure,
        log=run.data_hash,
        seed_obeyed=run.seed_obeyed,
    )


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
