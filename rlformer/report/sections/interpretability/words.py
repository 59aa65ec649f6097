"""What explanations allow to be said. Two questions, never one score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import LEAN_BELOW
from rlformer.evaluator.judge.explanations import CENSORED, ExplainedArm, Explanations
from rlformer.evaluator.judge.explanations.evidence import BestExplainer, ExplainerEvidence, FamilyRow, FewestLeaves
from rlformer.evaluator.judge.explanations.families import ALIKE, NO_SPREAD, ONE_SEED, UNDECIDED, UNDEFINED
from rlformer.explain.explainers import EXPLAINERS, SHARED
from rlformer.explain.parts.attributions import NO_ATTENTION
from rlformer.report.words.types import Answer

_NOT_MEASURED = "not measured"
_NAMED = 4  # inputs in a sentence


def sentences(explanations: Explanations) -> tuple[Answer, ...]:
    """The answers to both questions, what it takes to replace a policy by a tree, and where the families differ."""
    arms = explanations.explained
    found = [
        Answer("Does it rely on what matters?", f"{_which(arms)} {' '.join(_reliance(arms)) or 'Not measured.'}"),
        Answer("Do explainers find what it uses?", " ".join(_explainers(arms)) or "Not measured."),
    ]
    if attention := " ".join(_attention(arms)):
        found.append(Answer("Is attention an explanation?", attention))
    found.append(Answer("Can a small tree stand for it?", " ".join(_trees(arms))))
    families = " ".join(_families(explanations))
    found.append(Answer("Whose decisions can be explained better here?", families))
    return tuple(found)


def _which(arms: Sequence[ExplainedArm]) -> str:
    """Which policy of a run is explained: the one that is deployed."""
    kept = [arm for arm in arms if arm.kept]
    if not kept:
        return "Policies are explained as they are at the end of their training."
    named = [
        arm.label if arm.kept == arm.seeds else f"{arm.label} (on {len(arm.kept)} of {len(arm.seeds)} seeds)"
        for arm in kept
    ]
    said = "The explained policy is the one that would be deployed. "
    said += f"For {formats.listed(named)}, it is the first policy that was good enough."
    whole = len(kept) == len(arms) and all(arm.kept == arm.seeds for arm in kept)
    return said if whole else f"{said} All others are explained as they are at the end of their training."


def leaves(fewest: FewestLeaves) -> str:
    """The median, or that it lies beyond the largest tree."""
    return f">{CENSORED}" if fewest.median is None else formats.number(round(fewest.median, 1))


def _reliance(arms: Sequence[ExplainedArm]) -> Iterator[str]:
    known = [(arm, arm.own.reliance) for arm in arms if arm.own is not None and arm.own.reliance is not None]
    if known:
        listed = "; ".join(f"{arm.label} {formats.estimate(value, 'z')}" for arm, value in known)
        yield (
            "Reliance is the share of the total effect on the action that comes from inputs that matter. Deployed: "
            f"{listed}."
        )
    logged = [(arm, arm.log.reliance) for arm, _ in known if arm.log is not None and arm.log.reliance is not None]
    if logged:
        listed = "; ".join(f"{arm.label} {formats.estimate(value, 'z')}" for arm, value in logged)
        yield f"At the states and returns-to-go of the log, where no policy is deployed: {listed}."
    for reason, labels in _by_reason((arm.label, arm.no_reliance) for arm in arms if arm.reliance is None):
        yield f"Reliance of {formats.listed(labels)}: n/a ({reason})."
    most = []
    for arm in arms:
        if arm.own is None:
            continue
        group, effect = max(arm.own.effects.items(), key=lambda item: item[1].point)
        if effect.point > 0:
            most.append(f"{arm.label}: {group}, {formats.estimate(effect, 'z')}")
    if most:
        yield f"The input whose replacement changes the action most often: {'; '.join(most)}."
    yield from _constant(arms)


def _constant(arms: Sequence[ExplainedArm]) -> Iterator[str]:
    """Effects that are 0 since there is nothing else to put in place: they say nothing of the policy."""
    found: dict[str, list[str]] = {}
    for arm in arms:
        same = [g for g, varies in arm.own.varies.items() if arm.read[g] and not varies] if arm.own is not None else []
        if same:
            more = [formats.plural(len(same) - _NAMED, "other input")] if len(same) > _NAMED else []
            found.setdefault(formats.listed([*same[-_NAMED:], *more]), []).append(arm.label)
    for groups, labels in found.items():
        yield (
            f"At any one time step, these inputs are the same in all episodes of {formats.listed(labels)}: {groups}. "
            "Their effect in deployment is 0, since there is no other value to replace them with."
        )


def _explainers(arms: Sequence[ExplainedArm]) -> Iterator[str]:
    best = [(arm, arm.best) for arm in arms if arm.best is not None]
    skills = [_skill(a, b) for a, b in best if b.by == "skill"]
    if skills:
        yield (f"Skill of the best explainer (0 is chance, 1 is the truth): {'; '.join(skills)}.")
    rest = [arm for arm in arms if arm.best is None or arm.best.by != "skill"]
    for reason, labels in _by_reason((arm.label, arm.no_truth or arm.no_groups) for arm in rest):
        yield f"Skill of {formats.listed(labels)}: n/a ({reason})."
    effects = []
    for arm, chosen in best:
        measured = arm.explainers[chosen.name]
        if measured.comprehensiveness is None:
            continue
        scored = arm.by_group
        most = None if scored is None or scored.comprehensiveness is None else scored.comprehensiveness.mean.point
        text = f"{arm.label}: {chosen.name} {formats.estimate(measured.comprehensiveness.mean, 'z')}"
        effects.append(text + ("" if most is None else f"; {formats.score(most)} is attainable"))
    if effects:
        yield (
            "How much more often the action changes when the inputs that the best explainer ranks first are replaced, "
            f"compared with a random order: {'; '.join(effects)}. The test replaces inputs with values from episodes "
            "that the explainer did not see."
        )
    if best:
        yield (
            "The values of the best explainer are slightly too high, because it was chosen by its skill, or by this "
            "effect where there is no skill."
        )
    yield from _agreement([(arm.label, arm.explainers[chosen.name]) for arm, chosen in best])


def _skill(arm: ExplainedArm, chosen: BestExplainer) -> str:
    """With the number of seeds, where the policy solves the task by what matters on some alone."""
    found = arm.explainers[chosen.name].skill
    some = found is not None and len(found.values) < len(arm.seeds)
    seeds = f", {len(found.values)} of {formats.plural(len(arm.seeds), 'seed')}" if found is not None and some else ""
    return f"{arm.label} {formats.estimate(chosen.value, 'z')} ({chosen.name}{seeds})"


def _agreement(explainers: Sequence[tuple[str, ExplainerEvidence]]) -> Iterator[str]:
    """Beside what random orders reach; nothing where it is not defined."""
    beyond, within = list[str](), list[str]()
    for label, explainer in explainers:
        if explainer.agreement is not None and explainer.agreement_by_chance is not None:
            value, chance = explainer.agreement.mean.point, explainer.agreement_by_chance
            (beyond if value > chance else within).append(f"{label} {formats.score(value)} ({formats.score(chance)})")
    groups = (("above it:", beyond), ("not above it:", within))
    parts = [f"{where} {formats.listed(named)}" for where, named in groups if named]
    if parts:
        yield (
            "Rank agreement of the best explainer with the effects; in brackets, the 95 % quantile of random orders: "
            f"{'; '.join(parts)}."
        )


def _attention(arms: Sequence[ExplainedArm]) -> Iterator[str]:
    """Every explainer from attention beside the one that all policies have; nothing without attention."""
    names = [name for name, explainer in EXPLAINERS.items() if explainer.weights is not None]
    scored = []
    for arm in arms:
        if arm.by_token is None:
            continue
        of = arm.by_token
        measure = "skill" if any(e.skill is not None for e in of.explainers.values()) else "comprehensiveness"
        values = []
        for name in (*names, SHARED.name):
            explainer = of.explainers.get(name)
            value = None if explainer is None else getattr(explainer, measure)
            if value is not None:
                values.append(f"{name} {formats.estimate(value.mean, 'z')}")
        if values:
            over = "" if measure == "skill" else f" over {formats.listed(list(of.units))}"
            scored.append(f"{arm.label}, {measure}{over}: {', '.join(values)}")
    if scored:
        yield (
            f"Attention is scored over the inputs that have tokens of their own. {'; '.join(scored)}. "
            "Attention explains something only if it scores above uniform attention, which ignores the input."
        )
    absent = [
        (arm.label, arm.no_tokens)
        for arm in arms
        if arm.by_token is None and arm.no_tokens not in (NO_ATTENTION, _NOT_MEASURED)
    ]
    for reason, labels in _by_reason(absent):
        yield f"Attention of {formats.listed(labels)}: n/a ({reason})."


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
        yield f"Leaves of a tree that keeps 0.9 of the score (median of the seeds): {'; '.join(known)}."
    for reason, labels in _by_reason((arm.label, arm.l90.reason) for arm in arms if arm.l90.reason):
        yield f"{formats.listed(labels)}: n/a ({reason})."


def _families(explanations: Explanations) -> Iterator[str]:
    compared = explanations.families
    if compared is None:
        yield f"Not compared: {explanations.no_families}."
        return
    a, b, rows = compared.a, compared.b, compared.rows
    for side, label in (("a", a), ("b", b)):
        ahead = [f"{row.label} ({_difference(row)})" for row in rows if row.says == side]
        if ahead:
            few = compared.seeds < LEAN_BELOW
            listed = formats.listed(ahead)
            yield f"The evidence favours {label} in {listed}." if few else f"{label} is ahead in {listed}."
    if alike := [f"{row.label} (within {formats.number(row.margin)})" for row in rows if row.says == ALIKE]:
        known = (
            "The evidence suggests no difference between" if compared.seeds < LEAN_BELOW else "No difference between"
        )
        yield f"{known} {a} and {b} in {formats.listed(alike)}."
    if undecided := [row.label for row in rows if row.says in (UNDECIDED, NO_SPREAD)]:
        seeds = formats.plural(compared.seeds, "seed")
        yield f"With {seeds} it is undecided whether {a} and {b} differ in {formats.listed(undecided, 'or')}."
    if missing := [row.label for row in rows if row.says in (UNDEFINED, ONE_SEED)]:
        yield f"Not tested: {formats.listed(missing)}."
    yield "These measures answer different questions and are not added up."


def _difference(row: FamilyRow) -> str:
    assert row.difference is not None
    ends = "" if row.difference.low is None else f", 95 % interval {formats.interval(row.difference)}"
    return f"{formats.signed(row.difference.point)}{ends}"


def _by_reason(pairs: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, list[str]]]:
    """The arms of each reason."""
    found: dict[str, list[str]] = {}
    for label, reason in pairs:
        found.setdefault(reason or _NOT_MEASURED, []).append(label)
    yield from found.items()
