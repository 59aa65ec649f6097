"""What a verdict hangs on: prices, thresholds, and the scale on which a difference of return is small."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rlformer.core.codec import KEPT
from rlformer.core.errors import InputError

if TYPE_CHECKING:
    from rlformer.evaluator.judge.facts import RunFacts

MEASURED = "random play and the best arm as measured here, since no card gives scores"


@dataclass(frozen=True)
class Terms:
    """The reader's prices, in one currency, and what counts as success.

    share is lambda, the part of the steps behind a log that this task has to pay: 0 if the log existed, 1 if it was
    made for it, 1/k if k tasks share it. Without a price of its own a logged step costs that share of an environment
    step. What is None depends on where the log comes from, see `settled`.
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
                raise InputError(f"{name}: a price is 0 or more, and finite, got {price:g}")
        if self.share is not None and not 0 <= self.share <= 1:
            raise InputError(f"lambda {self.share:g}: a share from 0 to 1")
        if not 0 < self.reliability < 1:
            raise InputError(f"reliability {self.reliability:g}: a tolerance above 0 and below 1")
        if not (0 < self.threshold <= 1e9 and 0 < self.margin <= 1e9):
            raise InputError(f"threshold {self.threshold:g} and margin {self.margin:g}: both lie above 0")

    @property
    def failure(self) -> float:
        """The normalised score below which a finished run has failed: far under the threshold."""
        return self.threshold - 2 * self.margin

    def settled(self, made_here: bool) -> Terms:
        """Without gaps. A log that was given costs nothing; one made here was paid step by step, all that led to it."""
        share = float(made_here) if self.share is None else self.share
        logged = self.env_step * share if self.logged_step is None else self.logged_step
        return replace(self, share=share, logged_step=logged)

    def cost(self, run: RunFacts) -> float:
        """What a run costs: c_env E + c_log N + lambda c_env (E_behaviour - N) + c_cpu CPU seconds.

        Where nobody knows how many steps made its log it is at least this much; see `known`.
        """
        spent, assured = run.cost, self.settled(False)
        behind = max(spent.upstream_env_steps or 0, spent.logged_steps) - spent.logged_steps
        steps = spent.env_steps + spent.selection_env_steps + (assured.share or 0.0) * behind
        return float(
            assured.env_step * steps
            + (assured.logged_step or 0.0) * spent.logged_steps
            + assured.cpu_second * run.cpu_seconds
        )

    def known(self, run: RunFacts) -> bool:
        """Whether `cost` tells all: what led to a log of unknown origin matters as soon as it is paid for."""
        return self.share == 0 or run.cost.upstream_env_steps is not None


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
