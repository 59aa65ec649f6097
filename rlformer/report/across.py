"""Several environments in one table: each arm on each of them, and the interquartile mean over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlformer import statistics


def across(environments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per arm: `scores`, its normalised score (else its return) on each environment, None where it is absent;
    `interquartile_mean` of z over the runs of all environments, None where z is missing on one of them.

    The interval is a bootstrap of runs within each environment (Agarwal et al. 2021).
    """
    labels = list(dict.fromkeys(arm["label"] for environment in environments for arm in environment["arms"]))
    rows = []
    for label in labels:
        arms = [next((a for a in e["arms"] if a["label"] == label), None) for e in environments]
        scores = [arm and (arm["normalized_score"] or arm["mean_return"]) for arm in arms]
        rows.append({"label": label, "scores": scores, "interquartile_mean": _interquartile_mean(arms)})
    return rows


def _interquartile_mean(arms: Sequence[Mapping[str, Any] | None]) -> dict[str, float | None] | None:
    tasks = []
    for arm in arms:
        if arm is None or arm["normalized_score"] is None:
            return None
        tasks.append(np.array([run["normalized_score"] for run in arm["runs"] if run["counts"]]))
    if max(len(task) for task in tasks) < 2:
        return {"low": None, "point": float(statistics.interquartile_mean(tasks)), "high": None}
    rng = np.random.default_rng(0)
    interval = statistics.stratified_bootstrap(statistics.interquartile_mean, tasks, rng=rng).interval()
    return {"low": interval.low, "point": interval.point, "high": interval.high}
