"""lambda*, the share of a log's making below which the log is the cheaper way."""

from __future__ import annotations

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.pairing import common, sources
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
    if min(len(online), len(offline)) < 2:
        return BreakEven("an arm has one finished run, which says nothing about the next")
    solved = [[scale.z(run.score) >= terms.threshold for run in arm.counted] for arm in (rl, model)]
    if not any(solved[0]) and not any(solved[1]):
        return BreakEven("no run of either arm reached the threshold")
    if not all(map(any, solved)):
        return BreakEven(f"no {'online' if any(solved[1]) else 'offline'} run reached the threshold")
    rows = common(rl.counted, model.counted)
    own = list(range(len(online))) if rows is None else rows[:, 0].tolist()
    others = list(range(len(offline))) if rows is None else rows[:, 1].tolist()
    logs = [[arm.counted[row].data_hash for row in kept] for arm, kept in ((rl, own), (model, others))]
    found = statistics.bootstrap_break_even_lambda(
        [online[row].env_steps + online[row].selection_env_steps for row in own],
        [offline[row].logged_steps for row in others],
        [upstream[row] for row in others],
        [offline[row].selection_env_steps for row in others],
        rng=np.random.default_rng(0),
        online_solved=[solved[0][row] for row in own],
        offline_solved=[solved[1][row] for row in others],
        paired=rows is not None, sources=sources(logs[0], logs[1], rows is not None),
    ).interval()  # fmt: skip
    return BreakEven(None, found.low, found.point, found.high)
