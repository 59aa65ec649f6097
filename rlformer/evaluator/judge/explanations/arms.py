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
    EffectsEvidence,
    ExplainedArm,
    ExplainerEvidence,
    FewestLeaves,
    FollowingEvidence,
    KnownEvidence,
    MeanCost,
    Measured,
    PicturesOfSeed,
    ScoredEvidence,
    TreesEvidence,
)
from rlformer.evaluator.judge.explanations.memory import memory_of
from rlformer.evaluator.judge.load import Run
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.explainers import EXPLAINERS
from rlformer.explain.parts import (
    Attributions,
    Controllability,
    Deletion,
    Effects,
    Explanation,
    Maps,
    Pictures,
    Surrogate,
)
from rlformer.explain.parts.attributions import Scored
from rlformer.explain.parts.base import Content
from rlformer.explain.parts.controllability import Following
from rlformer.explain.parts.effects import EffectsAt, KnownEffects
from rlformer.explain.parts.surrogate import TreeCurve

RESAMPLES = 5000
NOT_MEASURED = "not measured"


def explained_arm(arm: Arm, runs: Sequence[Run]) -> ExplainedArm:
    """Every number is a mean over the runs, which were all explained; with its interval from two of them on."""
    each = [run.explanation for run in runs]
    effects, attributions, surrogates = _all(each, Effects), _all(each, Attributions), _all(each, Surrogate)
    by_group = _scored([part.by_group for part in attributions])
    by_token = _scored([part.by_token for part in attributions])
    trees, unmeasured = _both(surrogates), None if attributions else NOT_MEASURED
    first = effects[0] if effects else None
    return ExplainedArm(
        label=arm.label,
        family=arm.family,
        seeds=tuple(run.record.seed for run in runs),
        kept=tuple(run.record.seed for run in runs if run.explanation.step is not None),
        mean_return=float(np.mean([part.policy.return_ for part in effects] or [_final(run) for run in runs])),
        cost=MeanCost(float(np.mean([e.seconds for e in each])), float(np.mean([e.env_steps for e in each]))),
        own=_effects([(part.groups, part.own) for part in effects]),
        log=_effects([(part.groups, part.log) for part in effects if part.log is not None]),
        read={} if first is None else {g: all(p.read[i] for p in effects) for i, g in enumerate(first.groups)},
        unit=None if first is None else first.unit,
        no_divergence=_reasons(part.no_divergence for part in effects),
        decisions=None if first is None else first.decisions,
        target_return=None if first is None else first.target_return,
        by_group=by_group,
        no_groups=None if by_group is not None else _reasons(part.no_groups for part in attributions) or unmeasured,
        by_token=by_token,
        no_tokens=None if by_token is not None else _reasons(part.no_tokens for part in attributions) or unmeasured,
        no_truth=_reasons(part.no_truth for part in attributions) or unmeasured,
        best=_best(by_group.explainers if by_group is not None else {}),
        deletion=_deletion(_all(each, Deletion)),
        trees=trees,
        no_window=_reasons(part.no_window for part in surrogates),
        l90=fewest(trees),
        control=_control(_all(each, Controllability)),
        tree=next((_drawn(part) for part in surrogates[:1] if part.observation or part.window), None),
        pictures=_pictures(each[0]),
        maps=_maps(each[0]),
        memory=memory_of(each),
    )  # fmt: skip


def _final(run: Run) -> float:
    """Mean return of the last policy."""
    return float("nan") if run.final is None else run.final.mean


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


def _effects(parts: Sequence[tuple[tuple[str, ...], EffectsAt]]) -> EffectsEvidence | None:
    """Of the seeds: their groups, which are the same, and the effects at one kind of states."""
    if not parts:
        return None
    groups, first = parts[0]
    each = [at for _, at in parts]
    bits = [at.divergence for at in each if at.divergence is not None]
    reliances = tuple(at.reliance for at in each if at.reliance is not None)
    return EffectsEvidence(
        effects=_by_group(groups, [at.effects for at in each]),
        varies={group: any(at.varies[i] > 0 for at in each) for i, group in enumerate(groups)},
        divergence=_by_group(groups, bits) if bits else None,
        truth=_known([at.truth for at in each if at.truth is not None]),
        reliance=mean(reliances) if reliances else None,
        reliances=reliances,
        no_reliance=None if reliances else _reasons(at.no_reliance for at in each),
        episodes=first.episodes,
        steps=first.steps,
    )


