"""Where a training log is cut: at a step of its training that whoever watched it knew at that moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rlformer.core import grid
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import Dataset

_WINDOW = 20  # episodes in the running mean of returns
_HALF_WAY = 0.5  # of the normalised score


@dataclass(frozen=True)
class Middle:
    """The middle of a training."""

    step: int  # of the training
    reason: str = ""  # why it is half of the training; "" where the score decided


def middle(dataset: Dataset, env: EnvSpec | None) -> Middle:
    """The first end of an episode at which the mean return of the last 20 episodes reaches a normalised score of .5.

    env: says what a normalised score is. Without a card, and where that mean never gets there, it is half of the steps
    of the training. What was logged later changes nothing where the score decides: neither the end of the training nor
    its best return is known by then. A log cut there holds the learning and not its end: the full log of a solved task
    is half expert, so that every imitator would saturate. Raises InputError where the log does not say when its
    episodes were made.
    """
    behind = dataset.episodes["behaviour_steps"][dataset.index]
    if (behind < 0).any():
        raise InputError("this log does not record at which training step its episodes were made, so it has no prefix")
    half = int(dataset.upstream_env_steps or behind.max(initial=0)) // 2
    if env is None or env.normalize(0.0) is None:
        return Middle(half, "half of the training, since no card gives a reference return")
    if len(dataset) >= _WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(dataset.returns, _WINDOW)
        # Each window is summed for itself: in a running sum what came before would stay.
        scores = [env.normalize(float(mean)) or 0.0 for mean in windows.sum(axis=1) / _WINDOW]
        reached = np.array(scores) >= _HALF_WAY
        if reached.any():
            return Middle(int(behind[int(np.argmax(reached)) + _WINDOW - 1]))
    return Middle(half, f"half of the training, which never reached {_HALF_WAY:g} of the normalised score")


def mid_training(dataset: Dataset, env: EnvSpec | None = None) -> Dataset:
    """The episodes up to the `middle` of a training; its selection says in words why it was half, where it was."""
    found = middle(dataset, env)
    cut = dataset.prefix(found.step)
    return replace(cut, selection=f"{cut.selection} ({found.reason})") if found.reason else cut


def on_grid(steps: float) -> int:
    """The point of the absolute grid of steps that is nearest, by the ratio.

    >>> on_grid(1), on_grid(1000), on_grid(5200), on_grid(33_912)
    (1000, 1000, 5657, 32000)
    """
    points = grid.points(max(grid.FIRST, 2 * int(steps + 1)))
    return min(points, key=lambda point: abs(math.log(point / max(steps, 1.0))))
