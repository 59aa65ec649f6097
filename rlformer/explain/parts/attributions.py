"""The part "explainers": which explainers find what the policy uses, and how well their attributions behave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlformer.explain.parts.base import Explanation, Part
from rlformer.explain.parts.effects import Effects

if TYPE_CHECKING:
    from rlformer.explain.explainers.base import Explainer
    from rlformer.explain.material import Material
    from rlformer.explain.states import Sample

_STATES, _REPLACEMENTS = 64, 4  # for all explainers, Shapley values among them
NO_ATTENTION = "no transformer: there is no attention to read"
_SOLVED, _RELIES = 0.95, 0.9  # z and Reliance from which explainers are compared with the truth


@dataclass(frozen=True)
class Stability:
    """How far attributions move where the state moves a little."""

    sensitivity: float | None  # median over states
    states: int = 0  # that count
    reason: str | None = None  # why it is not measured


@dataclass(frozen=True)
class Skill:
    """How well an explainer finds the units that matter."""

    relevance_mass: float | None
    relevance_rank: float | None
    chance: float | None  # the mass that random attributions of its form reach
    skill: float | None  # (mass - chance) / (1 - chance)
    attainable: float | None  # the skill of the best weights of what it separates


@dataclass(frozen=True)
class Faithfulness:
    """Effects of replacing what an explainer ranks first, minus a random order's, means over counts."""

    counts: tuple[int, ...]  # of units that were replaced
    comprehensiveness: float | None
    sufficiency: float | None


@dataclass(frozen=True)
class Judged:
    """All that was measured of one explainer, with donors that it has not seen."""

    shares: Mapping[str, float]  # mean of absolute attributions, by unit; they sum to 1
    agreement: float | None  # rank correlation with the total effects
    agreement_by_chance: float | None  # what a random order stays at or below in 95 of 100 cases
    comprehensiveness: float | None
    sufficiency: float | None
    counts: tuple[int, ...]
    effective_units: float | None
    gini: float | None
    stability: Stability
    sanity: float | None  # rank correlation with attributions after the weights were shuffled
    truth: Skill | None = None


@dataclass(frozen=True)
class Scored:
    """Explainers held against the same U units, which each of them can separate."""

    units: Mapping[str, tuple[str, ...]]  # the groups of each, by its name
    effects: tuple[float, ...]  # total effect of each unit
    attainable: Faithfulness  # the best known order's
    explainers: Mapping[str, Judged]  # by name


@dataclass(frozen=True)
class Attributions:
    """Every explainer that the policy offers what it needs, scored over what it can separate.

    by_group: gradients and replacements, over the groups that the policy reads and that vary in its episodes.
    by_token: attention over the units that have tokens of their own, and all others over the same, to be compared.
    """

    groups: tuple[str, ...]
    read: tuple[bool, ...]
    varies: tuple[bool, ...]  # in its own episodes at the same time, so that something else can be put in place
    by_group: Scored | None
    no_groups: str | None  # why not
    by_token: Scored | None
    no_tokens: str | None  # why not
    no_truth: str | None  # why explainers are not compared with the truth
    states: int = 0


def make(material: Material, made: Explanation) -> Attributions:
    """See `quality` and `units`."""
    from rlformer.explain.explainers import explainers_of
    from rlformer.explain.explainers.base import ATTENTION
    from rlformer.explain.replacement import varied

    subject, groups = material.subject, material.groups
    shown, fresh = material.two_samples(_STATES, _REPLACEMENTS, "explainers")
    varies = ((varied(groups, shown) > 0) & (varied(groups, fresh) > 0)).tolist()
    counted = [read and moves for read, moves in zip(groups.read, varies, strict=True)]
    truth = _no_truth(made.need(Effects))
    own = [explainer for explainer in explainers_of(subject) if explainer.separates != "tokens"]
    by_group, no_groups = _scored(material, own, (shown, fresh), counted, truth is None)
    by_token: Scored | None = None
    no_tokens: str | None = NO_ATTENTION
    if ATTENTION in subject.offers:
        every = explainers_of(subject)
        by_token, no_tokens = _scored(material, every, (shown, fresh), counted, truth is None, tokens=True)
    return Attributions(
        groups=groups.names,
        read=groups.read,
        varies=tuple(varies),
        by_group=by_group,
        no_groups=no_groups,
        by_token=by_token,
        no_tokens=no_tokens,
        no_truth=truth,
        states=len(shown.states),
    )


