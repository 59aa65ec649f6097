"""The part "effects": what a policy relies on, by replacing inputs. No explainer takes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rlformer.explain.parts.base import Explanation, Part

if TYPE_CHECKING:
    from rlformer.explain.material import Material
    from rlformer.explain.states import Sample

_STATES, _REPLACEMENTS = 256, 8
_DIVERGENCE_REPLACEMENTS = 2


@dataclass(frozen=True)
class LogStatistics:
    """The log whose states were used."""

    episodes: int
    steps: int
    own: bool = False  # whether the policy made it itself
    mean_return: float | None = None


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
class Effects:
    """Total effects of G groups of inputs on the greedy action, means over states."""

    groups: tuple[str, ...]
    read: tuple[bool, ...]  # whether the policy reads each: otherwise its effect is 0 by definition
    effects: tuple[float, ...]
    unit: str
    divergence: tuple[float, ...] | None  # Jensen-Shannon, in bits
    no_divergence: str | None  # why not
    decisions: tuple[int, ...] | None  # the times at which an action makes a difference; None: unknown
    log: LogStatistics
    policy: PolicyScore
    truth: KnownEffects | None
    reliance: float | None  # the share of all effect that lies on groups which matter
    no_reliance: str | None  # why not
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
    """Effects at states of the log; see `replacement`."""
    from rlformer.explain.replacement import divergences, total_effects

    subject, groups, log = material.subject, material.groups, material.log
    sample = material.sample(_STATES, _REPLACEMENTS, "effects")
    effects = total_effects(subject, groups, sample).numpy().mean(axis=0)
    bits = divergences(subject, groups, sample.some(_STATES, _DIVERGENCE_REPLACEMENTS))
    truth = _known(material, sample)
    share, no_share = _reliance(truth)
    return Effects(
        groups=groups.names,
        read=groups.read,
        effects=tuple(effects.tolist()),
        unit="share of the log's action range" if subject.spec.kind == "box" else "share of changed greedy actions",
        divergence=None if bits is None else tuple(bits.tolist()),
        no_divergence=None if bits is not None else "its scores are no probabilities that it learned",
        decisions=material.decisions,
        log=LogStatistics(len(log), log.num_steps, material.case.log is None, float(log.returns.mean())),
        policy=material.score,
        truth=truth,
        reliance=share,
        no_reliance=no_share,
        states=len(sample.states),
        replacements=sample.replacements,
        context_length=subject.context_length,
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


def _reliance(truth: KnownEffects | None) -> tuple[float | None, str | None]:
    """The value, or why there is none."""
    if truth is None:
        return None, "no truth is known for this task; --distractors makes one"
    value = reliance(truth.effects, truth.groups, frozenset(truth.relevant))
    nothing = "undefined: no group has any effect, the policy ignores what it sees"
    return value, nothing if value is None else None


PART = Part("effects", Effects, make)
