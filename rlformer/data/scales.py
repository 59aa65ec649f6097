"""A log's statistics, by which a model's inputs are scaled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rlformer.core.spaces import Array, ObservationSpec
from rlformer.data.dataset import Dataset
from rlformer.data.windows import largest_return_to_go, observation_rows, rows_of, step_rows

_AT_ONCE, _NUMBERS_AT_ONCE = 1 << 18, 1 << 25  # steps, and numbers; the log may be larger than memory
_CONSTANT = 1e-6  # a feature that deviates less is left at its own scale


@dataclass(frozen=True)
class Scales:
    """What observations, unbounded actions and returns are scaled by."""

    observation_mean: Array  # (*obs,)
    observation_std: Array  # (*obs,)
    action_mean: Array | None = None  # (A,), Box alone
    action_std: Array | None = None
    return_scale: float = 1.0  # returns-to-go are divided by it
    action_range: tuple[Array, Array] | None = None  # least and largest of each dimension, (A,) each, Box alone


def measure(dataset: Dataset, return_scale: float = 0.0, standardise: bool = True) -> Scales:
    """Mean and standard deviation over the steps of the view; `return_scale` 0 is its largest return-to-go.

    standardise: False leaves observations as they are: their mean is said to be 0, and their deviation 1. So are those
    of images, since what reads them knows the range of their numbers. Final observations are left out: no action
    follows them, and no window shows them.
    """
    spec, shape = dataset.info.spaces.observation, dataset.observations.shape[1:]
    mean, std = np.zeros(math.prod(shape)), np.ones(math.prod(shape))
    columns = slice(None) if not spec.has_images else _measured(spec)
    if standardise and len(mean[columns]):
        mean[columns], std[columns] = _moments(
            rows_of(dataset.observations, observation_rows(dataset, *part)).reshape(-1, math.prod(shape))[:, columns]
            for part in _parts(dataset.num_steps, math.prod(shape))
        )
    action_mean = action_std = extremes = None
    if dataset.info.actions.kind == "box":
        action_mean, action_std = _moments(_actions(dataset))
        extremes = action_range(dataset)
    if not return_scale:
        return_scale = largest_return_to_go(dataset) or 1.0
    std = np.where(std < _CONSTANT, 1.0, std)
    return Scales(mean.reshape(shape), std.reshape(shape), action_mean, action_std, return_scale, extremes)


def _measured(spec: ObservationSpec) -> Array:
    """The numbers of an observation that are no image's."""
    measured = np.ones(spec.size, bool)
    for part, place in zip(spec.parts, spec.slices.values(), strict=True):
        measured[place] = part.kind != "image"
    return np.flatnonzero(measured)


def action_range(dataset: Dataset) -> tuple[Array, Array]:
    """The least and the largest number of each dimension of a Box's actions, (A,) float64 each, over the view."""
    low, high = np.full(dataset.actions.shape[1], np.inf), np.full(dataset.actions.shape[1], -np.inf)
    for actions in _actions(dataset):
        low, high = np.minimum(low, actions.min(axis=0)), np.maximum(high, actions.max(axis=0))
    return low, high


def _actions(dataset: Dataset) -> Iterator[Array]:
    """Those of the view, some at once."""
    parts = _parts(dataset.num_steps, dataset.actions.shape[1])
    return (rows_of(dataset.actions, step_rows(dataset, *part)) for part in parts)


def _parts(count: int, width: int) -> Iterator[tuple[int, int]]:
    """Of `count` rows of `width` numbers: where each begins and ends."""
    rows = max(1, min(_AT_ONCE, _NUMBERS_AT_ONCE // max(1, width)))
    return ((start, start + rows) for start in range(0, count, rows))


def _moments(parts: Iterator[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of rows of any dtype that come in parts, merged as in Chan et al. 1979."""
    count, mean, squares, room = 0, np.zeros(1), np.zeros(1), np.zeros((0, 0))
    for part in parts:
        room = room if len(room) >= len(part) else np.empty(part.shape)  # of its own once: new memory costs more
        rows = room[: len(part)]
        rows[:] = part
        center = np.ones(len(rows)) @ rows / len(rows)  # as a product: three times as fast as numpy's mean and var
        rows -= center
        total, difference = count + len(rows), center - mean
        squares = squares + np.einsum("ij,ij->j", rows, rows) + difference**2 * (count * len(rows) / total)
        mean, count = mean + difference * (len(rows) / total), total
    return mean, np.sqrt(squares / count)
