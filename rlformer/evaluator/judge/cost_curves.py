"""What a success of each arm costs, as this task pays more of what made its log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.estimates import shared_logs
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import CostCurve
from rlformer.evaluator.judge.outcomes import bar_of, outcomes
from rlformer.evaluator.judge.prices import made_here
from rlformer.evaluator.judge.terms import Terms

SHARES = tuple(np.linspace(0, 1, 11).tolist())  # of lambda
_RESAMPLES = 2000


def cost_curve(evidence: Evidence, arm: ArmEvidence, terms: Terms) -> CostCurve:
    """Cost of a success against lambda, failures paid, with its band. terms: resolved."""
    bar = bar_of(evidence, terms)
    found = outcomes(evidence, arm, bar, terms)
    per_success = bar.level is not None
    solved = np.array([one.reached or not per_success for one in found])
    own = terms.settled(made_here(evidence, arm))
    priced = np.array([[replace(own, share=share).cost(one.spent) for share in SHARES] for one in found])
    mean = low = high = None
    if solved.any():
        mean = tuple((priced.sum(axis=0) / solved.sum()).tolist())
    if solved.any() and len(found) > 1:
        sample = np.concatenate([priced, solved[:, None]], axis=1)
        labels = [shared_logs([one.log for one in found])]
        rng = np.random.default_rng(0)
        band = statistics.bootstrap(_per_success, sample, rng=rng, sources=labels, resamples=_RESAMPLES).band()
        low, high = tuple(band.low.tolist()), tuple(band.high.tolist())
    unknown = any(one.spent.upstream_env_steps is None for one in found)
    return CostCurve(arm.label, int(solved.sum()), len(found), unknown, mean, low, high, per_success)


def _per_success(sample: Array) -> Array:
    """(resamples, runs, shares + 1), the last column telling success -> (resamples, shares); inf without one."""
    spent, solved = sample[..., :-1].sum(axis=1), sample[..., -1:].sum(axis=1)
    return np.where(solved > 0, spent / np.maximum(solved, 1), np.inf)
