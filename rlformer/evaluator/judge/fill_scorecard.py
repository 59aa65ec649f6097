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
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.outcomes import Outcome, bar_of, on_shared_episodes, outcomes, resolved
from rlformer.evaluator.judge.pairing import common
from rlformer.evaluator.judge.passing import Bar
from rlformer.evaluator.judge.prices import made_here
from rlformer.evaluator.judge.scorecard import Amount, Column, ExplainedBy, Lead, RowName, Scorecard, Unit
from rlformer.evaluator.judge.standing import Candidate, alone, best, candidate_of
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.evaluator.judge.weighing import ERRORS, SAME_COST, SEEDS, cost_error, firmest, weigh
from rlformer.runs.spec import HYBRID, ONLINE

_RESAMPLES = 2000
_FIRMNESS: tuple[Strength, ...] = tuple(ERRORS)  # from the firmest on
Beats = Mapping[tuple[int, int], Strength]  # by the places of two columns: how firmly the first one is ahead


def scorecard(evidence: Evidence, verdict: Verdict) -> Scorecard | None:
    """The families and the simple arm side by side; None where no arm has finished.

    Score: the arm that leads betters each other one by the verdict's
    test. Data and time: its restricted mean is lower by more than what counts as equal, by a joint bootstrap over runs.
    """
    terms = resolved(evidence, verdict.asked or verdict.terms)
    standing = _standing(evidence, verdict, terms)
    if not standing:
        return None
    bar = bar_of(evidence, terms)
    found = [_outcomes(evidence, one, bar, terms) for one in standing]
    timed = [one.spent for each in found for one in each if one.at is not None and one.spent.learning_seconds > 0]
    by_cpu = all(spent.learning_cpu > 0 for spent in timed)
    passing = found if bar.level is not None else [()] * len(found)  # nothing says what is good enough
    taken = [_taken(one.arm, each, by_cpu) for one, each in zip(standing, passing, strict=True)]
    data, time = _with_budget([one.steps for one in taken]), _with_budget([one.seconds for one in taken])
    columns = tuple(
        _column(evidence, one, each, bar, steps, seconds)
        for one, each, steps, seconds in zip(standing, found, data, time, strict=True)
    )
    leads = (
        _lead("score", columns, _by_score(evidence, standing, terms, bar.scale)),
        _lead_of_amounts("data", columns, data),
        _lead_of_amounts("time", columns, time),
        _lead_of_explained(evidence, columns),
    )
    return Scorecard(columns, leads, bar.level, "cpu" if by_cpu else "wall")


def _standing(evidence: Evidence, verdict: Verdict, terms: Terms) -> list[Candidate]:
    """Who stands for each family that may be chosen, and the simple arm that the verdict names, or the best one."""
    barred = () if verdict.terms.interaction else (ONLINE, HYBRID)
    families = [family for family in BY_INTERACTION if family not in barred]
    found = [one for family in families if (one := candidate_of(evidence, family, terms)) is not None]
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


def _taken(arm: ArmEvidence, found: Sequence[Outcome], by_cpu: bool) -> _Both:
    """Of an arm that learns by interaction its environment steps, of one that learns from a log the logged ones.

    What read a log before it interacted needed both.
    """
    if not found:
        return _Both(None, None)
    seeds = tuple(one.seed for one in found)
    unit: Unit = "env_steps" if arm.steps_env else "logged_steps"
    before = [one.spent.logged_steps if arm.steps_env else 0.0 for one in found]
    steps = [math.inf if one.at is None else one.at + read for one, read in zip(found, before, strict=True)]
    limits = [one.limit + read for one, read in zip(found, before, strict=True)]
    spent = [one.spent.learning_cpu if by_cpu else one.spent.learning_seconds for one in found]
    seconds = [taken if one.at is not None else math.inf for one, taken in zip(found, spent, strict=True)]
    measured = any(spent)  # not of what was trained elsewhere
    return _Both(
        _Taken(seeds, tuple(steps), max(limits), unit),
        _Taken(seeds, tuple(seconds), max(spent), "seconds") if measured else None,
    )


def _with_budget(taken: Sequence[_Taken | None]) -> list[_Taken | None]:
    """The same with one budget for all: what each was given says nothing about what it needs."""
    most = max((one.budget for one in taken if one is not None), default=0.0)
    return [
        None if one is None or not one.values or most <= 0 else _Taken(one.seeds, one.values, most, one.unit)
        for one in taken
    ]


# A column.


def _column(
    evidence: Evidence, one: Candidate, found: Sequence[Outcome], bar: Bar, data: _Taken | None, time: _Taken | None
) -> Column:
    logs, known = [each.log for each in found], [each for each in found if each.score is not None]
    return Column(
        label=one.arm.label,
        family=None if one.arm.role == "simple" else one.selected.family,
        runs=len(found),
        worked=sum(not each.failed for each in found),
        score=None if bar.scale is None else _mean([each.z or 0.0 for each in found], logs, on_shared_episodes(found)),
        mean_return=_mean([each.score for each in known if each.score is not None], [each.log for each in known]),
        data=_amount(data),
        time=_amount(time),
        explained=_explained(evidence, one.arm.label),
    )


def _outcomes(evidence: Evidence, one: Candidate, bar: Bar, terms: Terms) -> tuple[Outcome, ...]:
    """Of the seeds that judge an arm."""
    own = terms.settled(made_here(evidence, one.arm))
    return tuple(each for each in outcomes(evidence, one.arm, bar, own) if each.seed in one.seeds)


def _mean(values: Sequence[float], logs: Sequence[str | None], episodes: Array | None = None) -> Estimate | None:
    return interval(np.array(values, float), logs, len(values) > 1, episodes)


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
    effects = (
        {} if arm.own is None else {name: found.point for name, found in arm.own.effects.items() if found.point > 0}
    )
    most, best_one = max(effects, key=effects.__getitem__, default=None), arm.best
    if best_one is None:
        return ExplainedBy(None, None, None, arm.l90.median, most)
    return ExplainedBy(best_one.name, best_one.by, best_one.value, arm.l90.median, most)


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
    pair = weigh(evidence, a, b, terms, _RESAMPLES)
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
