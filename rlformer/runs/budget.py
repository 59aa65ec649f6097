"""How long a run trains, beside how long its preset or its paper would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["env_steps", "gradient_steps"]
Reason = Literal["hand", "time", "smoke"]


@dataclass(frozen=True)
class CutShort:
    """What a run was given of its preset's steps, and why. A smoke test marks every run, cut or not."""

    reason: Reason  # hand: somebody set the steps; time: what fits into `minutes`; smoke: to see whether it works
    minutes: float | None = None  # that the whole study had
    unit: Unit | None = None  # of the steps; None: nothing was cut, or nothing is learned
    preset: int = 0
    given: int = 0

    @property
    def share(self) -> float:
        """Of the preset's steps; 1 where nothing was cut."""
        return self.given / self.preset if self.preset else 1.0


@dataclass(frozen=True)
class Paper:
    """How long the paper of an agent that learns from a log trains it."""

    gradient_steps: int
    batch_steps: int  # logged steps that enter a gradient step
    logged_steps: int  # of its log
    source: str

    @property
    def passes(self) -> float:
        """How often it sees its log."""
        return self.gradient_steps * self.batch_steps / self.logged_steps
