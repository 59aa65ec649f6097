"""Whether a simple arm does as well as the one that is chosen, for less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.standing import Candidate, alone
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.trials import Trial
from rlformer.evaluator.judge.verdict import Simpler
from rlformer.evaluator.judge.weighing import COST_ERROR, SAME_COST, Pair, firmest, weigh
from rlformer.runs.inputs import Recipe

_RESAMPLES = 1000  # of CPU times


@dataclass(frozen=True)
class Weighed:
    """A simple arm beside the one that it is held against."""

    facts: Simpler
    strength: Strength | None  # with which it is recommended
    error: float  # probability that recommending it is wrong: it is worse, or costs more


def simpler(
    evidence: Evidence, target: Candidate, recipe: Recipe | None, terms: Terms, resamples: int
) -> list[Weighed]:
    """Arms with the role "simple", on a log of this recipe, against `target`: not worse, and no dearer.

    terms: resolved. Where costs are alike, less CPU time of learning decides.

    p-values of "worse" (in how many runs work, or in what those score) are adjusted over the arms by Holm 1979.
    """
    arms = [arm for arm in evidence.trained if arm.role == "simple" and arm.recipe == recipe and arm is not target.arm]
    weighed = [weigh(evidence, alone(arm), target, terms, resamples) for arm in arms]
    known = [one for one in weighed if one is not None]
    if not known:
        return []
    adjusted = statistics.holm([one.held[0].p for one in known])
    return [_held_against(one, p) for one, p in zip(known, adjusted.tolist(), strict=True)]


def _held_against(pair: Pair, p: float) -> Weighed:
    """A simple arm, `pair.a`, beside the chosen one. p: adjusted, of its being worse."""
    cpu = [float(np.mean([trial.cpu for trial in runs])) for runs in pair.runs]
    costs = [cost if math.isfinite(cost) else None for cost in pair.costs]
    tied = pair.costs[0] <= pair.costs[1] * (1 + SAME_COST)  # then the time it takes decides, whatever its price
    dearer = 1 - pair.cheaper[0]
    if tied and dearer > COST_ERROR:
        dearer = min(dearer, 1 - _quicker(*pair.runs))
    cheaper, error = dearer <= COST_ERROR, max(p, dearer)
    strength = firmest(error, pair.seeds) if cheaper else None
    facts = Simpler(
        label=pair.a.label,
        against=pair.b.label,
        seeds=pair.seeds,
        difference=pair.difference,
        p_worse=p,
        costs=(costs[0], costs[1]),
        cpu_seconds=(cpu[0], cpu[1]),
        cheaper=cheaper,
        recommended=strength is not None,
    )
    return Weighed(facts, strength, error)


def _quicker(runs: Sequence[Trial], others: Sequence[Trial]) -> float:
    """The probability that they take less CPU time to learn."""
    times = [np.array([trial.cpu for trial in of]) for of in (runs, others)]
    gaps = statistics.bootstrap(
        lambda x, y: x.mean(-1) - y.mean(-1), *times, rng=np.random.default_rng(0), resamples=_RESAMPLES
    ).distribution
    return float((gaps < 0).mean())
