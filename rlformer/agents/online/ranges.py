"""The keys of a card of an algorithm on stable-baselines3, each with its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.core.errors import InputError, unknown
from rlformer.core.ranges import Range, shown


def ranges_of(values: Mapping[str, Any], algorithms: Mapping[str, Algorithm]) -> Mapping[str, Range]:
    """Those of the algorithm that the values name. Raises InputError unless it is one of these."""
    name = values.get("algorithm")
    if not isinstance(name, str):
        raise InputError(f"algorithm: one of {', '.join(algorithms)}, got {shown(name)}")
    if name not in algorithms:
        raise unknown("algorithm", name, algorithms)
    return algorithms[name].ranges


REQUIRED = frozenset(("algorithm", "normalize_observations", "hidden", "activation", "learning_rate", "gamma"))
REQUIRED_ONLINE = REQUIRED | {"steps", "num_envs", "normalize_rewards"}
REQUIRED_OFFLINE = REQUIRED | {"gradient_steps", "batch_size"}
