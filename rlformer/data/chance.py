"""How far chance decides in a log: what repeats in it, and whether the same led to the same."""

from __future__ import annotations

import hashlib

import numpy as np

from rlformer.core.frames import Frames
from rlformer.core.packed import Packed
from rlformer.core.parts import Table
from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset

_AT_ONCE, _LONG = 1024, 4096  # rows, and bytes of one


def chance_per_step(dataset: Dataset) -> tuple[float | None, int]:
    """Among the steps whose observation and action occurred before, the share that led to another reward, observation
    or end than the first time, and how many those steps are; None where nothing repeats.
    """
    lengths = dataset.lengths
    ends = np.cumsum(lengths)
    rows = np.arange(dataset.num_steps) + np.repeat(dataset.starts - ends + lengths, lengths)
    observed = rows + np.repeat(dataset.index, lengths)  # each episode before it has a row more than steps
    over = np.isin(np.arange(dataset.num_steps), ends - 1)
    before = _alike((dataset.observations, observed), (dataset.actions, rows))
    after = _alike((dataset.observations, observed + 1), (dataset.rewards, rows), (over, np.arange(len(over))))
    _, first, group = np.unique(before, return_index=True, return_inverse=True)
    again = np.ones(len(before), bool)
    again[first] = False
    if not again.any():
        return None, 0
    return float((after != after[first[group]])[again].mean()), int(again.sum())


def luck(dataset: Dataset) -> tuple[float | None, int]:
    """Among episodes with the same first observation and the same actions, how much of the variance of their returns is
    within those groups, and how many those episodes are; None where nothing repeats or nothing varies.
    """
    chosen = [
        dataset.observations[first].tobytes() + dataset.actions[start : start + length].tobytes()
        for first, start, length in zip(dataset.observation_starts, dataset.starts, dataset.lengths, strict=True)
    ]
    _, group, sizes = np.unique(np.array(chosen, object), return_inverse=True, return_counts=True)
    twins = sizes[group] > 1
    returns, group = dataset.returns[twins], group[twins]
    total = float(returns.var()) if len(returns) else 0.0
    if total == 0.0:
        return None, int(twins.sum())
    count = np.bincount(group)
    mean = np.bincount(group, returns) / np.maximum(count, 1)
    # A group's variance over its size less one, as an estimate must: two twins would else look half as lucky.
    within = (returns - mean[group]) ** 2 * count[group] / (count[group] - 1)
    return min(1.0, float(within.mean()) / total), int(twins.sum())


def _alike(*columns: tuple[Table | Frames | Packed, Array]) -> Array:
    """A number for each of S rows, the same where all columns are: each an array with S of its rows, (S,)."""
    seen: dict[bytes, int] = {}
    found = np.zeros(len(columns[0][1]), np.int64)
    for start in range(0, len(found), _AT_ONCE):
        block = [np.asarray(values[rows[start : start + _AT_ONCE]], np.float64) for values, rows in columns]
        joined = np.column_stack([part.reshape(len(part), -1) for part in block]) + 0.0  # + 0.0: -0 is 0
        for i, row in enumerate(joined, start):
            known = row.tobytes()
            if len(known) > _LONG:  # of images the numbers are not kept
                known = hashlib.blake2b(known, digest_size=16).digest()
            found[i] = seen.setdefault(known, len(seen))
    return found
