"""How much data and time each arm needs until it is good enough, and what that costs as the price of the log varies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.cost_curves import cost_curve
from rlformer.evaluator.judge.estimates import estimate, interval
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Early, GridNeed, Needs, OnlineNeed, SurvivalCurve
from rlformer.evaluator.judge.outcomes import (
    Outcome,
    ScoredBy,
    bar_of,
    of_curve,
    on_shared_episodes,
    outcomes,
    prefixes,
    resolved,
)
from rlformer.evaluator.judge.prices import maker_of, scale_of
from rlformer.evaluator.judge.terms import Spent, Terms, failure
from rlformer.evaluator.judge.values import Estimate

THRESHOLDS = (0.5, 0.9, 0.95)


def needs(evidence: Evidence, terms: Terms) -> Needs | None:
    """T(tau) or N(tau) and the cost of every trained arm; None where nothing says what a good return is.

    `online`: of what learns by interaction. `grid`: of what learns from a log. `early`: the environment steps behind
    the shortest prefix that suffices, against T(tau) of the online arm whose training it is. `costs`: against lambda.
    Thresholds are those of the card's scale and the verdict's own; see `outcomes` for all that is counted.
    """
    terms = resolved(evidence, terms)
    scale, bar = scale_of(evidence, terms.good_enough), bar_of(evidence, terms)
    if scale is None:
        return None
    levels = [] if bar.level is None else [bar.level]
    if bar.by == "score" and levels and evidence.card.normalize(0.0) is not None:
        levels = sorted({*THRESHOLDS, terms.threshold})
    bars = {level: replace(bar, level=level, failure=failure(level, terms.margin)) for level in levels}
    learned = [arm for arm in evidence.arms if arm.learns and arm.counted]
    online: list[OnlineNeed] = []
    grid: list[GridNeed] = []
    early: list[Early] = []
    for arm in learned:
        for level, at in bars.items():
            found = outcomes(evidence, arm, at, terms)
            if arm.steps_env:
                online.append(_online(arm, level, found))
            else:
                grid.append(_grid(evidence, arm, level, found))
    for curve in [curve for curve in evidence.grid if not curve.arms and any(point.runs for point in curve.points)]:
        for level, at in bars.items():
            passed = of_curve(curve, at, terms.budget)
            grid.append(_logged(curve.agent, curve.agent, curve.log, level, len(curve.points), passed))
    for row in grid:
        early += _early(evidence, row, online)
    return Needs(
        thresholds=tuple(levels),
        unit="success" if bar.by == "success" else "z",
        scale=scale,
        budget=terms.budget,
        online=tuple(online),
        grid=tuple(grid),
        early=tuple(early),
        costs=tuple(cost_curve(evidence, arm, terms) for arm in learned),
    )


@dataclass(frozen=True)
class _Counted:
    """What `Survival` says of the runs of an arm."""

    seeds: tuple[int, ...]
    times: tuple[float | None, ...]
    reached: int
    held: int
    success_rate: Estimate
    rmst: float
    ert: float | None
    median: float | None
    steps: Estimate
    learning_cpu: Estimate | None
    learning_seconds: Estimate | None
    flops: float | None
    scores: tuple[float | None, ...]
    score: Estimate | None
    scored_by: tuple[ScoredBy | None, ...]
    confirmed: bool
    budget: float


def _counted(found: Sequence[Outcome]) -> _Counted:
    passed = np.array([one.at is not None for one in found])
    budget = max(one.limit for one in found)
    times = np.array([np.inf if one.at is None else one.at for one in found])
    # What broke off or is missing never passes either: what it spent until then says nothing of what it would need.
    paid = np.where(passed, times, [budget if one.score is None else one.limit for one in found])
    reached = int(passed.sum())
    held = [one for one in found if one.reached]
    steps = _mean(found, paid)
    assert steps is not None
    flops = [one.spent.flops for one in found if one.spent.flops is not None]
    return _Counted(
        seeds=tuple(one.seed for one in found),
        times=tuple(one.at for one in found),
        reached=reached,
        held=len(held),
        success_rate=estimate(statistics.wilson_interval(reached, len(found))),
        rmst=float(paid.mean()),
        ert=_finite(float(statistics.expected_cost(paid, passed))),
        median=_finite(statistics.median_time(times, budget)) if budget > 0 and (times > 0).all() else None,
        steps=steps,
        learning_cpu=_taken(found, lambda spent: spent.learning_cpu),
        learning_seconds=_taken(found, lambda spent: spent.learning_seconds),
        flops=float(np.mean(flops)) if flops else None,
        scores=tuple(one.z for one in found),
        score=_score(held),
        scored_by=tuple(one.scored_by for one in found),
        confirmed=all(one.confirmed for one in found if one.at is not None),
        budget=budget,
    )


def _taken(found: Sequence[Outcome], take: Callable[[Spent], float | None]) -> Estimate | None:
    """The mean of what runs took that did not break off; None where one does not know, or nothing was measured."""
    whole = [one for one in found if one.score is not None]
    values = [value for one in whole if (value := take(one.spent)) is not None]
    return _mean(whole, values) if len(values) == len(whole) and any(values) else None


def _score(held: Sequence[Outcome]) -> Estimate | None:
    """Over runs and the episodes that they share."""
    values = [one.z for one in held if one.z is not None]
    if not values or len(values) < len(held):
        return None
    return interval(np.array(values), [one.log for one in held], len(held) > 1, on_shared_episodes(held))


def _mean(found: Sequence[Outcome], values: Sequence[float] | Array) -> Estimate | None:
    if len(values) < len(found) or not len(values):
        return None
    return interval(np.asarray(values, float), [one.log for one in found], len(found) > 1)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _online(arm: ArmEvidence, level: float, found: Sequence[Outcome]) -> OnlineNeed:
    counted = vars(_counted(found))
    return OnlineNeed(label=arm.label, threshold=level, survival=_survival(arm, found), **counted)


def _survival(arm: ArmEvidence, found: Sequence[Outcome]) -> SurvivalCurve | None:
    """Kaplan-Meier; None for a single run. A run that never passes is censored where it ended, or at B if that is less.

    What passed only after B has not passed.
    """
    ends = {run.seed: float(run.cost.env_steps) for run in arm.runs}
    known = [(one, min(one.at or ends[one.seed], one.limit)) for one in found if ends.get(one.seed)]
    if len(known) < 2:
        return None
    times = np.array([np.inf if one.at is None else one.at for one, _ in known])
    curve = statistics.kaplan_meier(times, np.array([end for _, end in known]))
    sides = (curve.times, curve.survival, curve.low, curve.high)
    return SurvivalCurve(*(tuple(values.tolist()) for values in sides))


def _grid(evidence: Evidence, arm: ArmEvidence, level: float, found: Sequence[Outcome]) -> GridNeed:
    sizes = max(len(prefixes(evidence, arm, run.seed)) for run in arm.counted)
    log = "" if arm.recipe is None else arm.recipe.whole.label
    return _logged(arm.label, arm.agent, log, level, sizes, found)


def _logged(label: str, agent: str, log: str, level: float, sizes: int, found: Sequence[Outcome]) -> GridNeed:
    return GridNeed(
        label=label,
        threshold=level,
        agent=agent,
        log=log,
        sizes=sizes,
        env_steps=tuple(one.spent.upstream_env_steps if one.at is not None else None for one in found),
        above=tuple(one.above for one in found),
        upstream_cpu=_taken(found, lambda spent: spent.upstream_cpu),
        **vars(_counted(found)),
    )


def _early(evidence: Evidence, row: GridNeed, online: Sequence[OnlineNeed]) -> Iterator[Early]:
    """Of logs that are the training of an online arm, cut: not of episodes that it played afterwards."""
    played = any(curve.played for curve in evidence.grid if (curve.agent, curve.log) == (row.agent, row.log))
    arms = [arm for arm in evidence.arms if row.label in (arm.label, arm.agent) and arm.counted]
    arms = [arm for arm in arms if arm.recipe is not None and not arm.recipe.played]
    maker = next((maker for arm in arms if (maker := maker_of(evidence, arm)) is not None), None)
    if played or maker is None:
        return
    for own in [one for one in online if (one.label, one.threshold) == (maker.label, row.threshold)]:
        both = [seed for seed in row.seeds if seed in own.seeds]
        if len(both) < 2:
            continue
        first, second = _at(row.seeds, row.env_steps, both), _at(own.seeds, own.times, both)
        ratio = statistics.log_rmst_ratio(first, second, own.budget, np.random.default_rng(0), paired=True)
        yield Early(
            agent=row.agent,
            label=row.label,
            online=own.label,
            threshold=row.threshold,
            seeds=tuple(both),
            reached=tuple(int(np.isfinite(values).sum()) for values in (first, second)),
            rmst=tuple(float(statistics.rmst(values, own.budget)) for values in (first, second)),
            log_rmst_ratio=estimate(ratio.interval()),
        )


def _at(seeds: Sequence[int], values: Sequence[float | None], wanted: Sequence[int]) -> Array:
    known = {seed: np.inf if value is None else value for seed, value in zip(seeds, values, strict=True)}
    return np.array([known[seed] for seed in wanted], float)
