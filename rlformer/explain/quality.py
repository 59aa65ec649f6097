"""Whether an explainer finds what the policy uses, and how well its explanations behave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.explain.explainers.attribution import scale_of
from rlformer.explain.explainers.base import Explainer
from rlformer.explain.explainers.chance import chance
from rlformer.explain.groups import Groups
from rlformer.explain.parts.attributions import Faithfulness, Judged, Skill, Stability
from rlformer.explain.replacement import effect_of
from rlformer.explain.states import Sample
from rlformer.explain.subject import Subject, randomised
from rlformer.explain.units import Units

COUNTS = (1, 2, 4)  # of units that are replaced; absolute, since "5 % of 4 groups" means nothing
_NEARBY, _STEP = 4, 0.02  # perturbed copies of a state, and their size in deviations of each feature
_CHANCE_ROUNDS = 16
_RANDOM_ORDERS = 4


@dataclass(frozen=True)
class Trial:
    """What explainers are tried on. Attributions are made with the donors of `shown`, and tested with those of `fresh`.

    The states of both are the same, their donors are of different episodes: an explainer that learned its donors by
    heart would find what holds for these alone.
    """

    subject: Subject
    groups: Groups
    units: Units  # of the groups, that all explainers of this trial can separate
    shown: Sample
    fresh: Sample
    seed: int

    def shares(self, explainer: Explainer, weighs: Array | None = None) -> Array:
        """(B, U): of all that an explainer attributes to the units in each state.

        weighs: (G,) the groups that count.
        """
        found = explainer.attribute(self.subject, self.groups, self.shown, self.seed)
        shares = found.shares(scale_of(self.subject)).numpy()
        return self.units.sums(shares if weighs is None else shares * weighs)

    @cached_property
    def effects(self) -> Array:
        """Total effects of the units, with fresh donors: (B, U)."""
        count, units = len(self.fresh.states), range(len(self.units))
        each = [self.units.groups_of(np.full((count, 1), unit)) for unit in units]
        found = [effect_of(self.subject, self.groups, self.fresh, replaced).numpy() for replaced in each]
        return np.stack(found, axis=1)

    @cached_property
    def by_chance(self) -> Array:
        """Effects of the first k units of random orders, and of all but these: (counts, 2), means over states."""
        rng, count = np.random.default_rng(self.seed), len(self.fresh.states)
        orders = [rng.permuted(np.tile(np.arange(len(self.units)), (count, 1)), axis=1) for _ in range(_RANDOM_ORDERS)]
        found: Array = np.mean([self.along(order) for order in orders], axis=0)
        return found

    @property
    def counts(self) -> tuple[int, ...]:
        """Those of `COUNTS` that leave a unit in its place."""
        return tuple(k for k in COUNTS if k < len(self.units))

    def along(self, order: Array) -> Array:
        """Effects of replacing the first k units of an order (B, U), and all but these: (counts, 2)."""
        found = np.zeros((len(self.counts), 2))
        for i, k in enumerate(self.counts):
            for part, chosen in enumerate((order[:, :k], order[:, k:])):
                replaced = self.units.groups_of(chosen)
                found[i, part] = float(effect_of(self.subject, self.groups, self.fresh, replaced).mean())
        return found


def relevance(shares: Array, true: Sequence[int]) -> tuple[float, float]:
    """Relevance mass accuracy and relevance rank accuracy of shares (B, U): means over states.

    Mass: the true units' part of all relevance. Rank: the part of the k most relevant that are true, k being their
    number. Source: CLEVR-XAI, Arras et al. 2022, doi:10.1016/j.inffus.2021.11.008.
    """
    shares = shares[shares.sum(axis=1) > 0]
    if not len(shares):
        return float("nan"), float("nan")
    top = np.argsort(-shares, axis=1, kind="stable")[:, : len(true)]
    return float(shares[:, list(true)].sum(axis=1).mean()), float(np.isin(top, list(true)).mean())


def skill(explainer: Explainer, trial: Trial, true: Sequence[int], weighs: Sequence[bool]) -> Skill:
    """How well an explainer finds the true units, against chance: (RMA - chance) / (1 - chance).

    Chance is what random attributions of the explainer's form reach through the same aggregation. weighs: which of the
    groups it can give anything to. The best that it could reach gives all to a true unit that it can weigh.
    """
    subject, groups, units = trial.subject, trial.groups, trial.units
    one, possible = torch.ones(1), np.asarray(weighs, bool)
    mass, rank = relevance(trial.shares(explainer, possible), true)
    rounds = []
    for number in range(1, _CHANCE_ROUNDS + 1):
        drawn = chance(explainer, subject, groups, trial.shown.states, trial.seed + number).shares(one).numpy()
        rounds.append(relevance(units.sums(drawn * possible), true)[0])
    by_chance = float(np.mean(rounds))
    most = float(any(possible[list(units.members[unit])].any() for unit in true))
    if not by_chance < 1.0:  # whatever it is, or undefined
        return Skill(_finite(mass), _finite(rank), _finite(by_chance), None, None)
    found, best = ((value - by_chance) / (1.0 - by_chance) for value in (mass, most))
    return Skill(_finite(mass), _finite(rank), by_chance, _finite(found), best)


def faithfulness(trial: Trial, shares: Array) -> Faithfulness:
    """Comprehensiveness and sufficiency, each minus a random order's value (ERASER, DeYoung et al. 2020, 1911.03429).

    shares: (B, U). Means over the counts of the effect of replacing the units of greatest share (the higher the
    better), and of replacing all but them (the lower the better), by what the episodes hold at the same time, from
    donors that no attribution has seen. Counts that would take every unit are left out.
    """
    if not trial.counts:
        return Faithfulness((), None, None)
    found = (trial.along(np.argsort(-shares, axis=1, kind="stable")) - trial.by_chance).mean(axis=0)
    return Faithfulness(trial.counts, float(found[0]), float(found[1]))


def attainable(trial: Trial, explainers: Iterable[Judged]) -> Faithfulness:
    """The best that is known to be reachable by an order of the units in each state.

    Of the order of their own effects, read off the test itself, and those of all explainers: for one replaced unit this
    is the maximum, for more a bound from below, since units may act together.
    """
    effects = trial.effects
    own = faithfulness(trial, effects + 1e-6 * effects.mean(axis=0))  # equal ones as they are in other states
    if own.comprehensiveness is None or own.sufficiency is None:
        return own
    tried = list(explainers)
    most = max(own.comprehensiveness, *(j.comprehensiveness for j in tried if j.comprehensiveness is not None))
    least = min(own.sufficiency, *(j.sufficiency for j in tried if j.sufficiency is not None))
    return Faithfulness(own.counts, most, least)


def stability(explainer: Explainer, subject: Subject, groups: Groups, sample: Sample, seed: int) -> Stability:
    """How far attributions move where the state moves a little and the greedy action stays.

    max over nearby x' of |phi(x) - phi(x')| / |phi(x)| (max-sensitivity, Yeh et al. 2019, 1901.09392), median over
    states. Nearby: every feature of every observation that deviates in the sample moved by a normal of .02 of its
    deviation. Reals choose no argmax: every nearby state counts.
    """
    rng = np.random.default_rng(seed)
    states = sample.states
    spread = states.observations.flatten(0, 1).std(dim=0)  # (O,)
    before, chosen = _flat(explainer, subject, groups, sample, seed), subject.actions(states)
    size = before.norm(dim=1)
    worst = torch.zeros(len(states))
    counted = torch.zeros(len(states), dtype=torch.bool)
    for _ in range(_NEARBY):
        noise = torch.from_numpy(rng.standard_normal(states.observations.shape).astype(np.float32))
        moved = states.observations + _STEP * spread * noise * states.seen[..., None]
        near = states.having(states.returns_to_go, moved, states.actions)
        after = _flat(explainer, subject, groups, Sample(near, sample.alike, sample.anywhen), seed)
        change = (after - before).norm(dim=1) / size.clamp(min=1e-30)
        same = size > 0
        if subject.spec.kind != "box":
            same &= (subject.actions(near) == chosen).all(dim=1)
        worst = torch.where(same, torch.maximum(worst, change), worst)
        counted |= same
    return Stability(float(worst[counted].median()) if counted.any() else None, int(counted.sum()))


def _flat(explainer: Explainer, subject: Subject, groups: Groups, sample: Sample, seed: int) -> Tensor:
    scale = scale_of(subject)
    return (explainer.attribute(subject, groups, sample, seed).groups / scale[:, None]).flatten(1)


def sanity(explainer: Explainer, trial: Trial, rounds: int = 2) -> float | None:
    """Spearman correlation of the trained policy's attributions with those of one whose weights are shuffled.

    Per state over the units, mean over states and shuffles. Near 1, the explainer shows the input and not what was
    learned (Adebayo et al. 2018, 1810.03292). None where ranks are undefined.
    """
    shares = trial.shares(explainer)
    found = []
    for number in range(rounds):
        with randomised(trial.subject.scorer.networks, trial.seed + number):
            other = trial.shares(explainer)
        found += [statistics.spearman(a, b) for a, b in zip(shares, other, strict=True)]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def judge(explainer: Explainer, trial: Trial) -> Judged:
    """All that can be said of an explainer where the truth is not known."""
    shares, effects = trial.shares(explainer), trial.effects.mean(axis=0)
    mean = shares.mean(axis=0)
    faithful = faithfulness(trial, shares)
    effective, gini = concentration(shares)
    few = replace(trial, shown=trial.shown.some(24, 2), fresh=trial.fresh.some(24, 2))
    if explainer.drawn:
        stable = Stability(None, reason="drawn at random: it would measure the draw")
    elif not explainer.reads_state:
        stable = Stability(None, reason="it does not look at the state")
    else:
        stable = stability(explainer, trial.subject, trial.groups, trial.shown.some(24, 1), trial.seed)
    by_chance = statistics.agreement_by_chance([(mean, effects)], np.random.default_rng(trial.seed))
    return Judged(
        shares={unit: float(v) for unit, v in zip(trial.units.names, mean, strict=True)},
        agreement=statistics.spearman(mean, effects),
        agreement_by_chance=by_chance,
        comprehensiveness=faithful.comprehensiveness,
        sufficiency=faithful.sufficiency,
        counts=faithful.counts,
        effective_units=_finite(effective),
        gini=_finite(gini),
        stability=stable,
        sanity=None if explainer.control else sanity(explainer, few),
    )


def concentration(shares: Array) -> tuple[float, float]:
    """Effective number of units exp(entropy), and the Gini index, of shares (B, U): means over states.

    Sources: Bhatt et al. 2020 (arXiv:2005.00631); Chalasani et al. 2020 (arXiv:1810.06583).
    """
    rows = shares[shares.sum(axis=1) > 0]
    if not len(rows):
        return float("nan"), float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(rows > 0, rows * np.log(rows), 0.0).sum(axis=1)
    ordered, count = np.sort(rows, axis=1), rows.shape[1]
    gini = 1.0 - 2.0 * (ordered * (count - np.arange(1, count + 1) + 0.5)).sum(axis=1) / count
    return float(np.exp(entropy).mean()), float(gini.mean())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
