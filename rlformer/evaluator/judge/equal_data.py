"""What every arm has after 1, 2, 4, ... thousand steps: for who has a budget, not a threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from rlformer.evaluator.judge.choices import EqualData, EqualScore
from rlformer.evaluator.judge.estimates import mean_of
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.outcomes import prefixes

FIRST = 1000  # steps

Points = Mapping[int, Sequence[tuple[float, float]]]  # by seed: steps, score; ascending in steps


def equal_data(evidence: Evidence, score: Callable[[float], float]) -> tuple[EqualData, ...]:
    """Every trained arm at the doublings of FIRST.

    What learns by interaction has the point of its curve there, or the last before it: nothing is interpolated. What
    learns from a log alone has the model of the longest prefix that is not longer, among those of the data-scaling
    grid and its own log: counted by all the environment steps behind the log, and by those that it read. A number of
    steps is left out where a seed has nothing yet, and where no seed has measured anything since half of it.
    """
    found = []
    for arm in evidence.trained:
        if arm.steps_env:
            rows: list[tuple[Literal["env_steps", "logged_steps"], Points]] = [("env_steps", _curves(arm, score))]
        else:
            read, behind = _logs(evidence, arm, score)
            rows = [("env_steps", behind), ("logged_steps", read)]
        logs = {run.seed: run.data_hash for run in arm.counted}
        for by, points in rows:
            scores = tuple(_scores(points, logs))
            if scores:
                found.append(EqualData(arm.label, by, scores))
    return tuple(found)


def levels(most: float) -> list[int]:
    """FIRST and its doublings, up to the first that is not less than `most`.

    >>> levels(2000), levels(2001), levels(999)
    ([1000, 2000], [1000, 2000, 4000], [1000])
    """
    found = [FIRST]
    while found[-1] < most:
        found.append(2 * found[-1])
    return found


def _scores(points: Points, logs: Mapping[int, str | None]) -> Iterator[EqualScore]:
    """At each level that all seeds have a measurement for, and one of them a new one."""
    most = max((steps for own in points.values() for steps, _ in own), default=0.0)
    for level in levels(most) if most else ():
        before = {seed: [point for point in own if point[0] <= level] for seed, own in points.items()}
        last = {seed: found[-1] for seed, found in before.items() if found}
        if len(last) < len(points) or all(steps <= level / 2 for steps, _ in last.values()):
            continue
        values, sources = np.array([value for _, value in last.values()]), [logs.get(seed) for seed in last]
        yield EqualScore(
            level, mean_of(values, sources), len(last), float(np.mean([steps for steps, _ in last.values()]))
        )


def _curves(arm: ArmEvidence, score: Callable[[float], float]) -> Points:
    """By environment steps, all those behind a log that it began with among them."""
    return {
        run.seed: [
            (step + _upstream(run), score(value))
            for step, value in zip(run.curve.step, run.curve.return_, strict=True)
            if step + _upstream(run) > 0
        ]
        for run in arm.counted
        if run.cost.upstream_env_steps is not None
    }


def _upstream(run: RunFacts) -> int:
    return run.cost.upstream_env_steps or 0


def _logs(evidence: Evidence, arm: ArmEvidence, score: Callable[[float], float]) -> tuple[Points, Points]:
    """By logged steps, and by all the steps behind them: the arm itself, and its agent on prefixes of the same log."""
    read: dict[int, dict[float, float]] = {}
    behind: dict[int, dict[float, float]] = {}
    for seed in [run.seed for run in arm.counted]:
        for prefix in prefixes(evidence, arm, seed):
            logged, upstream = prefix.cost.logged_steps, prefix.cost.upstream_env_steps
            if prefix.mean_return is None:
                continue
            read.setdefault(seed, {})[logged] = score(prefix.mean_return)
            if upstream is not None:
                behind.setdefault(seed, {})[max(upstream, logged)] = score(prefix.mean_return)
    return _sorted(read), _sorted(behind)


def _sorted(of: Mapping[int, Mapping[float, float]]) -> Points:
    return {seed: sorted(own.items()) for seed, own in of.items()}
