"""What is explained: a policy in an environment, with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.data.dataset import Dataset


@dataclass(frozen=True)
class Case:
    """A policy to explain."""

    policy: Policy
    identity: Mapping[str, Any]  # what tells it from every other policy
    env: EnvSpec
    target_return: float | None = None  # what it is asked for
    seed: int = 0
    log: Dataset | None = None  # at whose states effects stand beside those in the policy's own episodes
    imitates: bool = False  # whether it learned from a log
    final: EvalResult | None = None  # what it returns in `env`, where that was measured before
    asked: tuple[EvalResult, ...] = ()  # what it returns there when it is asked for several returns
    log_range: tuple[float, float] | None = None  # least and best return of the log that it learned from
    sampled: bool = False  # whether it draws its actions where it is deployed; effects are those on the greedy action

    @property
    def settings(self) -> dict[str, Any]:
        """What parts that were made alike have in common."""
        return {
            "seed": self.seed,
            "policy": dict(self.identity),
            "log": None if self.log is None else self.log.hash,
            "env": self.env.definition,
        }
