"""How much data each arm needs to reach a threshold, and what that costs as the price of the log varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.estimates import shared_logs
from rlformer.evaluator.judge.prices import ONLINE, Scale, Terms, counted, made_here, maker_of, scale_of
from rlformer.evaluator.measure.evaluation import CONFIRM_FROM

THRESHOLDS = (0.5, 0.9, 0.95)
SHARES = tuple(np.linspace(0, 1, 11).tolist())  # of lambda
_RESAMPLES = 2000
_KEEP = 3  # evaluations in a row


def needs(environment: Mapping[str, Any], terms: Terms) -> dict[str, Any] | None:
    """Time to threshold and cost of every trained arm; None where nothing says what a good return is.

    `online`: environment steps until the curve stays at the threshold, confirmed on fresh episodes. `grid`: logged
    steps of the smallest share of a log that reaches it. `early`: the steps behind that share against the steps that
    the online arm took itself whose training the log is. `costs`: each arm's cost against lambda.
    """
    scale = scale_of(environment)
    if scale is None:
        return None
    levels = sorted({*THRESHOLDS, terms.threshold})
    online = [arm for arm in environment["arms"] if arm["family"] == ONLINE and counted(arm)]
    rows = [row for arm in online for level in levels if (row := _online(arm, level, scale)) is not None]
    grid = [row for curve in environment["grid"] for level in levels if (row := _grid(curve, level, scale)) is not None]
    return {
        "thresholds": levels,
        "scale": {"random": scale.random, "reference": scale.reference, "source": scale.source},
        "online": rows,
        "grid": grid,
        "early": [pair for row in grid for pair in _early(environment, row, rows)],
        "costs": [_costs(environment, arm, terms, scale) for arm in environment["arms"] if _trained(arm)],
    }


def _trained(arm: Mapping[str, Any]) -> bool:
    return arm["family"] not in ("random", "behaviour") and bool(counted(arm))


def _online(arm: Mapping[str, Any], level: float, scale: Scale) -> dict[str, Any] | None:
    runs = [run for run in counted(arm) if any(step > 0 for step in run["curve"]["step"])]
    if not runs:
        return None
    budget = min(run["curve"]["step"][-1] for run in runs)
    times = np.array([_time(run["curve"], level, budget, scale) for run in runs])
    fresh = level >= CONFIRM_FROM and all(
        any(value is not None for value in run["curve"]["confirmed"]) or not np.isfinite(t)
        for run, t in zip(runs, times, strict=True)
    )
    return {
        "label": arm["label"],
        "seeds": [run["seed"] for run in runs],
        **_survival(times, budget, level),
        "survival": _curve(times, budget),
        "confirmed": fresh,  # whether fresh episodes confirmed every crossing; runs made before did not play them
    }


def _time(curve: Mapping[str, Sequence[Any]], level: float, budget: float, scale: Scale) -> float:
    known = [(s, r, c) for s, r, c in zip(curve["step"], curve["return"], curve["confirmed"], strict=True) if s > 0]
    scores = [scale.z(value) for _, value, _ in known]
    fresh = [value for _, _, value in known]
    confirmed = None  # fresh episodes are played from CONFIRM_FROM on
    if level >= CONFIRM_FROM and any(value is not None for value in fresh):
        confirmed = [value is not None and scale.z(value) >= level for value in fresh]
    steps = [step for step, _, _ in known]
    return statistics.time_to_threshold(steps, scores, level, budget, keep=_KEEP, confirmed=confirmed)


def _survival(times: Array, budget: float, level: float) -> dict[str, Any]:
    reached = int(np.isfinite(times).sum())
    share = statistics.wilson_interval(reached, len(times))
    ert = float(statistics.ert(times, budget))
    median = statistics.median_time(times, budget)
    return {
        "threshold": level,
        "budget": budget,
        "times": [float(t) if np.isfinite(t) else None for t in times],  # None: censored at the budget
        "reached": reached,
        "success_rate": {"low": share.low, "point": share.point, "high": share.high},
        "rmst": float(statistics.rmst(times, budget)),
        "ert": ert if np.isfinite(ert) else None,  # None: infinite
        "median": median if np.isfinite(median) else None,
    }


def _curve(times: Array, budget: float) -> dict[str, list[float]] | None:
    """Kaplan-Meier; None for a single run."""
    if len(times) < 2:
        return None
    curve = statistics.kaplan_meier(times, budget)
    return {key: getattr(curve, key).tolist() for key in ("times", "survival", "low", "high")}


def _grid(curve: Mapping[str, Any], level: float, scale: Scale) -> dict[str, Any] | None:
    by_seed: dict[int, list[Mapping[str, Any]]] = {}
    for point in curve["points"]:
        for run in point["runs"]:
            by_seed.setdefault(run["seed"], []).append(run)
    if not by_seed:
        return None
    upper, behind, largest = [], [], []
    for runs in by_seed.values():
        # Two shares may hold the same episodes, and then the same number of steps.
        grid = list({run["logged_steps"]: run for run in sorted(runs, key=lambda run: run["logged_steps"])}.values())
        sizes, scores = [run["logged_steps"] for run in grid], [scale.z(run["mean_return"]) for run in grid]
        _, high = statistics.data_to_threshold(sizes, scores, level)
        upper.append(high)
        largest.append(sizes[-1])
        behind.append(grid[sizes.index(high)]["upstream_env_steps"] if np.isfinite(high) else np.inf)
    budget = float(min(largest))  # that all seeds have: what is reached beyond it is censored there
    times = np.where(np.array(upper) <= budget, upper, np.inf)
    steps = [step if step is not None and np.isfinite(t) else None for step, t in zip(behind, times, strict=True)]
    row = {"agent": curve["agent"], "log": curve["log"], "seeds": list(by_seed)}
    return {**row, **_survival(times, budget, level), "env_steps": steps}


def _early(
    environment: Mapping[str, Any], row: Mapping[str, Any], online: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """How early could the training have been stopped? The steps behind the smallest share against the agent's own."""
    arms = [arm for arm in environment["arms"] if arm["agent"] == row["agent"] and counted(arm)]
    makers = [maker for arm in arms if (maker := maker_of(environment, arm)) is not None]
    maker = makers[0] if makers else None
    own = next(
        (o for o in online if maker and (o["label"], o["threshold"]) == (maker["label"], row["threshold"])), None
    )
    if own is None or row["log"] != "full":  # a prefix of a training, not episodes collected after it
        return []
    both = [seed for seed in row["seeds"] if seed in own["seeds"]]
    if len(both) < 2:
        return []
    budget = own["budget"]
    first = _at(row["seeds"], row["env_steps"], both)
    second = _at(own["seeds"], own["times"], both)
    ratio = statistics.log_rmst_ratio(first, second, budget, np.random.default_rng(0), paired=True).interval()
    return [
        {
            "agent": row["agent"],
            "online": own["label"],
            "threshold": row["threshold"],
            "seeds": both,
            "reached": [int(np.isfinite(values).sum()) for values in (first, second)],
            "rmst": [float(statistics.rmst(values, budget)) for values in (first, second)],
            "log_rmst_ratio": {"low": ratio.low, "point": ratio.point, "high": ratio.high},
        }
    ]


