"""Failures and regret while learning: robots break while they learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlformer.core.spaces import Array
from rlformer.evaluator.judge.choices import Breakage, Breaking, BrokenRun, Failing, WhileLearning
from rlformer.evaluator.judge.equal_data import levels
from rlformer.evaluator.judge.estimates import mean_of
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.prices import maker_of
from rlformer.evaluator.judge.risks import is_failure, worse_than_log
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.runs.episodes import TrainingEpisodes


def breaking(
    evidence: Evidence, terms: Terms, scale: Scale | None, trained: Mapping[str, TrainingEpisodes]
) -> Breaking | None:
    """Failures and regret of every trained arm while it learned; None where nothing says what a good return is.

    An episode has failed below the 5 % quantile of the log's own episodes; without a log below random play's mean. It
    falls short of the reference by max(0, 1 - z). trained: episodes by the path of their run, where recorded.
    """
    if scale is None:
        return None
    failing = worse_than_log(evidence, scale) or Failing("random", scale.random)
    assert failing.level is not None
    tallies = {path: _Tally.of(episodes, failing.level, scale) for path, episodes in trained.items()}
    reached = _reached(evidence, terms)
    arms = tuple(_arm(evidence, arm, tallies, reached) for arm in evidence.trained)
    return Breaking(failing, scale.reference, scale.measured, arms)


@dataclass(frozen=True)
class _Tally:
    """A run's training episodes, each with what was counted up to its end: arrays (episodes,)."""

    steps: Array
    failures: Array
    shortfall: Array

    @classmethod
    def of(cls, episodes: TrainingEpisodes, level: float, scale: Scale) -> _Tally:
        fails = [is_failure(value, level, scale) for value in episodes.returns.tolist()]
        z = (episodes.returns - scale.random) / scale.unit
        return cls(episodes.steps, np.cumsum(fails, dtype=np.int64), np.cumsum(np.maximum(0.0, 1 - z)))

    def until(self, step: float) -> tuple[int, int, float]:
        """Episodes that ended by that step, failures among them, the sum of their shortfalls."""
        count = int(np.searchsorted(self.steps, step, side="right"))
        return (count, int(self.failures[count - 1]), float(self.shortfall[count - 1])) if count else (0, 0, 0.0)


def _reached(evidence: Evidence, terms: Terms) -> dict[tuple[str, int], float]:
    """Steps to the verdict's threshold, by arm and seed, of the runs that reached it."""
    if evidence.needs is None:
        return {}
    rows = [row for row in evidence.needs.online if row.threshold == terms.threshold]
    return {
        (row.label, seed): time
        for row in rows
        for seed, time in zip(row.seeds, row.times, strict=True)
        if time is not None
    }


def _arm(
    evidence: Evidence,
    arm: ArmEvidence,
    tallies: Mapping[str, _Tally],
    reached: Mapping[tuple[str, int], float],
) -> WhileLearning:
    behind = _behind(evidence, arm, tallies)
    if not arm.steps_env:
        nothing = _breakage([(0, 0, 0.0)] * len(arm.counted))
        return WhileLearning(arm.label, nothing, nothing, behind, ())
    known = [(run, tallies[run.path]) for run in arm.counted if run.path in tallies]
    if len(known) < len(arm.counted):
        return WhileLearning(arm.label, None, None, behind, ())
    times = [reached.get((arm.label, run.seed)) for run, _ in known]
    return WhileLearning(
        label=arm.label,
        to_threshold=_breakage(
            [tally.until(np.inf if time is None else time) for (_, tally), time in zip(known, times, strict=True)]
        ),
        budget=_breakage([tally.until(np.inf) for _, tally in known]),
        behind_log=behind,
        runs=tuple(_run(run, tally, time) for (run, tally), time in zip(known, times, strict=True)),
    )


def _behind(evidence: Evidence, arm: ArmEvidence, tallies: Mapping[str, _Tally]) -> Breakage | None:
    """What broke in the training that made an arm's logs, up to where they were cut."""
    maker = maker_of(evidence, arm)
    if maker is None:
        return None
    makers = {run.seed: tallies[run.path] for run in maker.counted if run.path in tallies}
    runs = [(run, makers[run.seed]) for run in arm.counted if run.seed in makers]
    if not runs or len(runs) < len(arm.counted):
        return None
    return _breakage([tally.until(run.cost.upstream_env_steps or np.inf) for run, tally in runs])


def _breakage(counted: Sequence[tuple[int, int, float]]) -> Breakage:
    episodes, failures, shortfall = (np.array(values, float) for values in zip(*counted, strict=True))
    return Breakage(mean_of(episodes), mean_of(failures), mean_of(shortfall))


def _run(run: RunFacts, tally: _Tally, until: float | None) -> BrokenRun:
    steps = [step for step in levels(run.cost.env_steps) if step < run.cost.env_steps]
    steps.append(run.cost.env_steps)
    found = [tally.until(step) for step in steps]
    episodes, failures, shortfall = (tuple(values) for values in zip(*found, strict=True))
    return BrokenRun(run.seed, tuple(steps), episodes, failures, shortfall, until)
