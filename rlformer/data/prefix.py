"""The middle of a training log: where its policy was half way from where it began to the best it became."""

from __future__ import annotations

import numpy as np

from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset

_WINDOW = 20  # episodes in the running mean of returns
_CLEAR = 3.0  # standard errors of that mean by which it must rise


def mid_training(dataset: Dataset) -> Dataset:
    """The episodes up to where the running mean of returns (20 episodes) first reached the middle between its first and
    its highest value; half of the training where that mean never clearly rose.

    A log cut there holds the learning and not its end: the full log of a solved task is half expert, so that every
    imitator would saturate. Raises InputError where the log does not say when its episodes were made, or holds too few.
    """
    behind = dataset.episodes["behaviour_steps"][dataset.index]
    if (behind < 0).any():
        raise InputError("this log does not say at which training step its episodes were made: no prefix of it")
    if len(dataset) < 2 * _WINDOW:
        raise InputError(f"{len(dataset)} episodes are too few for the middle of a training: {2 * _WINDOW} at least")
    windows = np.lib.stride_tricks.sliding_window_view(dataset.returns, _WINDOW)
    running = windows.sum(axis=1) / _WINDOW  # running[i]: episodes i to i + 19, each summed for itself
    first, best = running[0], running.max()
    noise = float(np.std(dataset.returns[:_WINDOW])) / np.sqrt(_WINDOW)
    if not best - first > _CLEAR * noise:
        return dataset.prefix(int(behind.max()) // 2)
    return dataset.prefix(int(behind[int(np.argmax(running >= (first + best) / 2)) + _WINDOW - 1]))
