"""Imitation: the logged action is the right one, whatever came of it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.agents.sequence.work import window as work
from rlformer.core.records import Window


def imitate(model: TrajectoryModel, window: Window) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Loss of the logged action at each step, (B, K): see `ActionCodec.loss`. Nothing else is logged."""
    return model.codec.loss(model(window), window.actions).masked_fill(~window.mask, 0.0), {}


IMITATION = Objective(name="imitation", make=lambda options: imitate, work=work)
