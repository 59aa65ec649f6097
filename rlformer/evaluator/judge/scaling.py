"""The data-scaling grid: what an offline arm makes of more and more of a log."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.estimates import interval, normalized, spread
from rlformer.evaluator.judge.load import Run

_WHOLE = 1.0


def scaling(runs: Sequence[Run], env: EnvSpec) -> list[dict[str, Any]]:
    """For each agent that learned from shares of a log: its `points`, by growing `budget`.

    A point holds its runs (seed, logged_steps, upstream_env_steps, mean_return) and their mean with its interval. The
    arm that read the whole of the same log is the last point, on the seeds of the grid.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.data_hash is not None and run.spec.agent.learner != "behaviour":
            groups[_identity(run)].append(run)
    found = [_curve(group, env) for group in groups.values() if any(run.budget is not None for run in group)]
    return sorted(found, key=lambda curve: (curve["agent"], curve["log"]))


def _identity(run: Run) -> str:
    config = run.spec
    assert config.log is not None
    whose = config.log.maker_hash or "/".join((config.log.path or "").split("/")[-2:])
    return json.dumps([config.agent.name, dict(config.values), _log(run), whose], sort_keys=True, default=str)


def _log(run: Run) -> str:
    """What the shares are shares of; a cut by another rule is another log."""
    return "full" if run.spec.log is None else run.spec.log.recipe.whole.label


def _curve(group: Sequence[Run], env: EnvSpec) -> dict[str, Any]:
    seeds = {run.record.seed for run in group if run.budget is not None}
    budgets: dict[float, list[Run]] = defaultdict(list)
    for run in group:
        budget = _WHOLE if run.budget is None else run.budget
        if run.record.seed in seeds:
            budgets[budget].append(run)
    return {
        "agent": group[0].spec.agent.name,
        "learner": group[0].spec.agent.learner,
        "log": _log(group[0]),
        "points": [_point(budget, budgets[budget], env) for budget in sorted(budgets)],
    }


def _point(budget: float, runs: Sequence[Run], env: EnvSpec) -> dict[str, Any]:
    counted = sorted((run for run in runs if run.counts), key=lambda run: run.record.seed)
    means = np.array([run.final.mean for run in counted if run.final is not None])
    mean = interval(means, [run.data_hash for run in counted], len(means) > 1)
    return {
        "budget": budget,
        "logged_steps": spread([run.record.cost.logged_steps for run in counted]),
        "mean_return": mean,
        "normalized_score": normalized(mean, env),
        "failed": len(runs) - len(counted),
        "runs": [
            {
                "seed": run.record.seed,
                "logged_steps": run.record.cost.logged_steps,
                "upstream_env_steps": run.record.cost.upstream_env_steps,
                "mean_return": run.final.mean,
                "path": run.path,
            }
            for run in counted
            if run.final is not None
        ],
    }
