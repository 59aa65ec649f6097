"""What a run cost, in words."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.values import Spread
from rlformer.report.words import times


@dataclass(frozen=True)
class Spent:
    """Steps and seconds of a run, or their means over runs; None: unknown."""

    env_steps: float | None
    selection_env_steps: float | None
    logged_steps: float | None
    upstream_env_steps: float | None
    seconds: float | None  # of wall time, of training: no evaluation

    @classmethod
    def of_run(cls, run: RunFacts) -> Spent:
        """What its record says."""
        cost = run.cost
        return cls(
            cost.env_steps,
            cost.selection_env_steps,
            cost.logged_steps,
            cost.upstream_env_steps,
            run.learning_seconds,
        )

    @classmethod
    def of_arm(cls, arm: ArmEvidence) -> Spent:
        """The means over its runs."""
        cost = arm.cost
        spreads = (cost.env_steps, cost.selection_env_steps, cost.logged_steps, cost.upstream_env_steps)
        env, selection, logged, upstream = map(_mean, spreads)
        return cls(env, selection, logged, upstream, _mean(times.of(arm)["learning"]))

    @property
    def words(self) -> list[str]:
        """What is known and not zero."""
        parts = []
        if self.env_steps:
            parts.append(f"{formats.count(self.env_steps)} environment steps")
        if self.logged_steps:
            behind = (
                " of unknown origin"
                if self.upstream_env_steps is None
                else f" ({formats.count(self.upstream_env_steps)} environment steps made them)"
            )
            parts.append(f"{formats.count(self.logged_steps)} logged steps{behind}")
        if self.selection_env_steps:
            parts.append(f"{formats.count(self.selection_env_steps)} environment steps to choose")
        if self.seconds:
            parts.append(f"{formats.seconds(self.seconds)} of training")
        return parts


def _mean(spread: Spread | None) -> float | None:
    return None if spread is None else spread.mean
