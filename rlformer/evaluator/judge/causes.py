"""Whether the evidence singles a cause out. Where another explains the same numbers, none is named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.findings import Comparison
from rlformer.evaluator.judge.prices import log_of

LUCKY = 0.1  # share of the log's range by which a target return is missed, or of the variance of its returns by chance


def gained(arm: ArmEvidence) -> float:
    """Mean return that an arm would gain by choosing its actions the other way, greedy or sampled; 0 where it loses."""
    gains = [run.sampled.gain for run in arm.counted if run.sampled is not None]
    return max(0.0, float(np.mean(gains))) if gains else 0.0


def missed(runs: Sequence[RunFacts], other_way: bool = False) -> float | None:
    """How far the return lies from the target, as a share of the log's range, on average; None where nothing is asked.

    other_way: of the better of both ways to choose actions, as far as they were played.
    """
    errors = []
    for run in runs:
        low, high, target = run.scales.log_min, run.scales.log_max, run.target_return
        if target is not None and low is not None and high is not None and high > low:
            reached = [run.score, run.score + run.sampled.gain] if other_way and run.sampled else [run.score]
            errors.append(min(abs(target - value) for value in reached) / (high - low))
    return float(np.mean(errors)) if errors else None


def by_luck(evidence: Evidence, arm: ArmEvidence) -> bool:
    """Whether it must be luck that a model misses its target return, in the log that it learned from.

    Returns of that log vary between episodes of the same actions, enough of its episodes reach the target, the arm was
    trained as long as it should have been, and it misses the target whether its actions are greedy or sampled.
    """
    chance = [log.task.luck for log in log_of(evidence, arm) if log.task is not None and log.task.luck is not None]
    levels = [(run.scales.coverage or {}).get("target") for run in arm.counted]
    covered = [level is not None and level.covered for level in levels]
    trained = arm.undertrained is None and arm.rising is None and arm.cut_short is None
    error = missed(arm.counted, other_way=True)
    lucky = bool(chance) and float(np.mean(chance)) > LUCKY
    return lucky and trained and bool(covered) and all(covered) and error is not None and error > LUCKY


def undone(found: Comparison, evidence: Evidence) -> bool:
    """Whether the arm that is behind would close the gap by choosing its actions the other way."""
    low = found.difference.low
    return found.outcome == "ahead" and low is not None and gained(evidence.arm(found.b)) >= low
