"""Where in a training log its policy was half way from where it began to the best it became."""

from __future__ import annotations

import numpy as np

from rlformer.data.dataset import Dataset
from rlformer.errors import InputError

_WINDOW = 20  # episodes in the running mean of returns


def mid_training_step(dataset: Dataset) -> int:
    """The training step at which the running mean of returns (20 episodes) first reached the middle between its
    first and its highest value.

    A log cut there holds the learning and not its end: the full log of a solved task is half expert, so that every
    imitator would saturate. Raises InputError where the log does not say when its episodes were made, or holds too few.
    """
    behind = dataset.episodes["behaviour_steps"][dataset.index]
    if (behind < 0).any():
        raise InputError("this log does not say at which training step its episodes were made: no prefix of it")
    if len(dataset) < 2 * _WINDOW:
        raise InputError(
            f"{len(dataset)} episodes are too few to find the middle of the training: {2 * _WINDOW} at least"
        )
    sums = np.cumsum(np.insert(dataset.returns, 0, 0.0))
    running = (sums[_WINDOW:] - sums[:-_WINDOW]) / _WINDOW  # running[i]: episodes i to i + 19
    middle = (running[0] + running.max()) / 2
    return int(behind[int(np.argmax(running >= middle)) + _WINDOW - 1])
