"""What to beware of in a verdict: what its model was asked for, what its log holds, where its scale comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.causes import by_luck, gained
from rlformer.evaluator.judge.comparisons import difference
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.objections import (
    CutShortArms,
    Doubt,
    HardlyInLog,
    MeasuredScale,
    Miscalibrated,
    NoSuccess,
    Optimistic,
    StillRising,
    Stitched,
    UndertrainedArms,
    UnknownOrigin,
    WorseWithMore,
)
from rlformer.evaluator.judge.outcomes import bar_of, outcomes, prefixes, resolved
from rlformer.evaluator.judge.support import support, targets
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.runs.spec import OFFLINE, SEQUENCE

_RESAMPLES = 2000
MISCALIBRATED = 0.1  # of z, between what was asked for and what was achieved


def doubts(evidence: Evidence, verdict: Verdict) -> tuple[Doubt, ...]:
    """What to beware of, the gravest first; nothing where there is no pair."""
    pair, scale = verdict.pair, verdict.scale
    if pair is None or scale is None:
        return ()
    found: list[Doubt] = [Optimistic(one.arm, one.of) for one in verdict.selected if one.optimistic]
    found += _worse_with_more(evidence, verdict, scale)
    label, terms = verdict.stands_for(SEQUENCE), verdict.terms
    if label is not None:
        model = evidence.arm(label)
        found += [*_hardly_in_log(evidence, model, terms, scale), *_miscalibrated(evidence, model, scale)]
        found += _stitched(evidence, model, terms.margin, scale)
    if not pair.per_success and (terms.success is not None or not scale.measured):
        found.append(NoSuccess(terms.threshold))
    logged = [run for one in verdict.selected for run in evidence.arm(one.arm).counted if run.data_hash is not None]
    if not verdict.made_here and any(run.cost.upstream_env_steps is None for run in logged):
        found.append(UnknownOrigin())
    if scale.measured:
        found.append(MeasuredScale(scale.source))
    return tuple(found)


def _worse_with_more(evidence: Evidence, verdict: Verdict, scale: Scale) -> Iterator[Doubt]:
    """By a paired comparison of the same seeds: lower by more than the margin, and surely lower."""
    terms = resolved(evidence, verdict.asked or verdict.terms)
    for one in verdict.selected:
        arm = evidence.arm(one.arm)
        if arm.steps_env:
            continue
        gaps, ends = [], []
        for run in outcomes(evidence, arm, bar_of(evidence, terms), terms):
            read = prefixes(evidence, arm, run.seed)
            if run.z is None or run.at is None or len(read) < 2 or run.seed in one.seeds:
                continue
            ends.append(scale.z(read[-1].mean_return or 0.0))
            gaps.append(run.z - ends[-1])
        if len(gaps) < 2 or float(np.mean(gaps)) <= terms.margin:
            continue
        drawn = statistics.bootstrap(_means, np.array(gaps), rng=np.random.default_rng(0), resamples=_RESAMPLES)
        if drawn.interval().low > 0:
            longest = float(np.mean(ends))
            yield WorseWithMore(one.arm, longest + float(np.mean(gaps)), longest, len(gaps))


def _means(rows: Array) -> Array:
    return np.asarray(rows.mean(axis=-1))


def about_the_open(verdict: Verdict, found: Sequence[Doubt]) -> tuple[Doubt, ...]:
    """Where nothing decides between two arms, the doubts about one of these before those about others alone."""
    if verdict.pair is None or verdict.strength is not None:
        return tuple(found)
    of = {verdict.pair.a.label, verdict.pair.b.label}
    return tuple(sorted(found, key=lambda doubt: bool(labels := _arms(doubt)) and of.isdisjoint(labels)))


def _arms(doubt: Doubt) -> set[str]:
    """The labels of the arms that a doubt is about; none: of all."""
    match doubt:
        case StillRising(arms) | UndertrainedArms(arms) | CutShortArms(arms=arms):
            return {arm.label for arm in arms}
        case HardlyInLog(label=label) | Miscalibrated(label=label) | Optimistic(label=label):
            return {label}
        case WorseWithMore(label=label):
            return {label}
        case Stitched(label=label, model=model):
            return {label, model}
    return set()


def _hardly_in_log(evidence: Evidence, model: ArmEvidence, terms: Terms, scale: Scale) -> Iterator[Doubt]:
    threshold, held = terms.threshold, None
    if terms.success is None and not scale.measured:  # then the threshold is a return
        held = support(evidence, scale.return_at(threshold), model)
    if held is not None and not held.covered:
        yield HardlyInLog(model.label, "threshold", threshold, held.level, held.episodes, held.of)
    asked = [target for target, _ in targets(model)]
    held = support(evidence, float(np.mean(asked)), model) if asked else None
    if held is not None and not held.covered:
        yield HardlyInLog(model.label, "target", threshold, held.level, held.episodes, held.of)


def _miscalibrated(evidence: Evidence, model: ArmEvidence, scale: Scale) -> Iterator[Doubt]:
    errors = [(achieved - target) / scale.unit for target, achieved in targets(model)]
    error = float(np.mean(errors)) if errors else 0.0
    if abs(error) > MISCALIBRATED:
        yield Miscalibrated(model.label, error, by_luck(evidence, model))


def _stitched(evidence: Evidence, model: ArmEvidence, margin: float, scale: Scale) -> Iterator[Doubt]:
    """Offline RL that makes more of the same log, whether the model's actions are greedy or sampled.

    Where the other way of acting closes the gap, the log's spread is the cause and not that parts have to be stitched.
    """
    gain = gained(model)
    for arm in evidence.arms:
        if arm.family == OFFLINE and arm.recipe == model.recipe and arm.counted:
            gap = difference("stitching", arm, model, evidence.card).difference
            share = gap.point / abs(scale.unit)
            if gap.low is not None and gap.low > gain and share > margin:
                yield Stitched(arm.label, model.label, share)
