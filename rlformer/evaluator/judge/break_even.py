"""lambda*, the share of a log's making below which the log is the cheaper way."""

from __future__ import annotations

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.comparisons import pairs_by_seed, sources
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.prices import maker_of
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import BreakEven
from rlformer.runs.spec import ONLINE


def break_even(evidence: Evidence, rl: ArmEvidence, model: ArmEvidence, terms: Terms, scale: Scale) -> BreakEven:
    """lambda* of the online agent against the model that learned from a log; or why it is not defined here."""
    if rl.family != ONLINE:
        return BreakEven("no online agent is compared")
    if maker_of(evidence, model) is rl:
        return BreakEven("the log is the online agent's own training, or was played by it: see how early to stop")
    online, offline = [run.cost for run in rl.counted], [run.cost for run in model.counted]
    upstream = [cost.upstream_env_steps for cost in offline if cost.upstream_env_steps is not None]
    if len(upstream) < len(offline):
        return BreakEven("the log does not say how many environment steps made it")
    if any(behind <= cost.logged_steps for behind, cost in zip(upstream, offline, strict=True)):
        return BreakEven("nothing was spent beyond the logged steps, so lambda changes nothing")
    solved = [[scale.z(run.score) >= terms.threshold for run in arm.counted] for arm in (rl, model)]
    if not any(solved[0]) and not any(solved[1]):
        return BreakEven("no run of either arm reached the threshold")
    if not all(map(any, solved)):
        return BreakEven(f"no {'online' if any(solved[1]) else 'offline'} run reached the threshold")
    paired = pairs_by_seed(rl, model)
    found = statistics.bootstrap_break_even_lambda(
        [cost.env_steps + cost.selection_env_steps for cost in online],
        [cost.logged_steps for cost in offline],
        upstream,
        [cost.selection_env_steps for cost in offline],
        rng=np.random.default_rng(0), online_solved=solved[0], offline_solved=solved[1],
        paired=paired, sources=sources(rl.counted, model.counted, paired),
    ).interval()  # fmt: skip
    return BreakEven(None, found.low, found.point, found.high)
