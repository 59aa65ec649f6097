"""What choosing among trained policies costs, and what it adds: from stored episodes, nothing is trained or played."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.breaking import breaking
from rlformer.evaluator.judge.choices import Choice, Choosing, Deployment, Group, Unit
from rlformer.evaluator.judge.equal_data import equal_data
from rlformer.evaluator.judge.estimates import mean_of, scored
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, Asked, RunFacts
from rlformer.evaluator.judge.outcomes import resolved
from rlformer.evaluator.judge.prices import scale_of
from rlformer.evaluator.judge.risks import failing, risks
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.runs.episodes import TrainingEpisodes
from rlformer.runs.spec import FAMILIES

EPISODES = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 200)  # deployed so far
BANDITS = 200  # runs of the bandit, of each seed
_RESAMPLES = 2000
_DRAWN, _EACH = 100, 10  # sets of seeds, and runs of the bandit on each, where it chooses among all of them
_SAME = 1e-5  # relative: a target return is written with six digits

Score = Callable[[float], float]


def choosing(evidence: Evidence, terms: Terms, trained: Mapping[str, TrainingEpisodes]) -> Choosing | None:
    """What choosing and deploying the arms of an environment cost; None where nothing was trained.

    trained: training episodes by the path of their run, where they were recorded.
    """
    arms = evidence.trained
    if not arms:
        return None
    terms = resolved(evidence, terms)
    scale = scale_of(evidence, terms.good_enough)
    score: Score = float if scale is None else scale.z
    unit: Unit = "return" if scale is None else "z"
    what_fails = failing(evidence, terms, scale)
    return Choosing(
        unit=unit,
        deployments=tuple(_deployments(arms, terms, score, unit)),
        choices=tuple(_choice(arm, score) for arm in arms if not arm.steps_env),
        failing=what_fails,
        risks=risks(evidence, what_fails, scale),
        equal_data=equal_data(evidence, score),
        breaking=breaking(evidence, terms, scale, trained),
    )


# What a bandit would deploy.


@dataclass(frozen=True)
class _Policy:
    """A trained policy at a target return."""

    scores: tuple[float, ...]  # of its stored episodes
    mean_length: float
    default: bool  # what one deploys without a choice

    @property
    def mean(self) -> float:
        return math.fsum(self.scores) / len(self.scores)


def _deployments(arms: Sequence[ArmEvidence], terms: Terms, score: Score, unit: Unit) -> Iterator[Deployment]:
    groups: list[tuple[Group, str, list[ArmEvidence]]] = [("targets", arm.label, [arm]) for arm in arms]
    groups += [("family", family, [arm for arm in arms if arm.family == family]) for family in FAMILIES]
    groups.append(("log", "", [arm for arm in arms if not arm.steps_env]))
    groups.append(("all", "", list(arms)))
    seen: set[tuple[str, ...]] = set()
    for group, name, members in groups:
        labels = tuple(arm.label for arm in members)
        if not labels or labels in seen:
            continue
        policies = _by_seed(members, score)
        if policies and max(map(len, policies.values())) > 1:
            seen.add(labels)
            yield _deployment(group, name, labels, policies, terms, unit)
    every = _by_seed(arms, score)
    if len(every) > 1 and len({len(own) for own in every.values()}) == 1:
        yield _trainings(tuple(arm.label for arm in arms), every, terms, unit)


def _by_seed(arms: Sequence[ArmEvidence], score: Score) -> dict[int, list[_Policy]]:
    """The policies of each seed that all these arms have."""
    runs = [{run.seed: run for run in arm.counted if run.returns} for arm in arms]
    common = sorted(set(runs[0]).intersection(*runs[1:]))
    return {seed: [policy for own in runs for policy in _policies(own[seed], score)] for seed in common}


def _policies(run: RunFacts, score: Score) -> list[_Policy]:
    """A run at each target return that it was asked for, on the same episodes; or its final evaluation."""
    asked = _asked(run)
    found = [
        _Policy(tuple(map(score, one.returns or ())), one.mean_length or 0.0, _is_default(one, run)) for one in asked
    ]
    if not any(policy.default for policy in found):
        found.append(_Policy(tuple(map(score, run.returns or ())), run.mean_length or 0.0, True))
    return found


def _asked(run: RunFacts) -> list[Asked]:
    return [one for one in run.asked if one.returns and one.target_return is not None]


def _is_default(asked: Asked, run: RunFacts) -> bool:
    target = run.target_return
    return target is not None and math.isclose(asked.target_return or 0.0, target, rel_tol=_SAME, abs_tol=1e-9)


def _deployment(
    group: Group,
    name: str,
    labels: tuple[str, ...],
    policies: Mapping[int, Sequence[_Policy]],
    terms: Terms,
    unit: Unit,
) -> Deployment:
    """A bandit of each seed."""
    span, at = _span(policies, unit), np.array(EPISODES) - 1
    curves, spent = [], []  # by seed, at EPISODES
    for seed, own in policies.items():
        found = _bandit(own, span, np.random.default_rng([seed, len(own)]))
        curves.append(found.score[at] * span)
        spent.append(found.spent[at])
    curve = np.array(curves)
    unchosen = np.array([_unchosen(own) for own in policies.values()])
    best = np.array([max(policy.mean for policy in own) for own in policies.values()])
    low = high = None
    if len(curve) > 1:
        rng = np.random.default_rng(0)
        band = statistics.bootstrap(lambda c: c.mean(axis=1), curve, rng=rng, resamples=_RESAMPLES).band()
        low, high = tuple(band.low.tolist()), tuple(band.high.tolist())
    steps, mean = np.mean(spent, axis=0), curve.mean(axis=0)
    return Deployment(
        group=group,
        name=name,
        labels=labels,
        seeds=tuple(policies),
        policies=max(map(len, policies.values())),
        episodes=EPISODES,
        score=tuple(mean.tolist()),
        low=low,
        high=high,
        env_steps=tuple(steps.tolist()),
        cost=tuple((terms.env_step * steps).tolist()),
        unchosen=mean_of(unchosen),
        best=mean_of(best),
        gain=mean_of(curve[:, -1] - unchosen),
        worth_from=_worth_from(mean, float(unchosen.mean())),
    )


def _trainings(
    labels: tuple[str, ...], policies: Mapping[int, Sequence[_Policy]], terms: Terms, unit: Unit
) -> Deployment:
    """One bandit among the policies of all seeds, as many of each; its intervals by drawing seeds again."""
    span, at = _span(policies, unit), np.array(EPISODES) - 1
    every, each = [policy for own in policies.values() for policy in own], len(next(iter(policies.values())))
    found = _bandit(every, span, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    seeds = rng.integers(len(policies), size=(_DRAWN, len(policies)))
    drawn = (seeds[:, :, None] * each + np.arange(each)).reshape(_DRAWN, -1)
    again = _bandit(every, span, rng, np.repeat(drawn, _EACH, axis=0)).by_run[:, at]
    curves = again.reshape(_DRAWN, _EACH, len(at)).mean(axis=1) * span  # (sets, episodes)
    low, high = statistics.percentiles(curves)
    means = np.array([policy.mean for policy in every])
    default = np.array([_unchosen(own) for own in policies.values()])
    unchosen = float(default.mean())
    curve, steps = found.score[at] * span, found.spent[at]

    def interval(point: float, values: Array) -> Estimate:
        ends = statistics.percentiles(values)
        return Estimate(float(ends[0]), point, float(ends[1]))

    return Deployment(
        group="trainings",
        name="",
        labels=labels,
        seeds=tuple(policies),
        policies=len(every),
        episodes=EPISODES,
        score=tuple(curve.tolist()),
        low=tuple(np.asarray(low).tolist()),
        high=tuple(np.asarray(high).tolist()),
        env_steps=tuple(steps.tolist()),
        cost=tuple((terms.env_step * steps).tolist()),
        unchosen=mean_of(default),
        best=interval(float(means.max()), means[drawn].max(axis=1)),
        gain=interval(float(curve[-1]) - unchosen, curves[:, -1] - default[seeds].mean(axis=1)),
        worth_from=_worth_from(curve, unchosen),
    )


def _bandit(
    policies: Sequence[_Policy], span: float, rng: np.random.Generator, choices: npt.NDArray[np.intp] | None = None
) -> statistics.Deployed:
    scores = [np.array(policy.scores) / span for policy in policies]
    spent = [policy.mean_length for policy in policies]
    return statistics.deployed(scores, EPISODES[-1], rng, spent=spent, runs=BANDITS, choices=choices)


def _span(policies: Mapping[int, Sequence[_Policy]], unit: Unit) -> float:
    """What is much: 1 of z; without a scale the range of all episodes."""
    every = [value for own in policies.values() for policy in own for value in policy.scores]
    return 1.0 if unit == "z" else (max(every) - min(every)) or 1.0


def _unchosen(policies: Sequence[_Policy]) -> float:
    """What one of the arms has at its default target, whichever it is."""
    return float(np.mean([policy.mean for policy in policies if policy.default]))


def _worth_from(curve: Array, unchosen: float) -> int | None:
    worse = np.flatnonzero(curve < unchosen - 1e-9)  # the last of them is followed by what is worth it
    first = 0 if not len(worse) else int(worse[-1]) + 1
    return EPISODES[first] if first < len(EPISODES) else None


# Last, best, best target.


def _choice(arm: ArmEvidence, score: Score) -> Choice:
    runs = arm.counted
    assert arm.mean_return is not None  # of a trained arm
    curves = [np.array([score(value) for value in run.curve.return_]) for run in runs]
    if not all(len(curve) > 1 for curve in curves):
        curves = []
    asked = [_targets(run, score) for run in runs]
    targets = [one for one in asked if one is not None]
    logs = [run.data_hash for run in runs]

    def mean(values: Sequence[float]) -> Estimate | None:
        """None where not every run has one."""
        return mean_of(np.array(values), logs) if len(values) == len(runs) else None

    return Choice(
        label=arm.label,
        seeds=tuple(run.seed for run in runs),
        last=scored(arm.mean_return, score),
        best_checkpoint=mean([curve.max() for curve in curves]),
        checkpoint_adds=mean([curve.max() - curve[-1] for curve in curves]),
        best_target=mean([one.best for one in targets]),
        target_adds=mean([one.adds for one in targets]),
        target_adds_elsewhere=mean([one.adds_elsewhere for one in targets]),
    )


@dataclass(frozen=True)
class _Targets:
    """The best target return of a run."""

    best: float
    adds: float
    adds_elsewhere: float


def _targets(run: RunFacts, score: Score) -> _Targets | None:
    """None where it was not asked for several, the default among them, on the same number of episodes."""
    asked = _asked(run)
    default = next((i for i, one in enumerate(asked) if _is_default(one, run)), None)
    if default is None or len(asked) < 2 or len({one.episodes for one in asked}) > 1:
        return None
    table = np.array([[score(value) for value in one.returns or ()] for one in asked])  # (targets, episodes)
    means = table.mean(axis=1)
    halves = (table[:, 0::2], table[:, 1::2])
    elsewhere = []
    for chosen_on, scored_on in (halves, halves[::-1]):
        if not scored_on.size:
            return None
        best = int(chosen_on.mean(axis=1).argmax())
        elsewhere.append(scored_on[best].mean() - scored_on[default].mean())
    return _Targets(float(means.max()), float(means.max() - means[default]), float(np.mean(elsewhere)))