def _at(seeds: Sequence[int], values: Sequence[float | None], wanted: Sequence[int]) -> Array:
    known = dict(zip(seeds, values, strict=True))
    return np.array([np.inf if known[seed] is None else known[seed] for seed in wanted], float)


def _costs(environment: Mapping[str, Any], arm: Mapping[str, Any], terms: Terms, scale: Scale) -> dict[str, Any]:
    """Cost of a success against lambda, with its band; None where no run succeeded, so that it is infinite."""
    runs = counted(arm)
    solved = np.array([scale.z(run["mean_return"]) >= terms.threshold for run in runs])
    own = terms.settled(made_here(environment, arm))
    free = terms.logged_step is None  # a logged step then costs lambda of an environment step
    priced = np.array([[_with_share(own, share, free).cost(run) for share in SHARES] for run in runs])  # (runs, shares)
    unknown = any(run["cost"]["upstream_env_steps"] is None for run in runs)
    found: dict[str, Any] = {"label": arm["label"], "solved": int(solved.sum()), "runs": len(runs), "unknown": unknown}
    if not solved.any():
        return {**found, "mean": None, "low": None, "high": None}
    mean = priced.sum(axis=0) / solved.sum()
    low = high = None
    if len(runs) > 1:
        sample = np.concatenate([priced, solved[:, None]], axis=1)
        labels = [shared_logs([run["data_hash"] for run in runs])]
        rng = np.random.default_rng(0)
        band = statistics.bootstrap(_per_success, sample, rng=rng, sources=labels, resamples=_RESAMPLES).band()
        low, high = band.low.tolist(), band.high.tolist()
    return {**found, "mean": mean.tolist(), "low": low, "high": high}


def _per_success(sample: Array) -> Array:
    """(resamples, runs, shares + 1), the last column telling success -> (resamples, shares); inf without one."""
    spent, solved = sample[..., :-1].sum(axis=1), sample[..., -1:].sum(axis=1)
    return np.where(solved > 0, spent / np.maximum(solved, 1), np.inf)


def _with_share(terms: Terms, share: float, free: bool) -> Terms:
    """The terms at another lambda."""
    return replace(terms, share=share, logged_step=None if free else terms.logged_step).settled(made_here=False)
