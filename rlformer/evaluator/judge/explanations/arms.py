"""Parts of explanations in, statistics over the seeds of an arm out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rlformer import statistics
from rlformer.core.records import SCHEMA
from rlformer.evaluator.judge.arms import Arm
from rlformer.evaluator.judge.explanations.evidence import (
    CENSORED,
    BestExplainer,
    BothTrees,
    ControlEvidence,
    DeletionEvidence,
    DrawnTree,
    ExplainedArm,
    ExplainerEvidence,
    FewestLeaves,
    FollowingEvidence,
    KnownEvidence,
    LogEvidence,
    MeanCost,
    Measured,
    PicturesOfSeed,
    TreesEvidence,
)
from rlformer.evaluator.judge.explanations.memory import memory_of
from rlformer.evaluator.judge.load import Run
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.explainers import EXPLAINERS
from rlformer.explain.parts import Attributions, Controllability, Deletion, Effects, Explanation, Pictures, Surrogate
from rlformer.explain.parts.attributions import Judged
from rlformer.explain.parts.base import Content
from rlformer.explain.parts.controllability import Following
from rlformer.explain.parts.surrogate import TreeCurve

RESAMPLES = 5000
NOT_MEASURED = "not measured"


def explained_arm(arm: Arm, runs: Sequence[Run]) -> ExplainedArm:
    """Every number is a mean over the runs, which were all explained; with its interval from two of them on."""
    each = [run.explanation for run in runs]
    effects, attributions, surrogates = _all(each, Effects), _all(each, Attributions), _all(each, Surrogate)
    explainers, trees = _explainers(attributions), _both(surrogates)
    no_truth = _reasons(part.no_truth for part in attributions)
    found = ExplainedArm(
        label=arm.label,
        family=arm.family,
        seeds=tuple(run.record.seed for run in runs),
        mean_return=float(np.mean([run.final.mean for run in runs if run.final is not None])),
        cost=MeanCost(float(np.mean([e.seconds for e in each])), float(np.mean([e.env_steps for e in each]))),
        effects=None, read={}, unit=None, divergence=None, no_divergence=None, reliance=None, reliances=(),
        no_reliance=NOT_MEASURED, truth=None, decisions=None, log=None,
        explainers=explainers,
        no_truth=no_truth or (None if attributions else NOT_MEASURED),
        best=_best(explainers),
        deletion=_deletion(_all(each, Deletion)),
        trees=trees,
        no_window=_reasons(part.no_window for part in surrogates),
        l90=fewest(trees),
        control=_control(_all(each, Controllability)),
        tree=_drawn(surrogates[0]) if surrogates else None,
        pictures=_pictures(each[0]),
        memory=memory_of(each),
    )  # fmt: skip
    return _with_effects(found, effects) if effects else found


def _all(explanations: Sequence[Explanation], kind: type[Content]) -> list[Content]:
    """That part of every explanation which has it."""
    return [part for explanation in explanations if (part := explanation.get(kind)) is not None]


def mean(values: Sequence[float]) -> Estimate:
    """Over seeds, with its interval from two of them on."""
    points = np.asarray(values, np.float64)
    if len(points) < 2 or np.ptp(points) == 0:
        ends = float(points.mean()) if len(points) > 1 else None
        return Estimate(ends, float(points.mean()), ends)
    interval = statistics.bootstrap(
        lambda x: x.mean(axis=1), points, rng=np.random.default_rng(0), resamples=RESAMPLES
    ).interval()
    return Estimate(interval.low, interval.point, interval.high)


def _with_effects(arm: ExplainedArm, parts: Sequence[Effects]) -> ExplainedArm:
    first = parts[0]
    bits = [part.divergence for part in parts if part.divergence is not None]
    reliances = tuple(part.reliance for part in parts if part.reliance is not None)
    return replace(
        arm,
        effects=_by_group(first.groups, [part.effects for part in parts]),
        read={group: all(part.read[i] for part in parts) for i, group in enumerate(first.groups)},
        unit=first.unit,
        divergence=_by_group(first.groups, bits) if bits else None,
        no_divergence=_reasons(part.no_divergence for part in parts),
        reliance=mean(reliances) if reliances else None,
        reliances=reliances,
        no_reliance=None if reliances else _reasons(part.no_reliance for part in parts),
        truth=_known(parts),
        decisions=first.decisions,
        log=LogEvidence(first.log.own, first.log.episodes, first.log.steps),
    )


def _by_group(groups: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, Estimate]:
    return {group: mean([row[i] for row in rows]) for i, group in enumerate(groups)}


def _known(parts: Sequence[Effects]) -> KnownEvidence | None:
    truths = [part.truth for part in parts if part.truth is not None]
    if not truths:
        return None
    first = truths[0]
    relevant = tuple(group for group in first.groups if group in first.relevant)
    return KnownEvidence(first.source, relevant, _by_group(first.groups, [truth.effects for truth in truths]))


def _explainers(parts: Sequence[Attributions]) -> dict[str, ExplainerEvidence]:
    """By explainer of the first part; of one that is not known here nothing is said."""
    names = [name for name in parts[0].explainers if name in EXPLAINERS] if parts else []
    return {name: _explainer([part.explainers[name] for part in parts if name in part.explainers]) for name in names}


def _explainer(each: Sequence[Judged]) -> ExplainerEvidence:
    truths = [judged.truth for judged in each if judged.truth is not None]
    between = _measured(_between([judged.shares for judged in each]))
    if between is not None:  # of pairs that share seeds: no sample to draw again from
        between = replace(between, mean=replace(between.mean, low=None, high=None))
    return ExplainerEvidence(
        agreement=_measured(judged.agreement for judged in each),
        comprehensiveness=_measured(judged.comprehensiveness for judged in each),
        sufficiency=_measured(judged.sufficiency for judged in each),
        effective_groups=_measured(judged.effective_groups for judged in each),
        gini=_measured(judged.gini for judged in each),
        sanity=_measured(judged.sanity for judged in each),
        sensitivity=_measured(judged.stability.sensitivity for judged in each),
        skill=_measured(truth.skill for truth in truths),
        relevance_mass=_measured(truth.relevance_mass for truth in truths),
        relevance_rank=_measured(truth.relevance_rank for truth in truths),
        chance=_measured(truth.chance for truth in truths),
        between_seeds=between,
    )


def _measured(values: Iterable[float | None]) -> Measured | None:
    known = tuple(value for value in values if value is not None)
    return Measured(mean(known), known) if known else None


def _between(shares: Sequence[Mapping[str, float]]) -> list[float]:
    """Spearman correlation of mean shares between seeds, of each seed with the others on average."""
    from scipy.stats import spearmanr

    rows = np.array([list(share.values()) for share in shares])
    rows = rows[:, rows.any(axis=0)]
    if len(rows) < 2 or rows.shape[1] < 3 or (np.ptp(rows, axis=1) == 0).any():
        return []
    found = []
    for i in range(len(rows)):
        others = [float(spearmanr(rows[i], rows[j]).statistic) for j in range(len(rows)) if j != i]
        found.append(float(np.mean(others)))
    return found


def _best(explainers: Mapping[str, ExplainerEvidence]) -> BestExplainer | None:
    """By skill, or where that is not known of any by comprehensiveness; controls aside."""
    judged = {name: of for name, of in explainers.items() if not EXPLAINERS[name].control}
    skills = {name: of.skill.mean for name, of in judged.items() if of.skill}
    if skills:
        name = max(skills, key=lambda name: skills[name].point)
        return BestExplainer(name, "skill", skills[name])
    others = {name: of.comprehensiveness.mean for name, of in judged.items() if of.comprehensiveness}
    if others:
        name = max(others, key=lambda name: others[name].point)
        return BestExplainer(name, "comprehensiveness", others[name])
    return None


def _deletion(parts: Sequence[Deletion]) -> DeletionEvidence | None:
    if not parts:
        return None
    scores = [part.scores for part in parts if part.scores is not None]
    scored, first = len(scores) == len(parts), parts[0]
    curves = scores if scored else [part.returns for part in parts]
    return DeletionEvidence(
        unit="scores" if scored else "returns",
        counts=first.counts,
        curves={name: _along([of[name] for of in curves]) for name in curves[0] if all(name in of for of in curves)},
        episodes=first.episodes,
    )


def _along(curves: Sequence[Sequence[float]]) -> tuple[Estimate, ...]:
    """A mean at each point of curves that have the same points."""
    return tuple(mean(values) for values in zip(*curves, strict=True))


def _both(parts: Sequence[Surrogate]) -> BothTrees:
    return BothTrees(
        _trees([part.observation for part in parts if part.observation is not None]),
        _trees([part.window for part in parts if part.window is not None]),
    )


def _trees(curves: Sequence[TreeCurve]) -> TreesEvidence | None:
    if not curves:
        return None
    scores = [[point.score for point in curve.curve if point.score is not None] for curve in curves]
    scored = all(len(row) == len(curve.curve) for row, curve in zip(scores, curves, strict=True))
    return TreesEvidence(
        leaves=tuple(point.leaves for point in curves[0].curve),
        fidelity=_along([[point.fidelity for point in curve.curve] for curve in curves]),
        return_=_along([[point.return_ for point in curve.curve] for curve in curves]),
        score=_along(scores) if scored else None,
        l90=tuple(curve.l90 for curve in curves),
        undefined=tuple(curve.reason for curve in curves),
    )


def fewest(trees: BothTrees) -> FewestLeaves:
    """L90 of an arm: each seed's, their median, how many are censored."""
    kinds = [of for _, of in trees if of is not None]
    if not kinds:
        return FewestLeaves((), None, 0, 0, NOT_MEASURED)
    seeds = range(len(kinds[0].l90))
    defined = [i for i in seeds if not all(of.undefined[i] for of in kinds)]
    known = [[leaves for of in kinds if (leaves := of.l90[i]) is not None] for i in defined]
    values = tuple(min(leaves, default=None) for leaves in known)
    undefined = len(seeds) - len(defined)
    if not values:
        return FewestLeaves((), None, 0, undefined, _reasons(kinds[0].undefined))
    median = float(np.exp2(np.median(np.log2([2 * CENSORED if v is None else v for v in values]))))
    return FewestLeaves(values, None if median > CENSORED else median, sum(v is None for v in values), undefined, None)


