"""Runs in, results out: one JSON-ready dict from which every number of a report can be recomputed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core.records import SCHEMA, EnvSpec
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.arms import Arm, by_arm, by_environment
from rlformer.evaluator.judge.estimates import interval, normalized, rounded, shared_logs, spread, spreads
from rlformer.evaluator.judge.load import Run
from rlformer.evaluator.judge.scaling import scaling

MAX_RETURNS = 1000  # of a log in `returns`; above it, evenly spaced order statistics stand for all
MAX_POINTS = 60  # of a curve
BAND_RESAMPLES = 2000
REFERENCES = ("random", "behaviour")  # learners that choose nothing: their actions are sampled by nature
CURVE = ("step", "seconds", "return", "confirmed")
COSTS = ("env_steps", "selection_env_steps", "logged_steps", "upstream_env_steps", "samples_seen")


def collect(
    runs: Sequence[Run],
    skipped: Sequence[Mapping[str, str]] = (),
    missing: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Environments, their arms, the runs of each, and statistics over its finished runs.

    missing: runs that left no directory, as `build` takes them. Each is told with its environment, or beside the
    environments where that has no run at all.
    Intervals are 95 % percentile bootstraps over seeds, each run reduced to its mean return; where some runs
    share a log, logs are drawn first and then the runs on each. Floats keep seven significant digits.
    """
    machines = _Distinct()
    environments = [_environment(name, group, machines) for name, group in by_environment(runs).items()]
    results = {
        "schema": SCHEMA,
        "environments": environments,
        "machines": machines.values,
        "skipped": [dict(item) for item in skipped],
        "missing": _place(missing, environments),
    }
    clean: dict[str, Any] = rounded(results)
    return clean


