"""What a verdict hangs on: prices, thresholds, and the scale on which a difference of return is small."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rlformer.core.codec import KEPT
from rlformer.core.errors import InputError

if TYPE_CHECKING:
    from rlformer.evaluator.judge.facts import RunFacts

MEASURED = "random play and the best arm as measured here, since no card gives scores"
GOOD_ENOUGH = "random play as measured here and the return that is good enough, since no card gives scores"


@dataclass(frozen=True)
class Spent:
    """What a run took until it was good enough, or in all: see `outcomes`. None: unknown."""

    env_steps: float  # to learn
    selection_env_steps: float
    evaluation_env_steps: float  # to measure, of the whole run
    logged_steps: float
    upstream_env_steps: float | None  # all that made the log, the logged ones among them
    learning_cpu: float  # seconds, the environment's among them and no evaluation
    learning_seconds: float  # of wall time, alike
    upstream_cpu: float | None  # seconds of who made the log
    flops: float | None = None  # of learning


@dataclass(frozen=True)
class Terms:
    """The reader's prices, in one currency, and what counts as success.

    share is lambda, the part of what is behind a log (steps and CPU time) that this task has to pay: 0 if the log
    existed, 1 if it was made for it, 1/k if k tasks share it. What is None depends on where the log comes from, see
    `settled`. good_enough, a return, or success, a rate of successes that the environment tells, take the threshold's
    place. budget is B, the steps that a run pays that never is good enough; None: those of the longest training.
    """

    env_step: float = 1.0
    logged_step: float | None = field(default=None, metadata=KEPT)
    cpu_second: float = 0.0
    share: float | None = field(default=None, metadata=KEPT)
    threshold: float = 0.9  # of the normalised score
    margin: float = 0.05  # of it: a smaller difference does not matter
    reliability: float = 0.2  # of the share of runs that work: what 20 seeds can show
    interaction: bool = True  # whether a policy may be learned by stepping the environment
    evaluation_step: float = 0.0  # of measuring
    good_enough: float | None = None
    success: float | None = None
    budget: int | None = None

    def __post_init__(self) -> None:
        for name in ("env_step", "logged_step", "cpu_second", "evaluation_step"):
            price = getattr(self, name)
            if price is not None and not 0 <= price <= 1e15:
                raise InputError(f"{name}: a price must be finite and at least 0, got {price:g}")
        if self.share is not None and not 0 <= self.share <= 1:
            raise InputError(f"lambda {self.share:g}: must be a share from 0 to 1")
        if not 0 < self.reliability < 1:
            raise InputError(f"reliability {self.reliability:g}: must be above 0 and below 1")
        if not (0 < self.threshold <= 1e9 and 0 < self.margin <= 1e9):
            raise InputError(f"threshold {self.threshold:g} and margin {self.margin:g}: both must be above 0")
        if self.good_enough is not None and not math.isfinite(self.good_enough):
            raise InputError(f"good enough {self.good_enough:g}: must be a finite return")
        if self.success is not None and not 0 < self.success <= 1:
            raise InputError(f"success {self.success:g}: must be a rate above 0 and at most 1")
        if self.good_enough is not None and self.success is not None:
            raise InputError("good enough is either a return or a success rate, not both")
        if self.budget is not None and self.budget < 1:
            raise InputError(f"budget {self.budget}: must be 1 step or more")

    @property
    def failure(self) -> float:
        """The normalised score below which a finished run has failed; see `failure`."""
        return failure(self.threshold, self.margin)

    def settled(self, made_here: bool) -> Terms:
        """Without gaps. A log that was given costs nothing; one made here was paid step by step, all that led to it."""
        share = float(made_here) if self.share is None else self.share
        logged = self.env_step * made_here if self.logged_step is None else self.logged_step
        return replace(self, share=share, logged_step=logged)

    def cost(self, spent: Spent) -> float:
        """c_env (E + E_selection) + c_log N + lambda c_env (E_behaviour - N) + c_cpu (CPU + lambda CPU of the maker).

        c_evaluation E_evaluation is added, usually free. Where nobody knows what made a log it is at least this much;
        see `known`. The terms are settled; those that are not take the log as given.
        """
        own = self.settled(False)
        share, logged = own.share or 0.0, own.logged_step or 0.0
        behind = max(spent.upstream_env_steps or 0.0, spent.logged_steps) - spent.logged_steps
        steps = spent.env_steps + spent.selection_env_steps + share * behind
        seconds = spent.learning_cpu + share * (spent.upstream_cpu or 0.0)
        measuring = own.evaluation_step * spent.evaluation_env_steps
        return float(own.env_step * steps + logged * spent.logged_steps + own.cpu_second * seconds + measuring)

    def known(self, run: RunFacts) -> bool:
        """Whether `cost` tells all: what led to a log of unknown origin matters as soon as it is paid for."""
        steps = run.cost.upstream_env_steps is not None
        seconds = self.cpu_second == 0 or not run.cost.logged_steps or run.cost.upstream_cpu_seconds is not None
        own = self.cpu_second == 0 or bool(run.times)  # none of what was trained elsewhere
        return own and (self.share == 0 or (steps and seconds))


def failure(threshold: float, margin: float) -> float:
    """Below which a run has failed: far under the threshold, and never at random play where the threshold is low.

    >>> round(failure(0.9, 0.05), 2), failure(0.08, 0.05)
    (0.8, 0.04)
    """
    return max(threshold - 2 * margin, threshold / 2)


@dataclass(frozen=True)
class Scale:
    """z = (return - random) / (reference - random)."""

    random: float
    reference: float
    source: str

    @property
    def measured(self) -> bool:
        """Whether it was measured by the arms themselves, so that it moves with them."""
        return self.source == MEASURED

    @property
    def unit(self) -> float:
        """The difference of return that is 1 of z; negative where less is better."""
        return self.reference - self.random

    def z(self, value: float) -> float:
        """The normalised score of a return."""
        return (value - self.random) / self.unit

    def return_at(self, z: float) -> float:
        """The return of a normalised score."""
        return self.random + z * self.unit
