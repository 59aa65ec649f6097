"""From the evidence of an environment to its scorecard: who stands in it, what each needed, and who leads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.comparisons import difference
from rlformer.evaluator.judge.decision import BY_INTERACTION
from rlformer.evaluator.judge.estimates import interval
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.explanations.evidence import ExplainedArm
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.findings import Needs, Strength, Survival
from rlformer.evaluator.judge.pairing import common
from rlformer.evaluator.judge.prices import made_here, scale_of
from rlformer.evaluator.judge.scorecard import Amount, Column, ExplainedBy, Lead, RowName, Scorecard, Unit
from rlformer.evaluator.judge.standing import Candidate, alone, best, candidate_of
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.trials import Trial, trials
from rlformer.evaluator.judge.values import Estimate
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.evaluator.judge.weighing import ERRORS, SAME_COST, SEEDS, cost_error, firmest, weigh
from rlformer.runs.spec import HYBRID, ONLINE

_RESAMPLES = 2000
_FIRMNESS: tuple[Strength, ...] = tuple(ERRORS)  # from the firmest on
Beats = Mapping[tuple[int, int], Strength]  # by the places of two columns: how firmly the first one is ahead


def scorecard(evidence: Evidence, verdict: Verdict, needs: Needs | None) -> Scorecard | None:
    """The families and the simple arm side by side; None where no arm has finished.

    needs: what each arm needs to reach thresholds. Score: the arm that leads betters each other one by the verdict's
    test. Data and time: its restricted mean is lower by more than what counts as equal, by a joint bootstrap over runs.
    """
    terms, scale = verdict.terms, scale_of(evidence)
    standing = _standing(evidence, verdict)
    if not standing:
        return None
    taken = [_taken(evidence, one, terms, scale, needs) for one in standing]
    data, time = _with_budget([one.steps for one in taken]), _with_budget([one.seconds for one in taken])
    columns = tuple(
        _column(evidence, one, terms, scale, steps, seconds)
        for one, steps, seconds in zip(standing, data, time, strict=True)
    )
    leads = (
        _lead("score", columns, _by_score(evidence, standing, terms, scale)),
        _lead_of_amounts("data", columns, data),
        _lead_of_amounts("time", columns, time),
        _lead_of_explained(evidence, columns),
    )
    return Scorecard(columns, leads, terms.threshold if scale is not None else None)


def _standing(evidence: Evidence, verdict: Verdict) -> list[Candidate]:
    """Who stands for each family that may be chosen, and the simple arm that the verdict names, or the best one."""
    barred = () if verdict.terms.interaction else (ONLINE, HYBRID)
    families = [family for family in BY_INTERACTION if family not in barred]
    found = [one for family in families if (one := candidate_of(evidence.trained, family)) is not None]
    weighed = {row.label for row in verdict.simpler or ()}
    simple = [arm for arm in evidence.trained if arm.role == "simple"]
    chosen = best(arm for arm in simple if arm.label == verdict.arm) or best(
        arm for arm in simple if not weighed or arm.label in weighed
    )
    return found if chosen is None else [*found, alone(chosen)]


# What each needed.


@dataclass(frozen=True)
class _Taken:
    """What the runs of an arm took until they were good enough: inf where one never was, by seed."""

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    budget: float  # that was given
    unit: Unit


@dataclass(frozen=True)
class _Both:
    """Steps of data and seconds of training; None: not known."""

    steps: _Taken | None
    seconds: _Taken | None


def _taken(evidence: Evidence, one: Candidate, terms: Terms, scale: Scale | None, needs: Needs | None) -> _Both:
    """Of an arm that learns by interaction along its curves, of one that learns from a log by its logs."""
    if scale is None or needs is None:
        return _Both(None, None)
    runs = [run for run in one.arm.counted if run.seed in one.seeds]
    if one.arm.steps_env:
        return _along_curves(one.arm, runs, terms.threshold, needs)
    return _by_logs(one.arm, runs, terms.threshold, scale, needs)


def _along_curves(arm: ArmEvidence, runs: Sequence[RunFacts], level: float, needs: Needs) -> _Both:
    row = next((row for row in needs.online if (row.label, row.threshold) == (arm.label, level)), None)
    if row is None:
        return _Both(None, None)
    steps = _of_need(row, row.seeds, {run.seed for run in runs}, "env_steps")
    reached = dict(zip(steps.seeds, steps.values, strict=True))
    seconds = [
        _seconds_at(run, reached[run.seed]) if math.isfinite(reached[run.seed]) else math.inf
        for run in runs
        if run.seed in reached
    ]
    given = max((_training_seconds(run) for run in runs), default=0.0)
    return _Both(steps, _Taken(steps.seeds, tuple(seconds), given, "seconds"))


def _by_logs(arm: ArmEvidence, runs: Sequence[RunFacts], level: float, scale: Scale, needs: Needs) -> _Both:
    """The smallest share of a log that suffices, where shares were tried; else the log that the arm learned from."""
    reached = [scale.z(run.score) >= level for run in runs]
    seeds, given = tuple(run.seed for run in runs), [_training_seconds(run) for run in runs]
    seconds = [spent if ok else math.inf for spent, ok in zip(given, reached, strict=True)]
    time = _Taken(seeds, tuple(seconds), max(given, default=0.0), "seconds")
    rows = [row for row in needs.grid if (row.agent, row.threshold) == (arm.agent, level)]
    shared = next((row for log in (arm.log, "full") for row in rows if row.log == log), None)
    if shared is not None:
        return _Both(_of_need(shared, shared.seeds, set(seeds), "logged_steps"), time)
    read = [run.cost.logged_steps for run in runs]
    steps = tuple(float(size) if ok else math.inf for size, ok in zip(read, reached, strict=True))
    return _Both(_Taken(seeds, steps, float(max(read, default=0)), "logged_steps"), time)


def _of_need(row: Survival, seeds: Sequence[int], wanted: set[int], unit: Unit) -> _Taken:
    kept = [(seed, math.inf if t is None else t) for seed, t in zip(seeds, row.times, strict=True) if seed in wanted]
    return _Taken(tuple(seed for seed, _ in kept), tuple(t for _, t in kept), row.budget, unit)


def _training_seconds(run: RunFacts) -> float:
    """Of wall time, learning and environment."""
    parts = [run.times[part] for part in ("learning", "environment") if part in run.times]
    return math.fsum(parts) if parts else run.times.get("wall", 0.0) - run.times.get("evaluation", 0.0)


def _seconds_at(run: RunFacts, step: float) -> float:
    return float(np.interp(step, run.curve.step, run.curve.seconds))


def _with_budget(taken: Sequence[_Taken | None]) -> list[_Taken | None]:
    """The same with one budget for all: what each was given says nothing about what it needs."""
    most = max((one.budget for one in taken if one is not None), default=0.0)
    return [
        None if one is None or not one.values or most <= 0 else _Taken(one.seeds, one.values, most, one.unit)
        for one in taken
    ]


# A column.


def _column(
    evidence: Evidence, one: Candidate, terms: Terms, scale: Scale | None, data: _Taken | None, time: _Taken | None
) -> Column:
    runs = [run for run in one.arm.counted if run.seed in one.seeds]
    tried = _trials(evidence, one, terms, scale)
    role = None if one.arm.role == "simple" else one.selected.family
    return Column(
        label=one.arm.label,
        family=role,
        runs=len(tried) or len(runs),
        worked=sum(not trial.failed for trial in tried) if tried else len(runs),
        score=_mean([trial.z or 0.0 for trial in tried], [trial.log for trial in tried]),
        mean_return=_mean([run.score for run in runs], [run.data_hash for run in runs]),
        data=_amount(data),
        time=_amount(time),
        explained=_explained(evidence, one.arm.label),
    )


def _trials(evidence: Evidence, one: Candidate, terms: Terms, scale: Scale | None) -> tuple[Trial, ...]:
    return () if scale is None else trials(one, terms.settled(made_here(evidence, one.arm)), scale)


def _mean(values: Sequence[float], logs: Sequence[str | None]) -> Estimate | None:
    return interval(np.array(values, float), logs, len(values) > 1)


def _amount(taken: _Taken | None) -> Amount | None:
    if taken is None:
        return None
    limited = np.minimum(np.array(taken.values, float), taken.budget)
    mean = interval(limited, [None] * len(limited), len(limited) > 1)
    assert mean is not None
    passed = sum(value <= taken.budget for value in taken.values)
    return Amount(mean, taken.unit, passed, len(taken.values), taken.budget)


def _explained(evidence: Evidence, label: str) -> ExplainedBy | None:
    arm = _explained_arm(evidence, label)
    if arm is None:
        return None
    best_one = arm.best
    if best_one is None:
        return ExplainedBy(None, None, None, arm.l90.median)
    return ExplainedBy(best_one.name, best_one.by, best_one.value, arm.l90.median)


def _explained_arm(evidence: Evidence, label: str) -> ExplainedArm | None:
    arms = evidence.explanations.explained if evidence.explanations is not None else ()
    return next((arm for arm in arms if arm.label == label), None)


# Who leads.


def _by_score(evidence: Evidence, standing: Sequence[Candidate], terms: Terms, scale: Scale | None) -> Beats:
    """Who is better than whom: in how many runs work, or in what those score."""
    found: dict[tuple[int, int], Strength] = {}
    for i, j in itertools.combinations(range(len(standing)), 2):
        for first, second, firmness in _better(evidence, standing[i], standing[j], terms, scale):
            found[(i, j) if (first, second) == (0, 1) else (j, i)] = firmness
    return found


def _better(
    evidence: Evidence, a: Candidate, b: Candidate, terms: Terms, scale: Scale | None
) -> Iterator[tuple[int, int, Strength]]:
    if scale is None:  # nothing says what a small difference is
        found = difference("families", a.arm, b.arm, evidence.card)
        if found.outcome in ("ahead", "behind"):
            yield (0, 1, found.strength) if found.outcome == "ahead" else (1, 0, found.strength)
        return
    pair = weigh(evidence, a, b, terms, scale, _RESAMPLES)
    if pair is None or pair.alike:
        return
    for side in (0, 1):
        firmness = firmest(pair.held[side].p_better, pair.seeds)
        if firmness is not None:
            yield side, 1 - side, firmness


def _lead_of_amounts(row: RowName, columns: Sequence[Column], taken: Sequence[_Taken | None]) -> Lead:
    known = [(i, one) for i, one in enumerate(taken) if one is not None]
    found: dict[tuple[int, int], Strength] = {}
    for (i, x), (j, y) in itertools.combinations(known, 2):
        if min(len(x.values), len(y.values)) > 1:
            own, other = _drawn_means(x, y)
            for key, less, more in (((i, j), own, other), ((j, i), other, own)):
                firmness = _firmly_less(less, more, min(len(x.values), len(y.values)))
                if firmness is not None:
                    found[key] = firmness
    return _lead(row, columns, found, [i for i, _ in known])


def _drawn_means(x: _Taken, y: _Taken) -> tuple[Array, Array]:
    """Restricted means of two arms, drawn jointly: (resamples,) each."""
    rows = common([_Seed(seed) for seed in x.seeds], [_Seed(seed) for seed in y.seeds])
    values = [np.minimum(np.array(one.values, float), one.budget) for one in (x, y)]
    if rows is not None:
        values = [values[side][rows[:, side]] for side in (0, 1)]
    drawn = statistics.bootstrap(
        lambda a, b: np.stack([a.mean(axis=-1), b.mean(axis=-1)], axis=-1), *values,
        rng=np.random.default_rng(0), paired=rows is not None, resamples=_RESAMPLES,
    )  # fmt: skip
    own, other = drawn.distribution.T
    return own, other


@dataclass(frozen=True)
class _Seed:
    """See `pairing.Seeded`."""

    seed: int
    seed_obeyed: bool | None = None


def _firmly_less(less: Array, more: Array, seeds: int) -> Strength | None:
    """How firmly it may be said that one mean is lower by more than what counts as equal."""
    error = 1 - statistics.probability_less(less * (1 + SAME_COST), more)
    return next((level for level in _FIRMNESS if error <= cost_error(level) and seeds >= SEEDS[level]), None)


def _lead_of_explained(evidence: Evidence, columns: Sequence[Column]) -> Lead:
    """The arm that is explained better by some measure and worse by none, of the two that are compared."""
    compared = evidence.explanations.families if evidence.explanations is not None else None
    labels = [column.label for column in columns]
    if compared is None or compared.a not in labels or compared.b not in labels:
        return Lead("explained", ())
    says = {row.says for row in compared.rows} & {"a", "b"}
    if len(says) != 1:
        return Lead("explained", (compared.a, compared.b))
    return Lead("explained", (compared.a if says == {"a"} else compared.b,), firmest(0.0, compared.seeds))


def _lead(row: RowName, columns: Sequence[Column], beats: Beats, known: Sequence[int] | None = None) -> Lead:
    """Those that nobody beats, and those that none of these beats."""
    among = range(len(columns)) if known is None else known
    if len(among) < 2:
        return Lead(row, ())
    unbeaten = [i for i in among if not any((j, i) in beats for j in among)]
    first = [i for i in among if i in unbeaten or not any((j, i) in beats for j in unbeaten)]
    labels = tuple(columns[i].label for i in first)
    if len(first) > 1:
        return Lead(row, labels)
    others = [beats[first[0], j] for j in among if j != first[0]]
    return Lead(row, labels, max(others, key=_FIRMNESS.index))
