"""What explanations allow to be said. Two questions, never one score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import LEAN_BELOW
from rlformer.evaluator.judge.explanations import CENSORED, ExplainedArm, Explanations
from rlformer.evaluator.judge.explanations.evidence import Families, FamilyRow, FewestLeaves
from rlformer.evaluator.judge.explanations.families import LEVEL, ONE_SEED, UNDEFINED
from rlformer.explain.explainers import EXPLAINERS, SHARED
from rlformer.report.words.types import Answer

_NOT_MEASURED = "not measured"


def sentences(explanations: Explanations) -> tuple[Answer, ...]:
    """The answers to both questions, what it takes to replace a policy by a tree, and where the families differ."""
    arms = explanations.explained
    found = [
        Answer("Does it rely on what matters?", " ".join(_reliance(arms)) or "Not measured."),
        Answer("Do explainers find what it uses?", " ".join(_explainers(arms)) or "Not measured."),
    ]
    if attention := _attention(arms):
        found.append(Answer("Is attention an explanation?", attention))
    found.append(Answer("Can a small tree stand for it?", " ".join(_trees(arms))))
    families = " ".join(_families(explanations.families))
    found.append(Answer("Whose decisions can be explained better here?", families))
    return tuple(found)


def leaves(fewest: FewestLeaves) -> str:
    """The median, or that it lies beyond the largest tree."""
    return f">{CENSORED}" if fewest.median is None else formats.number(round(fewest.median, 1))


def _reliance(arms: Sequence[ExplainedArm]) -> Iterator[str]:
    known = [f"{arm.label} {formats.estimate(arm.reliance, 'z')}" for arm in arms if arm.reliance is not None]
    if known:
        yield f"Reliance, the share of all effect that lies on inputs which matter: {'; '.join(known)}."
    for reason, labels in _by_reason((arm.label, arm.no_reliance) for arm in arms if arm.reliance is None):
        yield f"Reliance of {formats.listed(labels)}: n/a ({reason})."
    most = []
    for arm in arms:
        if not arm.effects:
            continue
        group, effect = max(arm.effects.items(), key=lambda item: item[1].point)
        if effect.point > 0:
            most.append(f"{arm.label}: {group} ({formats.estimate(effect, 'z')})")
    if most:
        yield f"What moves the greedy action most when it is replaced: {'; '.join(most)}."


def _explainers(arms: Sequence[ExplainedArm]) -> Iterator[str]:
    best = [(arm, arm.best) for arm in arms if arm.best is not None]
    skills = [f"{a.label} {formats.estimate(b.value, 'z')} ({b.name})" for a, b in best if b.by == "skill"]
    if skills:
        yield f"Skill of the best explainer, 0 being chance and 1 the truth: {'; '.join(skills)}."
    rest = [arm for arm in arms if arm.best is None or arm.best.by != "skill"]
    for reason, labels in _by_reason((arm.label, arm.no_truth) for arm in rest):
        yield f"Skill of {formats.listed(labels)}: n/a ({reason})."
    effects = []
    for arm, chosen in best:
        measured = arm.explainers[chosen.name]
        if measured.comprehensiveness is None:
            continue
        value = formats.estimate(measured.comprehensiveness.mean, "z")
        agreement = measured.agreement
        rank = f", rank agreement with the effects {formats.score(agreement.mean.point)}" if agreement else ""
        effects.append(f"{arm.label}: {chosen.name} {value}{rank}")
    if effects:
        yield (
            "Replacing what the best explainer ranks first changes the action more often than a random order does by: "
            f"{'; '.join(effects)}."
        )


def _attention(arms: Sequence[ExplainedArm]) -> str | None:
    """Every explainer from attention beside the one that all policies have; None without attention."""
    found = []
    for arm in arms:
        rollout = arm.explainers.get("attention rollout")
        if rollout is None:
            continue
        measure = "skill" if rollout.skill is not None else "comprehensiveness"
        names = [name for name, explainer in EXPLAINERS.items() if explainer.weights is not None]
        values = []
        for name in (*names, SHARED.name):
            explainer = arm.explainers.get(name)
            value = None if explainer is None else getattr(explainer, measure)
            if value is not None:
                values.append(f"{name} {formats.estimate(value.mean, 'z')}")
        if values:
            found.append(f"{arm.label}, {measure}: {', '.join(values)}")
    if not found:
        return None
    why = "Attention explains where it is above uniform attention, and not because it is attention."
    return f"{'; '.join(found)}. {why}"


def _trees(arms: Sequence[ExplainedArm]) -> Iterator[str]:
    known = []
    for arm in arms:
        fewest = arm.l90
        if fewest.reason:
            continue
        beyond = f", {fewest.censored} of {len(fewest.values)} beyond {CENSORED}" if fewest.censored else ""
        if fewest.undefined:
            beyond += f", {formats.plural(fewest.undefined, 'seed')} no better than random left out"
        known.append(f"{arm.label} {leaves(fewest)}{beyond}")
    if known:
        yield f"Leaves of a tree that keeps .9 of the score, median of the seeds: {'; '.join(known)}."
    for reason, labels in _by_reason((arm.label, arm.l90.reason) for arm in arms if arm.l90.reason):
        yield f"{formats.listed(labels)}: n/a ({reason})."


def _families(compared: Families | None) -> Iterator[str]:
    if compared is None:
        yield "No online agent and sequence model were both explained, so there is nothing to compare."
        return
    a, b, rows = compared.a, compared.b, compared.rows
    decided = False
    for side, label in (("a", a), ("b", b)):
        ahead = [f"{row.label} ({_difference(row)})" for row in rows if row.says == side]
        if ahead:
            decided = True
            few = compared.seeds < LEAN_BELOW
            listed = formats.listed(ahead)
            yield f"The evidence leans towards {label}, by {listed}." if few else f"{label} is ahead by {listed}."
    level = [row.label for row in rows if row.says == LEVEL]
    if level and not decided:
        yield f"{a} and {b} cannot be told apart: not by {formats.listed(level, 'or')}."
    elif not decided:
        yield f"Between {a} and {b} nothing is decided."
    elif level:
        yield f"They cannot be told apart by {formats.listed(level)}."
    if missing := [row.label for row in rows if row.says in (UNDEFINED, ONE_SEED)]:
        yield f"Not decided: {formats.listed(missing)}."
    yield "These are different questions: they are not added up."


def _difference(row: FamilyRow) -> str:
    assert row.difference is not None
    return f"{formats.signed(row.difference.point)}, 95 % interval {formats.interval(row.difference)}"


def _by_reason(pairs: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, list[str]]]:
    """The arms of each reason."""
    found: dict[str, list[str]] = {}
    for label, reason in pairs:
        found.setdefault(reason or _NOT_MEASURED, []).append(label)
    yield from found.items()
