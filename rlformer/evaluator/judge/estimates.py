"""Means over runs with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rlformer import statistics
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.values import Estimate, Spread


def estimate(found: statistics.Interval) -> Estimate:
    """An interval of the statistics as evidence."""
    return Estimate(found.low, found.point, found.high)


def interval(
    values: Array, logs: Sequence[str | None], resample: bool, episodes: Array | None = None
) -> Estimate | None:
    """Mean over runs (runs,) with its interval: no ends where nothing can be resampled, None without runs.

    episodes: (runs, episodes), of which the values are the means, where all runs played the same ones: other episodes
    would have given other values, so that the interval is over runs and episodes (see `on_shared_episodes`), and
    never narrower than that over runs alone: of few runs, few means can be drawn.
    """
    if not len(values):
        return None
    if not resample:
        return Estimate(None, float(values.mean()), None)
    rng, sources = np.random.default_rng(0), shared_logs(logs)
    found = statistics.bootstrap(lambda runs: runs.mean(axis=1), values, rng=rng, sources=[sources]).interval()
    if episodes is None or min(episodes.shape) < 2:
        return estimate(found)
    both = statistics.crossed_bootstrap(episodes, rng, sources=sources).interval()
    return Estimate(min(found.low, both.low), found.point, max(found.high, both.high))


def on_shared_episodes(
    results: Sequence[EvalResult], scores: Callable[[EvalResult], Array | None] = lambda result: result.returns
) -> Array | None:
    """What each run scored on each episode, (runs, episodes), where all runs played the same episodes.

    None where some did not, an environment ignores its seed, or a run has no such scores. scores: (E,) of a result.
    """
    if not results or any(result.seed_obeyed is False for result in results):
        return None
    if any(not np.array_equal(result.seeds, results[0].seeds) for result in results):
        return None
    found = [scores(result) for result in results]
    return None if any(row is None for row in found) else np.array(found, np.float64)


def mean_of(values: Array, logs: Sequence[str | None] | None = None) -> Estimate:
    """As `interval`, of one run or more (runs,): no ends of one alone. logs: of the runs, where some share one."""
    if len(values) > 1 and (values == values[0]).all():  # however they are drawn
        return Estimate(float(values[0]), float(values[0]), float(values[0]))
    found = interval(values, [None] * len(values) if logs is None else logs, len(values) > 1)
    assert found is not None, "no run"
    return found


def shared_logs(logs: Sequence[str | None]) -> list[str] | None:
    """A label per run for the two-level bootstrap; None where no two runs share a log, or all of them do."""
    if None in logs or not 1 < len(set(logs)) < len(logs):
        return None
    return [str(log) for log in logs]


def scored(found: Estimate, score: Callable[[float], float]) -> Estimate:
    """The interval of a score that is linear in the return: the ends map to ends, reversed if less is better."""
    ends = found.interval
    low, high = (None, None) if ends is None else sorted(map(score, ends))
    return Estimate(low, score(found.point), high)


def normalized(found: Estimate | None, env: EnvSpec) -> Estimate | None:
    """The interval of z: z is linear in the return, so the ends map to ends (reversed if less is better)."""
    if found is None:
        return None
    point = env.normalize(found.point)
    if point is None:
        return None
    low, high = (None if end is None else env.normalize(end) for end in (found.low, found.high))
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Estimate(low, point, high)


def spread(values: Sequence[float | None]) -> Spread | None:
    """Mean, least and most over runs; None where a run does not know."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return Spread(float(np.mean(known)), min(known), max(known))


def spreads(tables: Sequence[Mapping[str, float]]) -> dict[str, Spread | None]:
    """The spread of each name that occurs."""
    keys = list(dict.fromkeys(key for table in tables for key in table))
    return {key: spread([table.get(key) for table in tables]) for key in keys}