def _control(parts: Sequence[Controllability]) -> ControlEvidence:
    known = [part for part in parts if part.reason is None]
    if not known:
        return ControlEvidence(_reasons(part.reason for part in parts) if parts else NOT_MEASURED, None, None)
    inside, beyond = ([part.inside for part in known], [part.beyond for part in known])
    return ControlEvidence(None, _following(inside), _following(beyond))


def _following(parts: Sequence[Following | None]) -> FollowingEvidence:
    known = [part for part in parts if part is not None]
    return FollowingEvidence(
        error=_mean_of(part.error for part in known),
        slope=_mean_of(part.slope for part in known),
        tau=_mean_of(part.tau for part in known),
    )


def _mean_of(values: Iterable[float | None]) -> Estimate | None:
    measured = _measured(values)
    return None if measured is None else measured.mean


def _drawn(part: Surrogate) -> DrawnTree:
    curve = part.chosen
    return DrawnTree(curve.reads, curve.tree, curve.names, part.actions, part.kind, curve.l90)


def _pictures(explanation: Explanation) -> PicturesOfSeed | None:
    made = explanation.made.get("pictures")
    if made is None or not isinstance(made.content, Pictures):
        return None
    return PicturesOfSeed(**vars(made.content), schema=SCHEMA, part=made.part, settings=made.settings, cost=made.cost)


def _reasons(reasons: Iterable[str | None]) -> str | None:
    """The different ones, in their order."""
    known = list(dict.fromkeys(reason for reason in reasons if reason))
    return "; ".join(known) if known else None
