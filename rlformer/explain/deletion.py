"""What an episode is worth when the policy no longer sees what an explainer calls important."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments
from rlformer.explain.groups import Groups
from rlformer.explain.memory import masked
from rlformer.explain.quality import COUNTS
from rlformer.explain.states import Log
from rlformer.explain.subject import Subject

RANDOM_ORDERS = 5
_MOST_AT_ONCE = 256  # environments side by side


def deletion_curves(
    subject: Subject,
    groups: Groups,
    log: Log,
    orders: Mapping[str, list[int]],
    env: EnvSpec,
    seeds: Array,
    target_return: float | None,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Mean returns in rollouts with the first k groups of each order replaced at every step, for k = 0, 1, 2, 4.

    orders: numbers of the groups that the policy reads, the most important first. Every order plays the same `seeds`
    (E,). "random" is the mean over random orders. Sets of groups that several orders share are played once.
    """
    read = [number for number, seen in enumerate(groups.read) if seen]
    rng = np.random.default_rng(seed)
    drawn = {f"random {i}": list(rng.permutation(read)) for i in range(RANDOM_ORDERS)}
    counts = [0, *(k for k in COUNTS if k < len(read)), *([len(read)] if len(read) in COUNTS else [])]
    wanted = {
        name: [frozenset(int(g) for g in order[:k]) for k in counts] for name, order in {**orders, **drawn}.items()
    }
    played = list(dict.fromkeys(s for sets in wanted.values() for s in sets))
    returns: dict[frozenset[int], float] = {}
    each, steps = len(seeds), 0
    at_once = max(1, _MOST_AT_ONCE // each)
    for start in range(0, len(played), at_once):
        part = played[start : start + at_once]
        replaced = np.zeros((len(part) * each, len(groups)), bool)
        for i, chosen in enumerate(part):
            replaced[i * each : (i + 1) * each, list(chosen)] = True
        policy = masked(subject, groups, log, target_return, replaced, seed)
        environments = Environments(env, len(replaced))
        try:
            found = np.zeros(len(replaced))
            targets = None if target_return is None else np.full(len(replaced), target_return)
            for i, episode in rollout(environments, policy, np.tile(seeds, len(part)), targets, False):
                found[i] = episode.episode_return
                steps += len(episode)
        finally:
            environments.close()
        returns |= dict(zip(part, found.reshape(len(part), each).mean(axis=1).tolist(), strict=True))
        progress(min(start + at_once, len(played)), len(played))
    curves = {name: [returns[s] for s in sets] for name, sets in wanted.items()}
    random = np.mean([curves.pop(name) for name in drawn], axis=0).tolist()
    return {
        "counts": counts,
        "returns": {**curves, "random": random},
        "orders": {name: [groups.names[int(g)] for g in order] for name, order in orders.items()},
        "episodes": each,
        "env_steps": steps,
    }
