"""Batches of context from a dataset: one draw, one gather, no Python loop over samples."""

from __future__ import annotations

import numpy as np
import torch

from rlformer.data.dataset import Dataset
from rlformer.types import Array, Window


class Windows:
    """Draws windows of `context_length` steps from the episodes of a dataset.

    As in Chen et al. 2021 an episode is drawn with probability proportional to its length and the first step of
    the window uniformly inside it, which is one uniform draw over steps. A window that reaches beyond the
    episode's end is padded on the right by repeating its last step, with mask False there.
    """

    def __init__(self, dataset: Dataset, context_length: int) -> None:
        self.num_steps = dataset.num_steps
        self._context = np.arange(context_length)
        self._observations, self._actions = dataset.observations, dataset.actions
        self._ahead, self._behind = _rewards_ahead(dataset)
        self._lengths = dataset.lengths
        self._ends = np.cumsum(dataset.lengths)  # of each episode, counted in steps of this view
        self._firsts = self._ends - dataset.lengths
        self._starts, self._observation_starts = dataset.starts, dataset.observation_starts

    def draw(self, batch_size: int, rng: np.random.Generator) -> Window:
        """A batch of `batch_size` windows of torch tensors, (B, K, ...)."""
        return self.at(rng.integers(0, self.num_steps, batch_size))

    def some(self, count: int, batch_size: int, rng: np.random.Generator) -> list[Window]:
        """Windows that begin at `count` different steps, or at all where there are fewer; in batches."""
        steps = rng.choice(self.num_steps, min(count, self.num_steps), replace=False)
        return [self.at(steps[i : i + batch_size]) for i in range(0, len(steps), batch_size)]

    def at(self, steps: Array) -> Window:
        """The windows that begin at these steps (B,) of the view, counted through its episodes in order."""
        episode = np.searchsorted(self._ends, steps, side="right")  # (B,)
        length = self._lengths[episode, None]
        timesteps = (steps - self._firsts[episode])[:, None] + self._context  # (B, K)
        mask = timesteps < length
        np.minimum(timesteps, length - 1, out=timesteps)
        ahead = self._ahead.take(self._firsts[episode, None] + timesteps)
        arrays = (
            self._observations.take(self._observation_starts[episode, None] + timesteps, axis=0),
            self._actions.take(self._starts[episode, None] + timesteps, axis=0),
            (ahead - self._behind[episode, None]).astype(np.float32),
            timesteps,
            mask,
        )
        return Window(*map(torch.from_numpy, arrays))


def returns_to_go(dataset: Dataset) -> Array:
    """The sum of rewards from each step to its episode's end: (num_steps,) float32, in the order of the view."""
    ahead, behind = _rewards_ahead(dataset)
    return (ahead - np.repeat(behind, dataset.lengths)).astype(np.float32)


def largest_return_to_go(dataset: Dataset) -> float:
    """The largest magnitude among them, without an array of them."""
    ahead, behind = _rewards_ahead(dataset)
    firsts = np.cumsum(dataset.lengths) - dataset.lengths
    highest, lowest = (extreme.reduceat(ahead, firsts) - behind for extreme in (np.maximum, np.minimum))
    return float(np.float32(max(highest.max(), -lowest.min())))


def _rewards_ahead(dataset: Dataset) -> tuple[Array, Array]:
    """The sum of rewards from each step (num_steps,), and from each episode's end (n,), to the end of the view."""
    whole = np.array_equal(dataset.index, np.arange(len(dataset.episodes)))  # in their order: nothing to look up
    rewards = dataset.rewards if whole else dataset.rewards[step_rows(dataset)]
    ahead = np.empty(len(rewards))  # forwards in memory, since windows are looked up in it
    np.cumsum(rewards[::-1], out=ahead[::-1])
    behind = np.zeros(len(dataset.lengths))
    behind[:-1] = ahead[np.cumsum(dataset.lengths)[:-1]]
    return ahead, behind


def step_rows(dataset: Dataset) -> Array:
    """Where in `actions` and `rewards` each step of the view stands: (num_steps,), in the order of the view."""
    before = np.cumsum(dataset.lengths) - dataset.lengths
    return np.arange(dataset.num_steps) + np.repeat(dataset.starts - before, dataset.lengths)
