"""How much data each arm needs to reach a threshold, and what that costs as the price of the log varies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.estimates import estimate, shared_logs
from rlformer.evaluator.judge.evidence import Evidence, GridRun, ScalingCurve
from rlformer.evaluator.judge.facts import ArmEvidence, Curve
from rlformer.evaluator.judge.findings import CostCurve, Early, GridNeed, Needs, OnlineNeed, SurvivalCurve
from rlformer.evaluator.judge.prices import made_here, maker_of, scale_of
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.evaluator.measure.evaluation import CONFIRM_FROM
from rlformer.runs.inputs import Recipe
from rlformer.runs.spec import ONLINE

THRESHOLDS = (0.5, 0.9, 0.95)
SHARES = tuple(np.linspace(0, 1, 11).tolist())  # of lambda
_RESAMPLES = 2000
_KEEP = 3  # evaluations in a row
_TRAINING = Recipe().label  # a log that is a whole training: its shares are prefixes


def needs(evidence: Evidence, terms: Terms) -> Needs | None:
    """Time to threshold and cost of every trained arm; None where nothing says what a good return is.

    `online`: environment steps until the curve stays at the threshold, confirmed on fresh episodes. `grid`: logged
    steps of the smallest share of a log that reaches it. `early`: the steps behind that share against the steps that
    the online arm took itself whose training the log is. `costs`: each arm's cost against lambda.
    """
    scale = scale_of(evidence)
    if scale is None:
        return None
    levels = sorted({*THRESHOLDS, terms.threshold})
    online = [arm for arm in evidence.arms if arm.family == ONLINE and arm.counted]
    rows = [row for arm in online for level in levels if (row := _online(arm, level, scale)) is not None]
    grid = [one for curve in evidence.grid for level in levels if (one := _grid(curve, level, scale)) is not None]
    return Needs(
        thresholds=tuple(levels),
        scale=scale,
        online=tuple(rows),
        grid=tuple(grid),
        early=tuple(pair for row in grid for pair in _early(evidence, row, rows)),
        costs=tuple(_costs(evidence, arm, terms, scale) for arm in evidence.arms if arm.learns and arm.counted),
    )


@dataclass(frozen=True)
class _Times:
    """What `Survival` says of times to a threshold, censored at a budget."""

    times: tuple[float | None, ...]
    reached: int
    success_rate: Estimate
    rmst: float
    ert: float | None
    median: float | None


def _times(times: Array, budget: float) -> _Times:
    reached = int(np.isfinite(times).sum())
    return _Times(
        times=tuple(_finite(t) for t in times),
        reached=reached,
        success_rate=estimate(statistics.wilson_interval(reached, len(times))),
        rmst=float(statistics.rmst(times, budget)),
        ert=_finite(float(statistics.ert(times, budget))),
        median=_finite(statistics.median_time(times, budget)),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _online(arm: ArmEvidence, level: float, scale: Scale) -> OnlineNeed | None:
    runs = [run for run in arm.counted if any(step > 0 for step in run.curve.step)]
    if not runs:
        return None
    budget = min(run.curve.step[-1] for run in runs)
    times = np.array([_time(run.curve, level, budget, scale) for run in runs])
    fresh = level >= CONFIRM_FROM and all(
        any(value is not None for value in run.curve.confirmed) or not np.isfinite(t)
        for run, t in zip(runs, times, strict=True)
    )
    return OnlineNeed(
        threshold=level,
        budget=budget,
        **vars(_times(times, budget)),
        label=arm.label,
        seeds=tuple(run.seed for run in runs),
        survival=_survival(times, budget),
        confirmed=fresh,  # runs made before did not play fresh episodes
    )


def _time(curve: Curve, level: float, budget: float, scale: Scale) -> float:
    known = [(s, r, c) for s, r, c in zip(curve.step, curve.return_, curve.confirmed, strict=True) if s > 0]
    scores = [scale.z(value) for _, value, _ in known]
    fresh = [value for _, _, value in known]
    confirmed = None  # fresh episodes are played from CONFIRM_FROM on
    if level >= CONFIRM_FROM and any(value is not None for value in fresh):
        confirmed = [value is not None and scale.z(value) >= level for value in fresh]
    steps = [step for step, _, _ in known]
    return statistics.time_to_threshold(steps, scores, level, budget, keep=_KEEP, confirmed=confirmed)


def _survival(times: Array, budget: float) -> SurvivalCurve | None:
    """Kaplan-Meier; None for a single run."""
    if len(times) < 2:
        return None
    found = statistics.kaplan_meier(times, budget)
    ends = (found.times, found.survival, found.low, found.high)
    return SurvivalCurve(*(tuple(values.tolist()) for values in ends))


def _grid(curve: ScalingCurve, level: float, scale: Scale) -> GridNeed | None:
    by_seed: dict[int, list[GridRun]] = {}
    for run in [run for point in curve.points for run in point.runs]:
        by_seed.setdefault(run.seed, []).append(run)
    if not by_seed:
        return None
    upper, behind, largest = [], [], []
    for runs in by_seed.values():
        # Two shares may hold the same episodes, and then the same number of steps.
        grid = list({run.logged_steps: run for run in sorted(runs, key=lambda run: run.logged_steps)}.values())
        sizes, scores = [run.logged_steps for run in grid], [scale.z(run.mean_return) for run in grid]
        _, high = statistics.data_to_threshold(sizes, scores, level)
        upper.append(high)
        largest.append(sizes[-1])
        behind.append(next((run.upstream_env_steps for run in grid if run.logged_steps == high), None))
    budget = float(min(largest))  # that all seeds have: what is reached beyond it is censored there
    times = np.where(np.array(upper) <= budget, upper, np.inf)
    return GridNeed(
        threshold=level,
        budget=budget,
        **vars(_times(times, budget)),
        agent=curve.agent,
        log=curve.log,
        seeds=tuple(by_seed),
        env_steps=tuple(step if np.isfinite(t) else None for step, t in zip(behind, times, strict=True)),
    )


def _early(evidence: Evidence, row: GridNeed, online: Sequence[OnlineNeed]) -> Iterator[Early]:
    """How early could the training have been stopped? The steps behind the smallest share against the agent's own."""
    if row.log != _TRAINING:  # a prefix of a training, not episodes collected after it
        return
    arms = [arm for arm in evidence.arms if arm.agent == row.agent and arm.counted]
    maker = next((maker for arm in arms if (maker := maker_of(evidence, arm)) is not None), None)
    for own in [o for o in online if maker and (o.label, o.threshold) == (maker.label, row.threshold)]:
        both = [seed for seed in row.seeds if seed in own.seeds]
        if len(both) < 2:
            continue
        first, second = _at(row.seeds, row.env_steps, both), _at(own.seeds, own.times, both)
        ratio = statistics.log_rmst_ratio(first, second, own.budget, np.random.default_rng(0), paired=True)
        yield Early(
            agent=row.agent,
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


def _costs(evidence: Evidence, arm: ArmEvidence, terms: Terms, scale: Scale) -> CostCurve:
    """Cost of a success against lambda, with its band; None where no run succeeded, so that it is infinite."""
    runs = arm.counted
    solved = np.array([scale.z(run.score) >= terms.threshold for run in runs])
    own = terms.settled(made_here(evidence, arm))
    free = terms.logged_step is None  # a logged step then costs lambda of an environment step
    priced = np.array([[_with_share(own, share, free).cost(run) for share in SHARES] for run in runs])  # (runs, shares)
    mean = low = high = None
    if solved.any():
        mean = tuple((priced.sum(axis=0) / solved.sum()).tolist())
    if solved.any() and len(runs) > 1:
        sample = np.concatenate([priced, solved[:, None]], axis=1)
        labels = [shared_logs([run.data_hash for run in runs])]
        rng = np.random.default_rng(0)
        band = statistics.bootstrap(_per_success, sample, rng=rng, sources=labels, resamples=_RESAMPLES).band()
        low, high = tuple(band.low.tolist()), tuple(band.high.tolist())
    unknown = any(run.cost.upstream_env_steps is None for run in runs)
    return CostCurve(arm.label, int(solved.sum()), len(runs), unknown, mean, low, high)


def _per_success(sample: Array) -> Array:
    """(resamples, runs, shares + 1), the last column telling success -> (resamples, shares); inf without one."""
    spent, solved = sample[..., :-1].sum(axis=1), sample[..., -1:].sum(axis=1)
    return np.where(solved > 0, spent / np.maximum(solved, 1), np.inf)


def _with_share(terms: Terms, share: float, free: bool) -> Terms:
    """The terms at another lambda."""
    return replace(terms, share=share, logged_step=None if free else terms.logged_step).settled(made_here=False)
