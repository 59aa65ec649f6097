"""What a careful reader would object to, found in the evidence itself. Sentences are the report's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from rlformer.evaluator.judge.comparisons import MARGIN
from rlformer.evaluator.judge.evidence import Evidence, Machine
from rlformer.evaluator.judge.objections import (
    BeyondLog,
    Effort,
    FarUnder,
    NoRun,
    OneLog,
    OtherWay,
    RunsLost,
    SeedIgnored,
    SelectionMatters,
    Share,
    Size,
    Threat,
    TuningUnknown,
    UnlikeCards,
    UnlikeGpus,
    UnlikeMachines,
    UnlikeSeeds,
    UnlikeSizes,
    UnlikeTuning,
    UnlikeVersions,
)
from rlformer.evaluator.judge.prices import scale_of
from rlformer.runs.missing import MissingRun
from rlformer.runs.spec import SEQUENCE

FAR_UNDER = 0.75  # of the normalised score: an online agent below is not the baseline its card promises
SIMILAR_SIZE = 1.2  # ratio of parameters between arms that are compared


def threats(evidence: Evidence, machines: Sequence[Machine]) -> tuple[Threat, ...]:
    """What a careful reader would object to, the gravest first. machines: of the judgement, by number."""
    checks = (
        _failures,
        _without_run,
        _far_under,
        _beyond_the_log,
        _selection,
        _tuning,
        _unlike_evaluations,
        _one_log,
        _sizes,
        _card,
    )
    found = [threat for check in checks for threat in check(evidence)]
    return (*found, *_unlike_machines(evidence, machines))


def absences(missing: Sequence[MissingRun]) -> tuple[NoRun, ...]:
    """Runs that left no directory, one threat for each agent on each environment."""
    groups: dict[tuple[str, str], list[MissingRun]] = {}
    for item in missing:
        groups.setdefault((item.env, item.agent), []).append(item)
    return tuple(
        NoRun(env, agent, tuple(sorted({item.seed for item in items})), tuple(item.reason for item in items))
        for (env, agent), items in groups.items()
    )


def _failures(evidence: Evidence) -> Iterator[Threat]:
    failed = tuple(Share(arm.label, arm.failed, len(arm.runs)) for arm in evidence.arms if arm.failed)
    unfinished = tuple(Share(arm.label, arm.unfinished, len(arm.runs)) for arm in evidence.arms if arm.unfinished)
    if failed:
        yield RunsLost("failed", failed)
    if unfinished:
        yield RunsLost("unfinished", unfinished)


def _without_run(evidence: Evidence) -> Iterator[Threat]:
    yield from absences(evidence.missing)


def _far_under(evidence: Evidence) -> Iterator[Threat]:
    for arm in evidence.arms:
        z = arm.normalized_score
        if arm.steps_env and z is not None and z.point < FAR_UNDER:
            yield FarUnder(arm.label, z.point)


def _beyond_the_log(evidence: Evidence) -> Iterator[Threat]:
    for arm in evidence.arms:
        scales = [(run.scales.target_return, run.scales.log_max) for run in arm.runs]
        known = [(target, most) for target, most in scales if target is not None and most is not None]
        beyond = [(target, most) for target, most in known if target > most]
        if beyond:
            target, most = max(beyond, key=lambda pair: pair[0] - pair[1])
            yield BeyondLog(Share(arm.label, len(beyond), len(known)), target, most)


def _selection(evidence: Evidence) -> Iterator[Threat]:
    """Imitators that would score more by sampled actions where their card says greedy, or the other way round."""
    scale = scale_of(evidence)
    found = []
    for arm in evidence.arms:
        pairs = [run.sampled for run in arm.counted if run.sampled is not None]
        if not pairs or scale is None:
            continue
        gain = sum(pair.gain for pair in pairs) / len(pairs) / scale.unit
        if gain > MARGIN:
            better: Literal["greedy", "sampled"] = "sampled" if pairs[0].deployed == "greedy" else "greedy"
            found.append(OtherWay(arm.label, arm.agent, better, gain))
    if found:
        yield SelectionMatters(tuple(found))


def _tuning(evidence: Evidence) -> Iterator[Threat]:
    """How the arms' settings were found, in the words of their cards, where that differs."""
    groups: dict[str, list[str]] = {}
    for arm in evidence.arms:
        if arm.learns:
            groups.setdefault(arm.tuning.strip().rstrip("."), []).append(arm.label)
    silent = groups.pop("", [])
    if len(groups) > 1:
        yield UnlikeTuning(tuple(Effort(text, tuple(labels)) for text, labels in groups.items()))
    if silent:
        yield TuningUnknown(tuple(silent))


def _unlike_evaluations(evidence: Evidence) -> Iterator[Threat]:
    if evidence.evaluation.seed_obeyed is False:
        yield SeedIgnored()
    if not evidence.evaluation.same_seeds:
        yield UnlikeSeeds()


def _one_log(evidence: Evidence) -> Iterator[Threat]:
    if len(evidence.logs) == 1 and len(evidence.logs[0].seeds) > 1:
        yield OneLog(len(evidence.logs[0].seeds))


def _sizes(evidence: Evidence) -> Iterator[Threat]:
    sizes = [
        Size(arm.label, arm.parameters.mean)
        for arm in evidence.arms
        if arm.family == SEQUENCE and arm.parameters is not None
    ]
    if len(sizes) > 1:
        small, large = min(sizes, key=lambda size: size.parameters), max(sizes, key=lambda size: size.parameters)
        if large.parameters > SIMILAR_SIZE * small.parameters:
            yield UnlikeSizes(small, large)


def _card(evidence: Evidence) -> Iterator[Threat]:
    if evidence.cards_differ:
        yield UnlikeCards()


def _unlike_machines(evidence: Evidence, machines: Sequence[Machine]) -> Iterator[Threat]:
    used = [machines[i] for i in sorted({run.machine for arm in evidence.arms for run in arm.runs})]
    if len({(machine.cpu, machine.cores) for machine in used}) > 1:
        yield UnlikeMachines()
    gpus = {machine.gpu for machine in used}
    if len(gpus) > 1:
        yield UnlikeGpus(tuple(sorted(gpu for gpu in gpus if gpu is not None)))
    if len({machine.commit for machine in used}) > 1:
        yield UnlikeVersions()
