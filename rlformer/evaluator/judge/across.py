"""Several environments at once: each arm on each of them, and over all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge import aggregates
from rlformer.evaluator.judge.arms import rung


def across(environments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`units`: for each environment "z", or "return" where its card has no scores. `rows`: one per arm.

    A row holds the arm's `scores` in those units, None where it did not run, and the `interquartile_mean` of z
    over its runs on all environments that have one, None where it is absent on some of these or they are fewer
    than two; its interval is a bootstrap of runs within each environment (Agarwal et al. 2021).
    `tasks`: the environments that have z, where they are two or more; over the arms that finished runs on all of them
    then also `profiles` and `improvement`, see `aggregates` (each None where there is nothing to show).
    """
    units = ["return" if _reference(environment) is None else "z" for environment in environments]
    arms = {(rung(a["family"], a["agent"], a["label"])): a["label"] for e in environments for a in e["arms"]}
    rows = []
    for _, label in sorted(arms.items()):
        found = [next((a for a in e["arms"] if a["label"] == label), None) for e in environments]
        keys = ("normalized_score" if unit == "z" else "mean_return" for unit in units)
        rows.append(
            {
                "label": label,
                "scores": [arm and arm[key] for arm, key in zip(found, keys, strict=True)],
                "interquartile_mean": _interquartile_mean(
                    [arm for arm, unit in zip(found, units, strict=True) if unit == "z"]
                ),
            }
        )
    scored = [environment for environment, unit in zip(environments, units, strict=True) if unit == "z"]
    labels = [row["label"] for row in rows]
    scores = _everywhere(labels, scored) if len(scored) > 1 else {}
    return {
        "units": units,
        "rows": rows,
        "tasks": [environment["name"] for environment in scored] if len(scored) > 1 else [],
        "left_out": [label for label in labels if label not in scores] if len(scored) > 1 else [],
        "profiles": aggregates.profiles(scores) if scores else None,
        "improvement": aggregates.improvements(scores) if len(scores) > 1 else None,
    }


def _everywhere(labels: Sequence[str], environments: Sequence[Mapping[str, Any]]) -> dict[str, list[Array]]:
    """The normalised scores of each arm that finished runs on all of these environments, one array for each."""
    found = {}
    for label in labels:
        arms = [next((a for a in e["arms"] if a["label"] == label), None) for e in environments]
        runs = [[run["normalized_score"] for run in arm["runs"] if run["counts"]] for arm in arms if arm]
        if len(runs) == len(environments) and all(runs):
            found[label] = [np.array(task) for task in runs]
    return found


def _reference(environment: Mapping[str, Any]) -> float | None:
    card = environment["card"]
    return card.get("reference_score") if card.get("random_score") is not None else None


def _interquartile_mean(arms: Sequence[Mapping[str, Any] | None]) -> dict[str, float | None] | None:
    scores = [[run["normalized_score"] for run in arm["runs"] if run["counts"]] for arm in arms if arm]
    if len(scores) < max(2, len(arms)) or not all(scores):
        return None
    tasks = [np.array(task) for task in scores]
    if max(len(task) for task in tasks) < 2:
        return {"low": None, "point": float(statistics.interquartile_mean(tasks)), "high": None}
    rng = np.random.default_rng(0)
    interval = statistics.stratified_bootstrap(statistics.interquartile_mean, tasks, rng=rng).interval()
    return {"low": interval.low, "point": interval.point, "high": interval.high}
