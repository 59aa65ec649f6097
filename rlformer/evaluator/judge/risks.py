"""How bad the bad episodes of an arm are, and how often one fails: what a mean does not tell."""

from __future__ import annotations

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.choices import Failing, Risk
from rlformer.evaluator.judge.estimates import mean_of, scored
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.terms import Scale, Terms

WORST = 0.1  # share of the episodes
LOW = 0.05  # the quantile of a log below which an episode has failed


def failing(evidence: Evidence, terms: Terms, scale: Scale | None) -> Failing | None:
    """When a deployed episode is a failure; None where nothing says it.

    Where a rate of successes is good enough, by what the environment tells. Where a card has scores, or a return is
    good enough, by the line that a failed run is held to: a normalised score below the threshold less two margins. Else
    where the environment tells success, by that; else below the 5 % quantile of the log's own episodes.
    """
    if scale is not None and not scale.measured and terms.success is None:
        return Failing("threshold", scale.return_at(terms.failure))
    if any(run.told_success is not None for arm in evidence.trained for run in arm.counted):
        return Failing("success")
    return worse_than_log(evidence, scale)


def worse_than_log(evidence: Evidence, scale: Scale | None) -> Failing | None:
    """Below the 5 % quantile of the log's own episodes, the mean of the logs' quantiles; None without its arm."""
    of_logs = [arm for arm in evidence.arms if not arm.acts]
    returns = {run.data_hash: run.returns for arm in of_logs for run in arm.counted if run.returns}
    if not returns:
        return None
    share = 1 - LOW if _reversed(scale) else LOW
    return Failing("log", float(np.mean([np.quantile(values, share) for values in returns.values()])))


def is_failure(value: float, level: float, scale: Scale | None) -> bool:
    """Whether a return is a failure: below the level, or above it where less is better."""
    return value > level if _reversed(scale) else value < level


def _reversed(scale: Scale | None) -> bool:
    return scale is not None and scale.unit < 0


def risks(evidence: Evidence, rule: Failing | None, scale: Scale | None) -> tuple[Risk, ...]:
    """The mean, the mean of the worst tenth of the final episodes, and the failure rate of every trained arm."""
    return tuple(_risk(arm, rule, scale) for arm in evidence.trained if _played(arm))


def _played(arm: ArmEvidence) -> bool:
    return all(run.returns for run in arm.counted)


def _risk(arm: ArmEvidence, rule: Failing | None, scale: Scale | None) -> Risk:
    runs, score = arm.counted, float if scale is None else scale.z
    assert arm.mean_return is not None  # of a trained arm
    logs = [run.data_hash for run in runs]
    scores = [[score(value) for value in run.returns or ()] for run in runs]
    rates = [_failure_rate(run, rule, scale) for run in runs]
    known = [rate for rate in rates if rate is not None]
    return Risk(
        label=arm.label,
        mean=scored(arm.mean_return, score),
        cvar=mean_of(np.array([statistics.cvar(values, WORST) for values in scores]), logs),
        failure_rate=mean_of(np.array(known), logs) if len(known) == len(runs) else None,
    )


def _failure_rate(run: RunFacts, rule: Failing | None, scale: Scale | None) -> float | None:
    if rule is None:
        return None
    if rule.level is None:
        return None if run.told_success is None else 1 - run.told_success
    return float(np.mean([is_failure(value, rule.level, scale) for value in run.returns or ()]))
