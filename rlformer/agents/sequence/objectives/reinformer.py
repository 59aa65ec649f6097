"""Reinformer: the return is predicted too, and acted on, so that nobody has to ask for one (Zhuang et al. 2024,
arXiv:2405.08740).

Of the returns-to-go that the log has seen behind such a past the model learns an expectile, near 1 about the best. It
is what the log seems to promise: where that was luck, the model is too hopeful, as a return that is asked for may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.agents.sequence.work import embedding, predicting
from rlformer.core.errors import InputError
from rlformer.core.flops import Work, linear
from rlformer.core.records import Window


def reinforce(model: TrajectoryModel, window: Window, expectile: float) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Of each step, (B, K): the loss of the logged action, given the logged return, and that of the predicted return,
    |expectile - 1[below]| (G - predicted)^2 in units of the return scale (Newey & Powell 1987; eq. 4 of the paper).
    """
    predictions, returns = model.with_returns(window)
    missed = window.returns_to_go / model.return_scale - returns  # above 0: more came than was expected
    weight = (missed < 0).float().sub(expectile).abs()
    of_return = (weight * missed.square()).masked_fill(~window.mask, 0.0)
    of_action = model.codec.loss(predictions, window.actions).masked_fill(~window.mask, 0.0)
    return of_action + of_return, {"action_loss": of_action, "return_loss": of_return}


def _check(a: Architecture) -> None:
    if not a.predicts_returns:
        raise InputError("reinformer predicts the return that it acts on: conditioning must be 'predicted'")


def _work(a: Architecture) -> Work:
    """One pass at every token: that of the observation predicts the return, the next one the action."""
    heads = (predicting(a) + linear(a.width, 1)) * a.context_length
    return embedding(a) + a.kind.work(a, a.tokens_per_window, a.tokens_per_window) + heads


REINFORMER = Objective(
    name="reinformer",
    make=lambda options: partial(reinforce, expectile=options.expectile),
    work=_work,
    check=_check,
)
