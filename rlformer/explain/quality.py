"""Whether an explainer finds what the policy uses, and how well its explanations behave."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rlformer.core.spaces import Array
from rlformer.explain.explainers.attribution import scale_of
from rlformer.explain.explainers.base import Explainer
from rlformer.explain.explainers.chance import chance
from rlformer.explain.groups import Groups
from rlformer.explain.parts.attributions import Faithfulness, Judged, Skill, Stability
from rlformer.explain.replacement import effect_of
from rlformer.explain.states import Sample
from rlformer.explain.subject import Subject, randomised

COUNTS = (1, 2, 4)  # of groups that are replaced; absolute, since "5 % of 4 groups" means nothing
_NEARBY, _STEP = 4, 0.02  # perturbed copies of a state, and their size in deviations of each feature
_CHANCE_ROUNDS = 16


def spearman(a: Sequence[float] | Array, b: Sequence[float] | Array) -> float | None:
    """Rank correlation; None where one of the two is constant or fewer than three are given."""
    from scipy.stats import spearmanr

    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(spearmanr(x, y).statistic)


def relevance(shares: Array, true: Sequence[int]) -> tuple[float, float]:
    """Relevance mass accuracy and relevance rank accuracy of shares (B, G): means over states.

    Mass: the true groups' part of all relevance. Rank: the part of the k most relevant that are true, k being their
    number. Source: CLEVR-XAI, Arras et al. 2022, doi:10.1016/j.inffus.2021.11.008.
    """
    shares = shares[shares.sum(axis=1) > 0]
    if not len(shares):
        return float("nan"), float("nan")
    top = np.argsort(-shares, axis=1, kind="stable")[:, : len(true)]
    return float(shares[:, list(true)].sum(axis=1).mean()), float(np.isin(top, list(true)).mean())


def skill(
    explainer: Explainer, subject: Subject, groups: Groups, sample: Sample, true: Sequence[int], seed: int
) -> Skill:
    """How well an explainer finds the true groups, against chance: (RMA - chance) / (1 - chance).

    Chance is what random attributions of the explainer's form reach through the same aggregation.
    """
    scale = scale_of(subject)
    shares = explainer.attribute(subject, groups, sample, seed).shares(scale).numpy()
    mass, rank = relevance(shares, true)
    unit = torch.ones(1)
    rounds = [
        relevance(chance(explainer, subject, groups, sample.states, seed + 1 + i).shares(unit).numpy(), true)[0]
        for i in range(_CHANCE_ROUNDS)
    ]
    by_chance = float(np.mean(rounds))
    found = None if by_chance >= 1.0 else _finite((mass - by_chance) / (1.0 - by_chance))
    return Skill(_finite(mass), _finite(rank), by_chance, found)


def faithfulness(
    subject: Subject, groups: Groups, sample: Sample, shares: Array, rng: np.random.Generator
) -> Faithfulness:
    """Comprehensiveness and sufficiency, each minus a random order's value (ERASER, DeYoung et al. 2020, 1911.03429).

    shares: (B, G). Means over the counts of the effect of replacing the groups of greatest share (the higher the
    better), and of replacing all but them (the lower the better), from the log's marginals. Counts that would take
    every group that the policy reads are left out.
    """
    read = np.flatnonzero(groups.read)
    counts = [k for k in COUNTS if k < len(read)]
    if not counts:
        return Faithfulness((), None, None)
    own = read[np.argsort(-shares[:, read], axis=1, kind="stable")]  # (B, read)
    random = rng.permuted(np.tile(read, (len(shares), 1)), axis=1)
    effects = np.zeros((2, len(counts), 2))  # of own and random orders, by count, of the first groups and the rest
    for i, order in enumerate((own, random)):
        for j, k in enumerate(counts):
            for part, chosen in enumerate((order[:, :k], order[:, k:])):
                replaced = _picked(chosen, len(groups))
                effects[i, j, part] = float(effect_of(subject, groups, sample, replaced).mean())
    comprehensiveness, sufficiency = (float(v) for v in (effects[0] - effects[1]).mean(axis=0))
    return Faithfulness(tuple(counts), comprehensiveness, sufficiency)


def _picked(groups: Array, count: int) -> Tensor:
    """Numbers of groups (B, k) as (B, G) bool."""
    picked = np.zeros((len(groups), count), bool)
    np.put_along_axis(picked, groups, True, axis=1)
    return torch.from_numpy(picked)


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


def sanity(
    explainer: Explainer, subject: Subject, groups: Groups, sample: Sample, seed: int, rounds: int = 2
) -> float | None:
    """Spearman correlation of the trained policy's attributions with those of one whose weights are shuffled.

    Per state over the groups that are read, mean over states and shuffles. Near 1, the explainer shows the input and
    not what was learned (Adebayo et al. 2018, 1810.03292). None where ranks are undefined.
    """
    read, scale = np.flatnonzero(groups.read), scale_of(subject)
    shares = explainer.attribute(subject, groups, sample, seed).shares(scale).numpy()
    found = []
    for number in range(rounds):
        with randomised(subject.scorer.networks, seed + number):
            other = explainer.attribute(subject, groups, sample, seed).shares(scale).numpy()
        found += [spearman(a, b) for a, b in zip(shares[:, read], other[:, read], strict=True)]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def judge(explainer: Explainer, subject: Subject, groups: Groups, sample: Sample, effects: Array, seed: int) -> Judged:
    """All that can be said of an explainer where the truth is not known. effects: (G,) total effects."""
    rng = np.random.default_rng(seed)
    read = np.flatnonzero(groups.read)
    shares = explainer.attribute(subject, groups, sample, seed).shares(scale_of(subject)).numpy()
    mean = shares.mean(axis=0)
    faithful = faithfulness(subject, groups, sample, shares, rng)
    effective, gini = concentration(shares[:, read])
    if explainer.drawn:
        stable = Stability(None, reason="drawn at random: it would measure the draw")
    elif not explainer.reads_state:
        stable = Stability(None, reason="it does not look at the state")
    else:
        stable = stability(explainer, subject, groups, sample.some(24, 1), seed)
    return Judged(
        shares={g: float(v) for g, v in zip(groups.names, mean, strict=True)},
        agreement=spearman(mean[read], effects[read]),
        comprehensiveness=faithful.comprehensiveness,
        sufficiency=faithful.sufficiency,
        counts=faithful.counts,
        effective_groups=_finite(effective),
        gini=_finite(gini),
        stability=stable,
        sanity=None if explainer.control else sanity(explainer, subject, groups, sample.some(24, 2), seed),
    )


def concentration(shares: Array) -> tuple[float, float]:
    """Effective number of groups exp(entropy), and the Gini index, of shares (B, G): means over states.

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
