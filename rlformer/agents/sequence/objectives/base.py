"""What an objective is: what a sequence model learns to do well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from torch import Tensor, nn

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.flops import Work
from rlformer.core.records import Window

# The loss at each step of a window, (B, K), which is descended; and by name what else to log of each step, (B, K).
# Both are 0 at padding: it does not enter.
Loss: TypeAlias = Callable[[TrajectoryModel, Window], tuple[Tensor, Mapping[str, Tensor]]]


@dataclass(frozen=True)
class ObjectiveOptions:
    """What a card says of objectives; each reads its own."""

    expectile: float = 0.99  # of the predicted return: .5 is the mean, towards 1 the best that the log has seen
    mask_ratio_least: float = 0.15  # of a window's tokens that the masked objective hides: a ratio between these two
    mask_ratio_most: float = 0.85

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ObjectiveOptions:
        """Those of a card's values; of runs from before a key its default."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


def _nothing(architecture: Architecture) -> None:
    """The model alone."""


def _accept(architecture: Architecture) -> None:
    """Every architecture."""


@dataclass(frozen=True)
class Objective:
    """A kind of objective, and all that others need to know of it."""

    name: str  # as a card says it
    make: Callable[[ObjectiveOptions], Loss]
    work: Callable[[Architecture], Work]  # operations of a window's share in a gradient step
    check: Callable[[Architecture], None] = _accept  # raises InputError where it cannot train that architecture
    auxiliary: Callable[[Architecture], nn.Module | None] = _nothing  # what it teaches with, thrown away afterwards
    hides_the_future: bool = False  # whether a backbone that reads in both directions can be trained by it

    @property
    def loss(self) -> Loss:
        """With the options that a card has by default."""
        return self.make(ObjectiveOptions())


def equip(model: TrajectoryModel, *objectives: Objective) -> None:
    """Give a model what these objectives teach it with; `strip` takes it away."""
    for each in objectives:
        if (made := each.auxiliary(model.architecture)) is not None:
            model.auxiliary[each.name] = made.to(model.return_scale.device)


def strip(model: TrajectoryModel) -> None:
    """Leave what acts."""
    model.auxiliary.clear()
