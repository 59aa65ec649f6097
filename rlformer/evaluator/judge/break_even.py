"""lambda*, the share of a log's making below which the log is the cheaper way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.outcomes import Outcome, bar_of, outcomes
from rlformer.evaluator.judge.pairing import common, sources
from rlformer.evaluator.judge.prices import made_here, maker_of
from rlformer.evaluator.judge.terms import Spent, Terms
from rlformer.evaluator.judge.verdict import BreakEven, Selected
from rlformer.runs.spec import ONLINE


def break_even(
    evidence: Evidence, rl: ArmEvidence, model: ArmEvidence, terms: Terms, selected: Sequence[Selected] = ()
) -> BreakEven:
    """lambda* of the online agent against the model that learned from a log; or why it is not defined here.

    (cost_online - what the log costs at lambda 0) / (what its making adds at lambda 1), each the cost of a success at
    the terms' prices, failures paid. terms: resolved. selected: who stands for each family; the seeds that chose an arm
    do not count.
    """
    if rl.family != ONLINE:
        return BreakEven("no online agent is compared")
    if maker_of(evidence, model) is rl:
        return BreakEven("the log comes from the online agent's own training or play: see how early to stop")
    bar = bar_of(evidence, terms)
    chose = {one.arm: one.seeds for one in selected}
    online, offline = (
        tuple(one for one in outcomes(evidence, arm, bar, terms) if one.seed not in chose.get(arm.label, ()))
        for arm in (rl, model)
    )
    offline = tuple(one for one in offline if one.spent.logged_steps)  # what is missing read nothing
    behind = [_behind(one.spent) for one in offline]
    if None in behind:
        return BreakEven("the log does not say how many environment steps made it")
    if any(steps is not None and steps <= 0 for steps in behind):
        return BreakEven("nothing was spent beyond the logged steps, so lambda changes nothing")
    if any(sum(one.score is not None for one in of) < 2 for of in (online, offline)):
        return BreakEven("an arm has only one finished run, which does not show how another would do")
    if bar.level is None:
        return BreakEven("no success is defined (see --good-enough)")
    solved = [[one.reached for one in of] for of in (online, offline)]
    if not any(solved[0]) and not any(solved[1]):
        return BreakEven("no run of either arm reached the threshold")
    if not all(map(any, solved)):
        return BreakEven(f"no {'online' if any(solved[1]) else 'offline'} run reached the threshold")
    own = terms.settled(made_here(evidence, model))
    free, whole = (np.array([replace(own, share=share).cost(one.spent) for one in offline]) for share in (0.0, 1.0))
    if not (whole > free).all():
        return BreakEven("making the log costs nothing at these prices, so lambda changes nothing")
    return _bootstrapped(online, offline, [own.cost(one.spent) for one in online], free, whole)


def _behind(spent: Spent) -> float | None:
    """Steps that made a log beyond its own."""
    return None if spent.upstream_env_steps is None else spent.upstream_env_steps - spent.logged_steps


def _bootstrapped(
    online: tuple[Outcome, ...], offline: tuple[Outcome, ...], costs: list[float], free: np.ndarray, whole: np.ndarray
) -> BreakEven:
    """free, whole: what offline runs cost at lambda 0 and 1."""
    rows = common(online, offline)
    own = list(range(len(online))) if rows is None else rows[:, 0].tolist()
    others = list(range(len(offline))) if rows is None else rows[:, 1].tolist()
    found = statistics.bootstrap_break_even_lambda(
        [costs[row] for row in own],
        free[others],
        whole[others],
        rng=np.random.default_rng(0),
        online_solved=[online[row].reached for row in own],
        offline_solved=[offline[row].reached for row in others],
        paired=rows is not None,
        sources=sources([online[row].log for row in own], [offline[row].log for row in others], rows is not None),
    ).interval()
    return BreakEven(None, found.low, found.point, found.high)
