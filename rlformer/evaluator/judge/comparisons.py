"""Arms against each other: differences with their intervals, and how much so many seeds may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.estimates import shared_logs

MARGIN = 0.05  # of the normalised score: a smaller difference does not matter
LEAN_BELOW, CLAIM_FROM = 10, 20  # seeds


def compare_arms(environment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The comparisons that the summary draws on, for one environment of the results.

    best: the arm with the highest mean against every other trained one. filtered: dt against bc-top. log: dt
    against the log's own episodes. families: the best online arm against dt. Without a dt, the best sequence
    arm stands in for it.
    """
    arms = [arm for arm in environment["arms"] if arm["mean_return"] is not None]
    trained = [arm for arm in arms if arm["family"] not in ("random", "behaviour")]
    if not trained:
        return []
    best = max(trained, key=standing)
    pairs = [("best", best, arm) for arm in trained if arm is not best]
    sequence = [arm for arm in arms if arm["family"] == "sequence"]
    online = [arm for arm in arms if arm["family"] == "online"]
    if sequence:
        transformer = max([arm for arm in sequence if arm["agent"] == "dt"] or sequence, key=standing)
        for question, agent in (("filtered", "bc-top"), ("log", "behaviour")):
            other = _counterpart(arms, agent, transformer)
            if other is not None and other is not transformer:
                pairs.append((question, transformer, other))
        if online:
            pairs.append(("families", max(online, key=standing), transformer))
    spec = EnvSpec.from_dict(environment["card"])
    return [{"question": question, **difference(a, b, spec)} for question, a, b in pairs]


def difference(a: Mapping[str, Any], b: Mapping[str, Any], spec: EnvSpec) -> dict[str, Any]:
    """Mean return of arm a minus that of arm b over their finished runs, with its 95 % bootstrap interval.

    Runs are paired by seed where both arms have the same seeds: seed s of an offline arm learned from the log
    of seed s. outcome: ahead, behind, equivalent (the whole interval within MARGIN of z), open (none of
    these), or unknown (no interval). strength: lean, probable or claim, by the number of seeds.
    """
    runs_a, runs_b = _finished(a), _finished(b)
    paired = [run["seed"] for run in runs_a] == [run["seed"] for run in runs_b]
    seeds = min(len(runs_a), len(runs_b))
    x, y = (np.array([run["mean_return"] for run in runs]) for runs in (runs_a, runs_b))
    point, low, high = float(x.mean() - y.mean()), None, None
    if seeds > 1:
        interval = statistics.bootstrap_difference(
            x, y, np.random.default_rng(0), paired=paired, sources=sources(runs_a, runs_b, paired)
        ).interval()
        low, high = interval.low, interval.high
    scale = None
    if spec.random_score is not None and spec.reference_score is not None:
        scale = spec.reference_score - spec.random_score
    return {
        "a": a["label"],
        "b": b["label"],
        "seeds": seeds,
        "paired": paired,
        "difference": {"low": low, "point": point, "high": high},
        "outcome": _outcome(low, high, scale),
        "strength": strength(seeds),
    }


def strength(seeds: int) -> str:
    """How much that many seeds may say."""
    return "lean" if seeds < LEAN_BELOW else "probable" if seeds < CLAIM_FROM else "claim"


def _outcome(low: float | None, high: float | None, scale: float | None) -> str:
    """`scale`: the difference of return that is 1 of z; without it nothing says what difference is small."""
    if low is None or high is None:
        return "unknown"
    if scale is not None and max(abs(low), abs(high)) < MARGIN * abs(scale):
        return "equivalent"
    return "ahead" if low > 0 else "behind" if high < 0 else "open"


def sources(
    runs_a: Sequence[Mapping[str, Any]], runs_b: Sequence[Mapping[str, Any]], paired: bool
) -> list[list[str] | None]:
    """Labels of the logs that runs share; a pair belongs to the log of its offline half."""
    logs_a, logs_b = ([run["data_hash"] for run in runs] for runs in (runs_a, runs_b))
    if paired:
        return [shared_logs([a or b for a, b in zip(logs_a, logs_b, strict=True)])]
    return [shared_logs(logs_a), shared_logs(logs_b)]


def _counterpart(arms: Sequence[dict[str, Any]], agent: str, arm: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arm of that agent that learned from the most of the logs that `arm` learned from; None if from none."""
    logs = _logs(arm)
    candidates = [other for other in arms if other["agent"] == agent and logs & _logs(other)]
    return max(candidates, key=lambda other: len(logs & _logs(other)), default=None)


def _logs(arm: Mapping[str, Any]) -> set[str]:
    return {run["data_hash"] for run in _finished(arm) if run["data_hash"] is not None}


def _finished(arm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [run for run in arm["runs"] if run["counts"]]


def standing(arm: Mapping[str, Any]) -> tuple[float, float]:
    """What the best of some arms is the largest of: its mean return, and where that ties, fewer environment steps."""
    cost = arm["cost"]
    steps = [cost[key]["mean"] or 0.0 for key in ("env_steps", "upstream_env_steps") if cost[key] is not None]
    return float(arm["mean_return"]["point"]), -sum(steps)
