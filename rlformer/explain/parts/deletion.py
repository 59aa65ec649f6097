"""The part "deletion": what an episode is worth when the policy no longer sees what an explainer calls important."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlformer.explain.explainers import EXPLAINERS
from rlformer.explain.parts.attributions import Attributions
from rlformer.explain.parts.base import Explanation, Part

if TYPE_CHECKING:
    from rlformer.core.spaces import Array
    from rlformer.explain.material import Material

RANDOM_ORDERS = 5
_COUNTS = (1, 2, 4)  # of groups that are masked
_EPISODES = 8
_MOST_AT_ONCE = 256  # environments side by side


@dataclass(frozen=True)
class Deletion:
    """Mean returns in episodes with the first k groups of each order masked at every step."""

    counts: tuple[int, ...]  # k
    returns: Mapping[str, tuple[float, ...]]  # by explainer; "random": the mean over random orders
    episodes: int
    scores: Mapping[str, tuple[float, ...]] | None  # normalised; None where the card has no scores
    orders: Mapping[str, tuple[str, ...]] | None = None  # the groups of each explainer, the most important first


def make(material: Material, made: Explanation) -> Deletion:
    """The groups in the order of each explainer that can order groups, controls aside.

    The policy acts as it is deployed. Masked groups are drawn from its own episodes that no attribution has seen.
    """
    groups, attributions = material.groups, made.need(Attributions)
    scored = attributions.by_group
    read = [i for i, (seen, varies) in enumerate(zip(groups.read, attributions.varies, strict=True)) if seen and varies]
    orders: dict[str, list[int]] = {}
    for name, judged in scored.explainers.items() if scored is not None else ():
        if not EXPLAINERS[name].control:
            shares = [-judged.shares[groups.names[i]] for i in read]
            orders[name] = [read[i] for i in np.argsort(shares, kind="stable")]
    counts = [0, *(k for k in _COUNTS if k <= len(read))]
    returns = deletion_curves(material, orders, read, counts)
    normalize = material.case.env.normalize
    scores = {name: [normalize(value) for value in curve] for name, curve in returns.items()}
    known = {name: tuple(v for v in curve if v is not None) for name, curve in scores.items()}
    return Deletion(
        counts=tuple(counts),
        returns=returns,
        episodes=_EPISODES,
        scores=known if known["random"] else None,
        orders={name: tuple(groups.names[g] for g in order) for name, order in orders.items()},
    )


def deletion_curves(
    material: Material, orders: Mapping[str, Sequence[int]], read: Sequence[int], counts: Sequence[int]
) -> dict[str, tuple[float, ...]]:
    """Mean returns of each order, and of random ones, with the first k of its groups masked, for k in `counts`.

    orders: numbers of groups, all of `read`. Every order plays the same episodes; sets of groups that several orders
    share are played once.
    """
    rng = np.random.default_rng(material.case.seed)
    drawn = {f"random {i}": list(rng.permutation(read)) for i in range(RANDOM_ORDERS)}
    wanted = {name: [frozenset(map(int, order[:k])) for k in counts] for name, order in {**orders, **drawn}.items()}
    returns = _returns(material, list(dict.fromkeys(s for sets in wanted.values() for s in sets)))
    curves = {name: tuple(returns[s] for s in sets) for name, sets in wanted.items()}
    random = np.mean([curves.pop(name) for name in drawn], axis=0)
    return {**curves, "random": tuple(random.tolist())}


def _returns(material: Material, sets: Sequence[frozenset[int]]) -> dict[frozenset[int], float]:
    """Mean returns with each set of groups masked, as many side by side as there is room for."""
    from rlformer.explain.memory import masked

    case, groups = material.case, material.groups
    seeds = material.seeds("deletion", _EPISODES)
    at_once, found = max(1, _MOST_AT_ONCE // _EPISODES), dict[frozenset[int], float]()
    for start in range(0, len(sets), at_once):
        some = sets[start : start + at_once]
        replaced: Array = np.zeros((len(some) * _EPISODES, len(groups)), bool)
        for i, chosen in enumerate(some):
            replaced[i * _EPISODES : (i + 1) * _EPISODES, list(chosen)] = True
        policy = masked(material.subject, groups, material.fresh, case.target_return, replaced, case.seed, case.sampled)
        played = material.play(policy, np.tile(seeds, len(some)), num_envs=len(replaced))
        means = played.returns.reshape(len(some), _EPISODES).mean(axis=1)
        found |= dict(zip(some, means.tolist(), strict=True))
    return found


PART = Part("deletion", Deletion, make, reads=("explainers",), version=2)
