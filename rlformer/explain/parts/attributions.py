"""The part "explainers": which explainers find what the policy uses, and how well their attributions behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rlformer.explain.parts.base import Explanation, Part
from rlformer.explain.parts.effects import Effects

if TYPE_CHECKING:
    from rlformer.explain.material import Material

_STATES, _REPLACEMENTS = 64, 4  # for all explainers, Shapley values among them
_SOLVED, _RELIES = 0.95, 0.9  # z and Reliance from which explainers are compared with the truth


@dataclass(frozen=True)
class Stability:
    """How far attributions move where the state moves a little."""

    sensitivity: float | None  # median over states
    states: int = 0  # that count
    reason: str | None = None  # why it is not measured


@dataclass(frozen=True)
class Skill:
    """How well an explainer finds the groups that matter."""

    relevance_mass: float | None
    relevance_rank: float | None
    chance: float  # the mass that random attributions of its form reach
    skill: float | None  # (mass - chance) / (1 - chance)


@dataclass(frozen=True)
class Faithfulness:
    """Effects of replacing what an explainer ranks first, minus a random order's, means over counts."""

    counts: tuple[int, ...]  # of groups that were replaced
    comprehensiveness: float | None
    sufficiency: float | None


@dataclass(frozen=True)
class Judged:
    """All that was measured of one explainer."""

    shares: Mapping[str, float]  # mean of absolute attributions, by group; they sum to 1
    agreement: float | None  # rank correlation with the total effects
    comprehensiveness: float | None
    sufficiency: float | None
    counts: tuple[int, ...]
    effective_groups: float | None
    gini: float | None
    stability: Stability
    sanity: float | None  # rank correlation with attributions after the weights were shuffled
    truth: Skill | None = None


@dataclass(frozen=True)
class Attributions:
    """Every explainer that the policy offers what it needs, by name."""

    groups: tuple[str, ...]
    read: tuple[bool, ...]
    explainers: Mapping[str, Judged]
    no_truth: str | None  # why explainers are not compared with the truth
    no_attention: str | None = None
    states: int = 0


def make(material: Material, made: Explanation) -> Attributions:
    """See `quality`."""
    from rlformer.explain import quality
    from rlformer.explain.explainers import explainers_of
    from rlformer.explain.explainers.base import ATTENTION

    subject, groups, seed = material.subject, material.groups, material.case.seed
    effects = made.need(Effects)
    sample = material.sample(_STATES, _REPLACEMENTS, "explainers")
    reason, totals = _no_truth(effects), np.array(effects.effects)
    found = {}
    for explainer in explainers_of(subject):
        judged = quality.judge(explainer, subject, groups, sample, totals, seed)
        if reason is None:
            assert material.truth is not None
            known, relevant = material.known_groups, material.truth.relevant
            true = [i for i, g in enumerate(known.names) if g in relevant and known.read[i]]
            judged = replace(judged, truth=quality.skill(explainer, subject, known, sample, true, seed))
        found[explainer.name] = judged
    without = None if ATTENTION in subject.offers else "no transformer: there is no attention to read"
    return Attributions(groups.names, groups.read, found, reason, without, len(sample.states))


def _no_truth(effects: Effects) -> str | None:
    """Why explainers are not compared with the truth, if so: it takes a policy that solves its task by it."""
    if effects.truth is None:
        return "no truth is known for this task"
    score, reliance = effects.policy.score, effects.reliance
    if score is None:
        return "the environment's card has no scores"
    if score < _SOLVED:
        return f"the policy does not solve the task (z = {score:.2f}, below {_SOLVED:g})"
    if reliance is None or reliance < _RELIES:
        known = "undefined" if reliance is None else f"{reliance:.2f}, below {_RELIES:g}"
        return f"the policy does not rely on what matters (Reliance {known})"
    return None


PART = Part("explainers", Attributions, make, reads=("effects",))
