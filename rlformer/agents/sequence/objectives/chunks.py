"""Chunks: at each step of the log the next actions, foreseen together (Zhao et al. 2023, arXiv:2304.13705)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.agents.sequence.work import embedding, predicting
from rlformer.core.errors import InputError
from rlformer.core.flops import Work
from rlformer.core.records import Window


def foresee(model: TrajectoryModel, window: Window) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Of each step, (B, K), the mean loss of the actions of its chunk that lie in the window and in the episode."""
    predictions, steps = model.chunks(window), window.mask.shape[1]
    losses, counts = torch.zeros(window.mask.shape, device=window.mask.device), window.mask.float() * 0
    for ahead in range(predictions.shape[2]):
        real = window.mask[:, ahead:]
        found = model.codec.loss(predictions[:, : steps - ahead, ahead], window.actions[:, ahead:])
        losses = losses + F.pad(found.masked_fill(~real, 0.0), (0, ahead))
        counts = counts + F.pad(real.float(), (0, ahead))
    return losses / counts.clamp(min=1.0), {}


def _check(a: Architecture) -> None:
    if a.kind.chunk_work is None:
        raise InputError(f"chunks needs a backbone that foresees them, which the {a.backbone} does not")


def _work(a: Architecture) -> Work:
    assert a.kind.chunk_work is not None
    heads = predicting(a) * (a.chunk_length * a.context_length)
    return embedding(a) + a.kind.chunk_work(a, a.tokens_per_window, a.context_length) + heads


CHUNKS = Objective(name="chunks", make=lambda options: foresee, work=_work, check=_check)
