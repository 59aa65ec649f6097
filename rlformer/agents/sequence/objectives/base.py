"""What an objective is: what a sequence model learns to do well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.records import Window

# The loss at each step of a window, (B, K), which is descended; and by name what else to log of each step, (B, K).
# Both are 0 at padding: it does not enter.
Loss: TypeAlias = Callable[[TrajectoryModel, Window], tuple[Tensor, Mapping[str, Tensor]]]


@dataclass(frozen=True)
class Objective:
    """A kind of objective, and all that others need to know of it."""

    name: str  # as a card says it
    loss: Loss
    hides_the_future: bool = False  # whether a backbone that reads in both directions can be trained by it