def _scored(
    material: Material, explainers: Sequence[Explainer], samples: tuple[Sample, Sample], counted: Sequence[bool],
    known: bool, *, tokens: bool = False,
) -> tuple[Scored | None, str | None]:  # fmt: skip
    """Explainers over groups, or over tokens, or why there is nothing to tell apart. known: whether a truth is."""
    from rlformer.explain import quality, units

    subject, groups, seed = material.subject, material.groups, material.case.seed
    own = units.of_tokens(subject, groups, counted) if tokens else units.of_groups(groups, counted)
    if len(own) < 2:
        few = "fewer than two groups of inputs vary in its episodes"
        mixed = "a token holds several of the inputs that vary: no pattern of attention can tell them apart"
        return None, mixed if sum(counted) > 1 and tokens else few
    trial = quality.Trial(subject, groups, own, *samples, seed)
    found = {explainer.name: quality.judge(explainer, trial) for explainer in explainers}
    if known:
        skills = _skills(material, explainers, samples, tokens)
        found = {name: replace(judged, truth=skills.get(name)) for name, judged in found.items()}
    members = {name: tuple(groups.names[i] for i in own.members[u]) for u, name in enumerate(own.names)}
    effects = tuple(trial.effects.mean(axis=0).tolist())
    return Scored(members, effects, quality.attainable(trial, found.values()), found), None


def _skills(
    material: Material, explainers: Sequence[Explainer], samples: tuple[Sample, Sample], tokens: bool
) -> dict[str, Skill]:
    """Against the truth, over the groups that it speaks of; none where all of what is told apart matters, or nothing.

    A unit matters where one of its groups does. Weights of tokens are there for groups that do not vary too.
    """
    from rlformer.explain import quality, units
    from rlformer.explain.replacement import varied

    assert material.truth is not None
    subject, known = material.subject, material.known_groups
    moves = (varied(known, samples[0]) > 0).tolist()
    varying: Sequence[bool] = [read and moved for read, moved in zip(known.read, moves, strict=True)]
    own = units.of_tokens(subject, known, known.read) if tokens else units.of_groups(known, varying)
    relevant = {i for i, group in enumerate(known.names) if group in material.truth.relevant}
    true = [unit for unit, members in enumerate(own.members) if relevant & set(members)]
    if not true or len(true) == len(own):
        return {}
    trial = quality.Trial(subject, known, own, *samples, material.case.seed)
    weighs: dict[str, Sequence[bool]] = {"tokens": known.read}
    return {e.name: quality.skill(e, trial, true, weighs.get(e.separates, varying)) for e in explainers}


def _no_truth(effects: Effects) -> str | None:
    """Why explainers are not compared with the truth, if so: it takes a policy that solves its task by it."""
    if effects.own.truth is None:
        return "no truth is known for this task"
    score, reliance = effects.policy.score, effects.own.reliance
    if score is None:
        return "the environment's card has no scores"
    if score < _SOLVED:
        return f"the policy does not solve the task (z = {score:.2f}, below {_SOLVED:g})"
    if reliance is None or reliance < _RELIES:
        known = "undefined" if reliance is None else f"{reliance:.2f}, below {_RELIES:g}"
        return f"the policy does not rely on what matters (Reliance {known})"
    return None


PART = Part("explainers", Attributions, make, reads=("effects",), version=2)
