"""Whether a simple arm does as well as the one that is chosen, for less."""

from __future__ import annotations

import math

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.estimates import estimate
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.standing import best
from rlformer.evaluator.judge.terms import Scale
from rlformer.evaluator.judge.verdict import Simpler
from rlformer.evaluator.judge.weighing import SURE, Pair, weigh

_RESAMPLES = 1000  # of CPU times


def simpler(evidence: Evidence, pair: Pair, chosen: ArmEvidence | None, scale: Scale, resamples: int) -> list[Simpler]:
    """Arms with the role "simple" on the model's log: whether one is not worse than the chosen arm and cheaper.

    Without a choice they are held against the better of the two. p-values of "worse by more than the margin" are those
    of the bootstrap, adjusted by Holm 1979 and compared with .025, as one end of a 95 % interval is.
    """
    target = chosen or best(pair.arms)
    assert target is not None  # both have a mean return
    arms = [arm for arm in evidence.trained if arm.role == "simple" and arm.recipe == pair.b.recipe]
    weighed = [weigh(evidence, arm, target, pair.terms, scale, resamples) for arm in arms]
    known = [one for one in weighed if one is not None]
    if not known:
        return []
    adjusted = statistics.holm([max(1 - one.not_worse[0], 1 / (resamples + 1)) for one in known])
    return [_held_against(one, p) for one, p in zip(known, adjusted.tolist(), strict=True)]


def _held_against(pair: Pair, p: float) -> Simpler:
    """A simple arm, `pair.a`, beside the chosen one. p: adjusted, of its being worse."""
    cpu = [float(np.mean([run.cpu_seconds for run in arm.counted])) for arm in pair.arms]
    costs = [cost if math.isfinite(cost) else None for cost in pair.costs]
    tied = pair.costs[0] == pair.costs[1]  # then the time it takes decides, whatever its price
    cheaper = pair.cheaper[0] >= SURE or (tied and _quicker(*pair.arms) >= SURE)
    return Simpler(
        label=pair.a.label,
        against=pair.b.label,
        seeds=pair.seeds,
        difference=estimate(pair.difference),
        p_worse=p,
        costs=(costs[0], costs[1]),
        cpu_seconds=(cpu[0], cpu[1]),
        cheaper=cheaper,
        recommended=p <= (1 - SURE) / 2 and cheaper,
    )


def _quicker(arm: ArmEvidence, other: ArmEvidence) -> float:
    """The probability that its runs take less CPU time."""
    times = [np.array([run.cpu_seconds for run in one.counted]) for one in (arm, other)]
    gaps = statistics.bootstrap(
        lambda x, y: x.mean(-1) - y.mean(-1), *times, rng=np.random.default_rng(0), resamples=_RESAMPLES
    ).distribution
    return float((gaps < 0).mean())
