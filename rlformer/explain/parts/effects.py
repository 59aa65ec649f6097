"""The part "effects": what a policy relies on, by replacing inputs. No explainer takes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rlformer.explain.parts.base import Explanation, Part

if TYPE_CHECKING:
    from rlformer.data.dataset import Dataset
    from rlformer.explain.material import Material
    from rlformer.explain.states import Sample

_STATES, _REPLACEMENTS = 256, 8
_DIVERGENCE_REPLACEMENTS = 2


@dataclass(frozen=True)
class PolicyScore:
    """What a policy returns."""

    return_: float
    score: float | None  # normalised; None where the environment's card has no scores
    episodes: int


@dataclass(frozen=True)
class KnownEffects:
    """Total effects of the groups of which it is known whether they matter."""

    source: Literal["diagnostic", "distractors"]
    groups: tuple[str, ...]
    effects: tuple[float, ...]
    relevant: tuple[str, ...]  # the groups that matter
    read: tuple[bool, ...]


@dataclass(frozen=True)
class EffectsAt:
    """Total effects of G groups of inputs on the greedy action: means over states of some episodes."""

    effects: tuple[float, ...]
    varies: tuple[float, ...]  # the share of replacements that change each group's inputs at all
    divergence: tuple[float, ...] | None  # Jensen-Shannon, in bits
    truth: KnownEffects | None
    reliance: float | None  # the share of all effect that lies on groups which matter
    no_reliance: str | None  # why not
    episodes: int
    steps: int
    mean_return: float  # of these episodes


@dataclass(frozen=True)
class Effects:
    """What the greedy action depends on: in deployment, and at the log's states beside it.

    own: at the states of the deployed policy's own episodes, whose returns-to-go are the target return minus the
    rewards so far. log: at the log's states and logged returns-to-go. Replacements are drawn from the same episodes.
    """

    groups: tuple[str, ...]
    read: tuple[bool, ...]  # whether the policy reads each: otherwise its effect is 0 by definition
    unit: str
    own: EffectsAt
    log: EffectsAt | None  # None: no log was given
    no_divergence: str | None  # why not
    decisions: tuple[int, ...] | None  # the times at which an action makes a difference; None: unknown
    policy: PolicyScore
    target_return: float | None  # that is asked for in deployment
    states: int = 0
    replacements: int = 0
    context_length: int = 1


def reliance(effects: Sequence[float], names: Sequence[str], relevant: frozenset[str]) -> float | None:
    """The share of all effect that groups have which matter; None where nothing has any effect."""
    total = float(np.sum(effects))
    if total <= 0.0:
        return None
    return float(sum(e for e, name in zip(effects, names, strict=True) if name in relevant)) / total


def make(material: Material, made: Explanation) -> Effects:
    """Effects in deployment and at the log's states; see `replacement`."""
    subject, groups = material.subject, material.groups
    sample = material.sample(_STATES, _REPLACEMENTS, "effects")
    own = _effects_at(material, sample, material.own)
    logged = material.log_sample(_STATES, _REPLACEMENTS, "effects at the log")
    return Effects(
        groups=groups.names,
        read=groups.read,
        unit="share of the log's action range" if subject.spec.kind == "box" else "share of changed greedy actions",
        own=own,
        log=None if logged is None else _effects_at(material, logged, material.log),
        no_divergence=None if own.divergence is not None else "its scores are no probabilities that it learned",
        decisions=material.decisions,
        policy=material.score,
        target_return=material.case.target_return if subject.scorer.reads_returns else None,
        states=len(sample.states),
        replacements=_REPLACEMENTS,
        context_length=subject.context_length,
    )


def _effects_at(material: Material, sample: Sample, episodes: Dataset) -> EffectsAt:
    """At the states of a sample, which are of these episodes."""
    from rlformer.explain.replacement import divergences, total_effects, varied

    subject, groups = material.subject, material.groups
    effects = total_effects(subject, groups, sample).numpy().mean(axis=0)
    bits = divergences(subject, groups, sample.some(_STATES, _DIVERGENCE_REPLACEMENTS))
    varies = varied(groups, sample).numpy()
    truth = _known(material, sample)
    share, no_share = _reliance(truth, bool(varies.any()))
    return EffectsAt(
        effects=tuple(effects.tolist()),
        varies=tuple(varies.tolist()),
        divergence=None if bits is None else tuple(bits.tolist()),
        truth=truth,
        reliance=share,
        no_reliance=no_share,
        episodes=len(episodes),
        steps=episodes.num_steps,
        mean_return=float(episodes.returns.mean()),
    )


def _known(material: Material, sample: Sample) -> KnownEffects | None:
    """Effects of the groups that the truth speaks of."""
    from rlformer.explain.replacement import total_effects

    if material.truth is None:
        return None
    groups = material.known_groups
    effects = total_effects(material.subject, groups, sample).numpy().mean(axis=0)
    relevant = tuple(sorted(material.truth.relevant))
    return KnownEffects(material.truth.source, groups.names, tuple(effects.tolist()), relevant, groups.read)


def _reliance(truth: KnownEffects | None, varies: bool) -> tuple[float | None, str | None]:
    """The value, or why there is none."""
    if truth is None:
        return None, "no truth is known for this task; --distractors makes one"
    value = reliance(truth.effects, truth.groups, frozenset(truth.relevant))
    nothing = "no group has any effect, the policy ignores what it sees"
    alike = "its episodes are all alike, so that nothing can be replaced"
    return value, f"undefined: {nothing if varies else alike}" if value is None else None


PART = Part("effects", Effects, make, version=2)