def _place(missing: Sequence[Mapping[str, Any]], environments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each missing run to its environment, and its seed to its arm if there is just one; return the others."""
    homeless = []
    for item in missing:
        homes = [environment for environment in environments if environment["card"]["name"] == item["env"]]
        if len(homes) != 1:
            homeless.append(dict(item))
            continue
        homes[0]["missing"].append(dict(item))
        arms = [arm for arm in homes[0]["arms"] if arm["agent"] == item["agent"]]
        if len(arms) == 1 and item["seed"] not in [run["seed"] for run in arms[0]["runs"]]:
            arms[0]["missing"].append(item["seed"])
    return homeless


class _Distinct:
    """Numbers values in the order of their first appearance."""

    def __init__(self) -> None:
        self.values: list[dict[str, Any]] = []

    def number(self, value: dict[str, Any]) -> int:
        if value not in self.values:
            self.values.append(value)
        return self.values.index(value)


def _environment(name: str, runs: list[Run], machines: _Distinct) -> dict[str, Any]:
    env = runs[0].spec.env
    cards = Counter((run.spec.env.random_score, run.spec.env.reference_score) for run in runs)
    evaluated = [run.final for run in runs if run.final is not None and run.spec.agent.learner != "behaviour"]
    return {
        "name": name,
        "card": env.to_dict(),
        "cards_differ": len(cards) > 1,  # scores of one and the same environment; the first run's are used
        "evaluation": {
            "episodes": sorted({len(result.returns) for result in evaluated}),
            "same_seeds": len({result.seeds.tobytes() for result in evaluated}) <= 1,
            "first_seed": int(evaluated[0].seeds[0]) if evaluated else None,
            "action_selection": _action_selection([run for run in runs if run.spec.agent.learner not in REFERENCES]),
        },
        "logs": _logs([run for run in runs if run.budget is None]),
        "arms": [_arm(arm, env, machines) for arm in by_arm([run for run in runs if run.budget is None])],
        "grid": scaling(runs, env),
        "missing": [],  # runs without a directory
    }


def _action_selection(runs: Sequence[Run]) -> list[str]:
    """How the evaluated ones of these runs chose their actions. Random play samples, whatever its record says."""
    evaluated = [(run.spec.agent.learner, run.final) for run in runs if run.final is not None]
    return sorted({"sampled" if learner == "random" else final.action_selection for learner, final in evaluated})


def _logs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every log that a run learned from: what the runs say of it, and its returns where an arm holds them."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        if run.data_hash is None:
            continue
        log = found.setdefault(run.data_hash, {"hash": run.data_hash, "seeds": []})
        assert run.spec.log is not None
        for key, value in run.spec.log.to_dict().items():
            log.setdefault(key, value)
        if run.record.seed not in log["seeds"]:
            log["seeds"].append(run.record.seed)
        if run.spec.agent.learner == "behaviour" and run.final is not None:
            quartiles = np.quantile(run.final.returns, [0.25, 0.5, 0.75]).tolist()
            log["quartiles"] = dict(zip(("q1", "median", "q3"), quartiles, strict=True))
        log.pop("path", None)  # of the machine that made it
    return sorted(found.values(), key=lambda log: (min(log["seeds"]), log["hash"]))


def _arm(arm: Arm, env: EnvSpec, machines: _Distinct) -> dict[str, Any]:
    counted = [run for run in arm.runs if run.counts]
    means = np.array([run.final.mean for run in counted if run.final is not None])
    solved = np.array([_success_rate(run, env) or 0.0 for run in counted])
    logs = [run.data_hash for run in counted]
    reason = _why_nointerval(arm, logs)
    mean_return = interval(means, logs, reason is None)
    config = arm.runs[0].spec
    return {
        "label": arm.label,
        "agent": arm.agent,
        "family": arm.family,
        "log": arm.log,
        "learner": config.agent.learner,
        "tuning": config.agent.tuning,
        "hyperparameters": dict(config.values),
        "seeds": [run.record.seed for run in counted],
        "failed": sum(run.record.status == "failed" for run in arm.runs),
        "missing": [],  # seeds without a run directory
        "unfinished": sum(not run.counts and run.record.status != "failed" for run in arm.runs),
        "mean_return": mean_return,
        "normalized_score": normalized(mean_return, env),
        "success_rate": None if env.solved_threshold is None else interval(solved, logs, reason is None),
        "no_interval": reason,
        "action_selection": _action_selection(arm.runs),
        "cost": {key: spread([getattr(run.record.cost, key) for run in counted]) for key in COSTS},
        "times": spreads([run.record.times for run in counted]),
        "parameters": spread([run.record.parameters or None for run in counted]),
        "inference_seconds": spreads([run.record.inference_seconds for run in counted]),
        "flops": spreads([run.record.flops for run in counted]),
        "peak_memory_bytes": spread([run.record.peak_memory_bytes or None for run in counted]),
        "peak_gpu_memory_bytes": spread([run.record.peak_gpu_memory_bytes or None for run in counted]),
        "film": _film(counted),
        "curve_unit": "env_steps" if arm.family == "online" else "gradient_steps",
        "curves": {axis: _band([run for run in counted if run.curve], axis) for axis in ("step", "seconds")},
        "runs": [_run(run, env, machines) for run in arm.runs],
    }


def _film(runs: Sequence[Run]) -> dict[str, Any] | None:
    """What there is to watch of an arm, or `skipped`, why there is nothing; pictures stay with the run."""
    filmed = [run for run in runs if run.film is not None]
    shown = next((run for run in filmed if run.film and run.film.webp), next(iter(filmed), None))
    if shown is None or shown.film is None:
        return None
    return {"seed": shown.record.seed, "run": shown.path, **shown.film.told}


def _run(run: Run, env: EnvSpec, machines: _Distinct) -> dict[str, Any]:
    record, final = run.record, run.final
    result: dict[str, Any] = {
        "seed": record.seed,
        "status": record.status,
        "counts": run.counts,  # whether it enters the statistics
        "error": record.error,
        "notes": record.notes,
        "progress": record.progress,
        "path": run.path,
        "spec_hash": record.spec_hash,
        "data_hash": run.data_hash,
        "mean_return": None if final is None else final.mean,
        "normalized_score": None if final is None else env.normalize(final.mean),
        "success_rate": None if final is None else _success_rate(run, env),
        "episodes": 0 if final is None else len(final.returns),
        "target_return": None if final is None else final.target_return,
        "returns": None if final is None else _thin_returns(final.returns),
        "cost": asdict(record.cost),
        "times": record.times,
        "parameters": record.parameters,
        "inference_seconds": record.inference_seconds,
        "flops": record.flops,
        "peak_memory_bytes": record.peak_memory_bytes,
        "peak_gpu_memory_bytes": record.peak_gpu_memory_bytes,
        "scales": record.scales,
        "sampled": _sampled(run),
        "asked": [
            {"target_return": r.target_return, "mean_return": r.mean, "episodes": len(r.returns)} for r in run.asked
        ],
        "curve": {key: [point.get(key) for point in _thin(run.curve)] for key in CURVE},
        "machine": machines.number({**record.hardware, "versions": record.versions, "commit": record.commit}),
    }
    return result


def _why_nointerval(arm: Arm, logs: Sequence[str | None]) -> str | None:
    if not logs:
        return "no finished run"
    if arm.family == "behaviour" and len(set(logs)) == 1:
        return "one log, the same for every seed: its own mean, with nothing to resample"
    return "one seed: no interval" if len(logs) == 1 else None


def _sampled(run: Run) -> dict[str, float] | None:
    """Mean return of drawn actions and of the likeliest ones, on the same episodes."""
    if run.sampled is None or run.final is None:
        return None
    episodes = len(run.sampled.returns)
    return {"drawn": run.sampled.mean, "likeliest": float(run.final.returns[:episodes].mean()), "episodes": episodes}


def _success_rate(run: Run, env: EnvSpec) -> float | None:
    if env.solved_threshold is None or run.final is None:
        return None
    return float((run.final.returns >= env.solved_threshold).mean())


def _band(runs: Sequence[Run], axis: str) -> dict[str, list[float]] | None:
    """Mean curve with its pointwise interval, where every run has values; None if they share no stretch."""
    if not runs:
        return None
    xs = [np.array([point[axis] for point in run.curve]) for run in runs]
    start, end = max(x[0] for x in xs), min(x[-1] for x in xs)
    grid = np.unique(np.concatenate(xs))
    grid = grid[(grid >= start) & (grid <= end)]
    if len(grid) < 2:
        return None
    grid = grid[_indices(len(grid))]
    curves = np.array([np.interp(grid, x, [p["return"] for p in r.curve]) for x, r in zip(xs, runs, strict=True)])
    band = {"x": grid.tolist(), "mean": curves.mean(axis=0).tolist()}
    if len(runs) > 1:
        rng, labels = np.random.default_rng(0), [shared_logs([run.data_hash for run in runs])]
        resampled = statistics.bootstrap(
            lambda c: c.mean(axis=1), curves, rng=rng, sources=labels, resamples=BAND_RESAMPLES
        ).band()
        band |= {"low": resampled.low.tolist(), "high": resampled.high.tolist()}
    return band


def _indices(count: int) -> Array:
    """At most MAX_POINTS positions among `count`, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).round().astype(int))


def _thin(points: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    return [points[i] for i in _indices(len(points))] if points else []


def _thin_returns(returns: Array) -> list[float]:
    if len(returns) <= MAX_RETURNS:
        return list(returns.tolist())
    levels = np.linspace(0, len(returns) - 1, MAX_RETURNS).round().astype(int)
    return list(np.sort(returns)[levels].tolist())
