"""The evidence of one arm: its runs, and statistics over those that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rlformer import statistics
from rlformer.core.records import Cost, EnvSpec, EvalResult
from rlformer.core.spaces import Array
from rlformer.evaluator.as_json import decode
from rlformer.evaluator.judge.arms import Arm
from rlformer.evaluator.judge.estimates import interval, normalized, on_shared_episodes, shared_logs, spread, spreads
from rlformer.evaluator.judge.evidence import Machine
from rlformer.evaluator.judge.facts import (
    ArmEvidence,
    Asked,
    BothWays,
    CostSpread,
    Curve,
    Curves,
    Kept,
    Progress,
    RunFacts,
    Scales,
    Tested,
    Video,
)
from rlformer.evaluator.judge.load import Point, Run
from rlformer.evaluator.judge.passing import on_grid
from rlformer.evaluator.judge.values import Band
from rlformer.evaluator.measure.summary import success_rate, successes

MAX_RETURNS = 1000  # of a log in `returns`; above it, evenly spaced order statistics stand for all
MAX_POINTS = 60  # of a curve
BAND_RESAMPLES = 2000


class Machines:
    """Numbers machines in the order of their first appearance."""

    def __init__(self) -> None:
        self.found: list[Machine] = []

    def number(self, run: Run) -> int:
        """The number of the machine that a run was made on."""
        record = run.record
        machine = decode(Machine, {**record.hardware, "versions": record.versions, "commit": record.commit})
        if machine not in self.found:
            self.found.append(machine)
        return self.found.index(machine)


def arm_evidence(arm: Arm, env: EnvSpec, machines: Machines, missing: Sequence[int] = ()) -> ArmEvidence:
    """What is known of an arm. missing: its seeds that left no run directory."""
    counted = [run for run in arm.runs if run.counts]
    records = [run.record for run in counted]
    means = np.array([run.final.mean for run in counted if run.final is not None])
    rates = [success_rate(run.final, env) for run in counted if run.final is not None]
    solved = np.array([rate or 0.0 for rate in rates])
    logs = [run.data_hash for run in counted]
    reason = _why_no_interval(arm, logs)
    finals = [run.final for run in counted if run.final is not None] if arm.kind.acts else []
    mean_return = interval(means, logs, reason is None, on_shared_episodes(finals))
    spec = arm.spec
    return ArmEvidence(
        label=arm.label,
        agent=spec.name,
        family=arm.family,
        role=spec.role,
        rung=spec.rung,
        learns=arm.kind.learns,
        acts=arm.kind.acts,
        contrasts=spec.contrasts,
        log="" if arm.recipe is None else arm.recipe.label,
        recipe=arm.recipe,
        learner=spec.learner,
        tuning=spec.tuning,
        hyperparameters=dict(arm.runs[0].spec.values),
        seeds=tuple(run.record.seed for run in counted),
        failed=sum(run.record.status == "failed" for run in arm.runs),
        missing=tuple(missing),
        unfinished=sum(not run.counts and run.record.status != "failed" for run in arm.runs),
        mean_return=mean_return,
        normalized_score=normalized(mean_return, env),
        success_rate=None
        if all(rate is None for rate in rates)
        else interval(solved, logs, reason is None, on_shared_episodes(finals, lambda final: successes(final, env))),
        no_interval=reason,
        action_selection=action_selection(arm.runs),
        cost=_cost_spread(counted),
        times=spreads([record.times for record in records if arm.kind.trains]),
        parameters=spread([record.parameters or None for record in records]),
        inference_seconds=spreads([record.inference_seconds for record in records]),
        flops=spreads([record.flops for record in records]),
        peak_memory_bytes=spread([record.peak_memory_bytes or None for record in records]),
        peak_gpu_memory_bytes=spread([record.peak_gpu_memory_bytes or None for record in records]),
        video=_video(counted),
        curve_unit=arm.kind.curve_unit,
        curves=_curves([run for run in counted if run.curve]),
        runs=tuple(_run(run, env, machines) for run in arm.runs),
        cut_short=arm.runs[0].spec.cut_short,
    )


def action_selection(runs: Sequence[Run]) -> tuple[Literal["greedy", "sampled"], ...]:
    """How the evaluated ones of these runs chose actions: what learns nothing samples, whatever its record says."""
    found = {run.final.action_selection if run.kind.learns else "sampled" for run in runs if run.final is not None}
    ways: tuple[Literal["greedy", "sampled"], ...] = ("greedy", "sampled")
    return tuple(way for way in ways if way in found)


def _cost_spread(counted: Sequence[Run]) -> CostSpread:
    costs = [_cost(run) for run in counted]
    return CostSpread(
        env_steps=spread([cost.env_steps for cost in costs]),
        selection_env_steps=spread([cost.selection_env_steps for cost in costs]),
        logged_steps=spread([cost.logged_steps for cost in costs]),
        upstream_env_steps=spread([cost.upstream_env_steps for cost in costs]),
        samples_seen=spread([cost.samples_seen for cost in costs]),
        evaluation_env_steps=spread([cost.evaluation_env_steps for cost in costs]),
        upstream_cpu_seconds=spread([cost.upstream_cpu_seconds if cost.logged_steps else 0.0 for cost in costs]),
    )


def _video(runs: Sequence[Run]) -> Video | None:
    """What there is to watch of an arm, or why there is nothing; pictures stay with the run."""
    recorded = [(run, run.video) for run in runs if run.video is not None]
    shown = next(((run, video) for run, video in recorded if video.webp), next(iter(recorded), None))
    if shown is None:
        return None
    run, video = shown
    return Video(run.record.seed, run.path, video.episode_seed, video.episode_return, video.length, video.skipped)


def _run(run: Run, env: EnvSpec, machines: Machines) -> RunFacts:
    record, final = run.record, run.final
    return RunFacts(
        seed=record.seed,
        status=record.status,
        counts=run.counts,
        error=record.error,
        notes=tuple(record.notes),
        progress=decode(Progress, record.progress),
        path=run.path,
        spec_hash=record.spec_hash,
        data_hash=run.data_hash,
        mean_return=None if final is None else final.mean,
        normalized_score=None if final is None else env.normalize(final.mean),
        success_rate=None if final is None else success_rate(final, env),
        episodes=0 if final is None else len(final.returns),
        target_return=None if final is None else final.target_return,
        returns=None if final is None else _thin_returns(final.returns),
        cost=_cost(run),
        times=record.times if run.kind.trains else {},
        parameters=record.parameters,
        inference_seconds=record.inference_seconds,
        flops=record.flops,
        peak_memory_bytes=record.peak_memory_bytes,
        peak_gpu_memory_bytes=record.peak_gpu_memory_bytes,
        scales=decode(Scales, record.scales),
        sampled=_both_ways(run),
        asked=tuple(map(_asked, run.asked)),
        curve=_curve([run.curve[i] for i in _shown(run.curve)]),
        machine=machines.number(run),
        seed_obeyed=False if final is not None and final.seed_obeyed is False else None,
        kept=tuple(Kept(step, result.mean, tuple(result.returns.tolist()), told(result)) for step, result in run.kept),
        test=tested(run),
        told_success=told(final),
        side_by_side=record.hardware.get("side_by_side"),
        mean_length=None if final is None else float(final.lengths.mean()),
    )


def _cost(run: Run) -> Cost:
    """What a run took; of an agent that was trained elsewhere the steps that it took there, to be held against ours."""
    cost = run.record.cost
    if run.kind.trains:
        return cost
    behind = cost.upstream_env_steps
    return replace(cost, env_steps=behind or 0, upstream_env_steps=None if behind is None else 0)  # paid once


def _asked(result: EvalResult) -> Asked:
    returns = tuple(result.returns.tolist())
    return Asked(result.target_return, result.mean, len(returns), returns, float(result.lengths.mean()))


def told(result: EvalResult | None) -> float | None:
    """The success rate of an evaluation, where the environment tells it."""
    return None if result is None or result.successes is None else float(result.successes.mean())


def tested(run: Run) -> Tested | None:
    """How the final policy of what learns from a log does in the test that curves are put to; None without."""
    if run.test is None:
        return None
    fresh = None if run.fresh is None else run.fresh.mean
    return Tested(run.test.mean, fresh, told(run.test), told(run.fresh))


def _why_no_interval(arm: Arm, logs: Sequence[str | None]) -> str | None:
    if not logs:
        return "no finished run"
    if not arm.kind.acts and len(set(logs)) == 1:
        return "one log, the same for every seed: its own mean, with nothing to resample"
    return "one seed: no interval" if len(logs) == 1 else None


def _both_ways(run: Run) -> BothWays | None:
    if run.other is None or run.final is None:
        return None
    episodes, deployed = len(run.other.returns), run.final.action_selection
    means = {run.other.action_selection: run.other.mean, deployed: float(run.final.returns[:episodes].mean())}
    return BothWays(means["sampled"], means["greedy"], episodes, deployed) if len(means) == 2 else None


def _curve(points: Sequence[Point]) -> Curve:
    return Curve(
        step=tuple(point.step for point in points),
        seconds=tuple(point.seconds for point in points),
        return_=tuple(point.return_ for point in points),
        confirmed=tuple(point.confirmed for point in points),
        cpu=tuple(point.cpu for point in points),
        success=tuple(point.success for point in points),
        confirmed_success=tuple(point.confirmed_success for point in points),
        env_steps=tuple(point.env_steps for point in points),
    )


def _curves(runs: Sequence[Run]) -> Curves:
    steps = [np.array([point.step for point in run.curve]) for run in runs]
    seconds = [np.array([point.seconds for point in run.curve]) for run in runs]
    return Curves(_band(runs, steps), _band(runs, seconds))


def _band(runs: Sequence[Run], xs: Sequence[Array]) -> Band | None:
    """Mean curve with its pointwise interval, where every run has values; None if they share no stretch.

    xs: for each run where its points stand, (points,).
    """
    if not runs:
        return None
    start, end = max(x[0] for x in xs), min(x[-1] for x in xs)
    grid = np.unique(np.concatenate(xs))
    grid = grid[(grid >= start) & (grid <= end)]
    if len(grid) < 2:
        return None
    grid = grid[_indices(len(grid))]
    returns = [[point.return_ for point in run.curve] for run in runs]
    curves = np.array([np.interp(grid, x, y) for x, y in zip(xs, returns, strict=True)])  # (runs, points)
    low = high = None
    if len(runs) > 1:
        rng, labels = np.random.default_rng(0), [shared_logs([run.data_hash for run in runs])]
        drawn = statistics.bootstrap(
            lambda c: c.mean(axis=1), curves, rng=rng, sources=labels, resamples=BAND_RESAMPLES
        ).band()
        low, high = tuple(drawn.low.tolist()), tuple(drawn.high.tolist())
    return Band(tuple(grid.tolist()), tuple(curves.mean(axis=0).tolist()), low, high)


def _indices(count: int) -> Array:
    """At most MAX_POINTS positions among `count`, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).round().astype(int))


def _shown(points: Sequence[Point]) -> list[int]:
    """Which points of a curve are told: so many, and all that a time to a threshold may be read from."""
    return sorted({*_indices(len(points)).tolist(), *on_grid([point.step for point in points])}) if points else []


def _thin_returns(returns: Array) -> tuple[float, ...]:
    if len(returns) <= MAX_RETURNS:
        return tuple(returns.tolist())
    levels = np.linspace(0, len(returns) - 1, MAX_RETURNS).round().astype(int)
    return tuple(np.sort(returns)[levels].tolist())