def _by_group(groups: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, Estimate]:
    return {group: mean([row[i] for row in rows]) for i, group in enumerate(groups)}


def _known(truths: Sequence[KnownEffects]) -> KnownEvidence | None:
    if not truths:
        return None
    first = truths[0]
    relevant = tuple(group for group in first.groups if group in first.relevant)
    return KnownEvidence(first.source, relevant, _by_group(first.groups, [truth.effects for truth in truths]))


def _scored(parts: Sequence[Scored | None]) -> ScoredEvidence | None:
    """Over the seeds on which there was something to tell apart; of an explainer that is not known nothing is said."""
    each = [part for part in parts if part is not None]
    if not each:
        return None
    units = {name: groups for part in reversed(each) for name, groups in part.units.items()}
    effects = {
        name: [dict(zip(p.units, p.effects, strict=True))[name] for p in each if name in p.units] for name in units
    }
    names = [name for name in each[0].explainers if name in EXPLAINERS]
    return ScoredEvidence(
        units=units,
        effects={name: mean(values) for name, values in effects.items()},
        comprehensiveness=_measured(part.attainable.comprehensiveness for part in each),
        sufficiency=_measured(part.attainable.sufficiency for part in each),
        explainers={name: _explainer(name, [part for part in each if name in part.explainers]) for name in names},
    )


def _explainer(name: str, parts: Sequence[Scored]) -> ExplainerEvidence:
    each = [part.explainers[name] for part in parts]
    truths = [judged.truth for judged in each if judged.truth is not None]
    between = _measured(_between([judged.shares for judged in each]))
    if between is not None:  # of pairs that share seeds: no sample to draw again from
        between = replace(between, mean=replace(between.mean, low=None, high=None))
    pairs = [([part.explainers[name].shares[unit] for unit in part.units], part.effects) for part in parts]
    return ExplainerEvidence(
        agreement=_measured(judged.agreement for judged in each),
        agreement_by_chance=statistics.agreement_by_chance(pairs, np.random.default_rng(0)),
        comprehensiveness=_measured(judged.comprehensiveness for judged in each),
        sufficiency=_measured(judged.sufficiency for judged in each),
        effective_units=_measured(judged.effective_units for judged in each),
        gini=_measured(judged.gini for judged in each),
        sanity=_measured(judged.sanity for judged in each),
        sensitivity=_measured(judged.stability.sensitivity for judged in each),
        skill=_measured(truth.skill for truth in truths),
        relevance_mass=_measured(truth.relevance_mass for truth in truths),
        relevance_rank=_measured(truth.relevance_rank for truth in truths),
        chance=_measured(truth.chance for truth in truths),
        attainable_skill=_measured(truth.attainable for truth in truths),
        between_seeds=between,
    )


def _measured(values: Iterable[float | None]) -> Measured | None:
    known = tuple(value for value in values if value is not None)
    return Measured(mean(known), known) if known else None


def _between(shares: Sequence[Mapping[str, float]]) -> list[float]:
    """Spearman correlation of mean shares between seeds, of each seed with the others on average."""
    units = dict.fromkeys(unit for share in shares for unit in share)
    rows = np.array([[share.get(unit, 0.0) for unit in units] for share in shares])
    rows = rows[:, rows.any(axis=0)]
    if len(rows) < 2 or rows.shape[1] < 3 or (np.ptp(rows, axis=1) == 0).any():
        return []
    found = []
    for i in range(len(rows)):
        others = [statistics.spearman(rows[i], rows[j]) for j in range(len(rows)) if j != i]
        found.append(float(np.mean([value for value in others if value is not None])))
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


def _maps(explanation: Explanation) -> Maps | None:
    maps = explanation.get(Maps)
    return maps if maps is not None and maps.images else None


def _reasons(reasons: Iterable[str | None]) -> str | None:
    """The different ones, in their order."""
    known = list(dict.fromkeys(reason for reason in reasons if reason))
    return "; ".join(known) if known else None
