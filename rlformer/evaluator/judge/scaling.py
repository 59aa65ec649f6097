"""The data-scaling grid: what an offline arm makes of more and more of a log."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.arm_evidence import tested, told
from rlformer.evaluator.judge.arms import Arm
from rlformer.evaluator.judge.estimates import interval, normalized, on_shared_episodes, spread
from rlformer.evaluator.judge.evidence import GridRun, ScalingCurve, ScalingPoint
from rlformer.evaluator.judge.load import Run
from rlformer.runs.inputs import LogInput

_WHOLE = 1.0


def scaling(runs: Sequence[Run], env: EnvSpec, arms: Sequence[Arm] = ()) -> tuple[ScalingCurve, ...]:
    """For each agent that learned from shares of a log: its points, by growing budget. arms: of the ladder.

    The arm that read the whole of the same log is one of the points, on the seeds of the grid.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.spec.log is not None and run.kind.learns:
            groups[_identity(run, run.spec.log)].append(run)
    found = [_curve(group, env, arms) for group in groups.values() if any(run.budget is not None for run in group)]
    return tuple(sorted(found, key=lambda curve: (curve.agent, curve.log)))


def _identity(run: Run, log: LogInput) -> str:
    """Alike for the shares of one log; a cut by another rule is another log."""
    return json.dumps([_recording(run, log), log.recipe.whole.label], sort_keys=True, default=str)


def _recording(run: Run, log: LogInput) -> str:
    """Alike for the agent's runs on anything of one recording, however it was cut, or on one played log."""
    whose = log.maker_hash or "/".join((log.path or "").split("/")[-2:])
    played = log.recipe.whole.label if log.recipe.played else ""
    return json.dumps([run.spec.agent.name, dict(run.spec.values), whose, played], sort_keys=True, default=str)


def _curve(group: Sequence[Run], env: EnvSpec, arms: Sequence[Arm]) -> ScalingCurve:
    seeds = {run.record.seed for run in group if run.budget is not None}
    budgets: dict[float, list[Run]] = defaultdict(list)
    for run in group:
        budget = _WHOLE if run.budget is None else run.budget
        if run.record.seed in seeds:
            budgets[budget].append(run)
    first = group[0]
    assert first.spec.log is not None
    recording = {_recording(run, run.spec.log) for run in group if run.spec.log is not None}
    heads = [(arm.label, arm.runs[0]) for arm in arms]
    return ScalingCurve(
        agent=first.spec.agent.name,
        learner=first.spec.agent.learner,
        log=first.spec.log.recipe.whole.label,
        points=tuple(_point(budget, budgets[budget], env) for budget in sorted(budgets)),
        played=first.spec.log.recipe.played,
        arms=tuple(
            label for label, run in heads if run.spec.log is not None and _recording(run, run.spec.log) in recording
        ),
    )


def _point(budget: float, runs: Sequence[Run], env: EnvSpec) -> ScalingPoint:
    counted = sorted((run for run in runs if run.counts), key=lambda run: run.record.seed)
    finals = [run.final for run in counted if run.final is not None]
    means = np.array([final.mean for final in finals])
    mean = interval(means, [run.data_hash for run in counted], len(means) > 1, on_shared_episodes(finals))
    return ScalingPoint(
        budget=budget,
        logged_steps=spread([run.record.cost.logged_steps for run in counted]),
        mean_return=mean,
        normalized_score=normalized(mean, env),
        failed=len(runs) - len(counted),
        runs=tuple(_run(run, run.final.mean) for run in counted if run.final is not None),
    )


def _run(run: Run, mean_return: float) -> GridRun:
    record, cost = run.record, run.record.cost
    return GridRun(
        record.seed, cost.logged_steps, cost.upstream_env_steps, mean_return, run.path, cost, record.times,
        record.flops, tested(run), told(run.final), run.data_hash,
        False if run.final is not None and run.final.seed_obeyed is False else None,
        None if run.final is None else tuple(run.final.returns.tolist()),
    )  # fmt: skip
