"""A log's statistics, by which a model's inputs are scaled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset
from rlformer.data.windows import largest_return_to_go, observation_rows, step_rows

_AT_ONCE = 1 << 18  # steps; the log may be larger than memory
_CONSTANT = 1e-6  # a feature that deviates less is left at its own scale


@dataclass(frozen=True)
class Scales:
    """What observations, unbounded actions and returns are scaled by."""

    observation_mean: Array  # (O,)
    observation_std: Array  # (O,)
    action_mean: Array | None = None  # (A,), Box alone
    action_std: Array | None = None
    return_scale: float = 1.0  # returns-to-go are divided by it


def measure(dataset: Dataset, return_scale: float = 0.0) -> Scales:
    """Mean and deviation over the steps of the view; `return_scale` 0 is its largest return-to-go.

    Final observations are left out: no action follows them, and no window shows them.
    """
    rows, observed = step_rows(dataset), observation_rows(dataset)
    mean, std = _moments(dataset.observations[observed[part]] for part in _parts(len(rows)))
    action_mean = action_std = None
    if dataset.info.actions.kind == "box":
        action_mean, action_std = _moments(dataset.actions[rows[part]] for part in _parts(len(rows)))
    if not return_scale:
        return_scale = largest_return_to_go(dataset) or 1.0
    return Scales(mean, np.where(std < _CONSTANT, 1.0, std), action_mean, action_std, return_scale)


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE))


def _moments(parts: Iterator[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of rows that come in parts, merged as in Chan et al. 1979."""
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for part in parts:
        rows = part.astype(np.float64)
        center = np.ones(len(rows)) @ rows / len(rows)  # as a product: three times as fast as numpy's mean and var
        rows -= center
        total, difference = count + len(rows), center - mean
        squares = squares + np.einsum("ij,ij->j", rows, rows) + difference**2 * (count * len(rows) / total)
        mean, count = mean + difference * (len(rows) / total), total
    return mean, np.sqrt(squares / count)
