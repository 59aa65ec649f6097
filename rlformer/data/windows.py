"""Batches of context from a dataset: one draw, one gather, no Python loop over samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rlformer.types import Array, Window

if TYPE_CHECKING:
    from rlformer.data.dataset import Dataset


class Windows:
    """Draws windows of `context_length` steps from the episodes of a dataset.

    As in Chen et al. 2021 an episode is drawn with probability proportional to its length and the first step of
    the window uniformly inside it, which is one uniform draw over steps. A window that reaches beyond the
    episode's end is padded on the right by repeating its last step, with mask False there.
    """

    def __init__(self, dataset: Dataset, context_length: int, device: str = "cpu") -> None:
        self._context = torch.arange(context_length)
        self._observations = torch.from_numpy(dataset.observations)
        self._actions = torch.from_numpy(dataset.actions)
        self._returns_to_go = torch.from_numpy(returns_to_go(dataset))
        self._starts = torch.from_numpy(dataset.starts)
        self._lengths = torch.from_numpy(dataset.lengths)
        self._episode = torch.from_numpy(np.asarray(dataset.index))
        self._ends = torch.cumsum(self._lengths, 0)  # of each episode, counted in steps of this view
        self._rewards_starts = self._ends - self._lengths
        self.num_steps = int(dataset.num_steps)
        self._device = device

    def draw(self, batch_size: int, rng: np.random.Generator) -> Window:
        """A batch of `batch_size` windows, as torch tensors (B, K, ...)."""
        return self.at(torch.from_numpy(rng.integers(0, self.num_steps, batch_size)))

    def at(self, steps: torch.Tensor) -> Window:
        """The windows that begin at these steps (B,) of the view, counted through its episodes in order."""
        episode = torch.searchsorted(self._ends, steps, right=True)  # (B,)
        offset = steps - self._rewards_starts[episode]
        timesteps = offset[:, None] + self._context  # (B, K)
        mask = timesteps < self._lengths[episode, None]
        timesteps = torch.minimum(timesteps, self._lengths[episode, None] - 1)
        row = self._starts[episode, None] + timesteps  # (B, K) in actions; each episode before adds an observation
        view_row = self._rewards_starts[episode, None] + timesteps
        window = Window(
            self._observations[row + self._episode[episode, None]],
            self._actions[row],
            self._returns_to_go[view_row],
            timesteps,
            mask,
        )
        if self._device == "cpu":
            return window
        return Window(*(t.to(self._device, non_blocking=True) for t in vars(window).values()))


def returns_to_go(dataset: Dataset) -> Array:
    """The sum of rewards from each step to its episode's end: (num_steps,) float32, in the order of the view."""
    rewards = np.concatenate(
        [dataset.rewards[s : s + n] for s, n in zip(dataset.starts, dataset.lengths, strict=True)] or [np.zeros(0)]
    )
    after = np.cumsum(rewards[::-1])[::-1]  # from each step to the end of the whole view
    ends = np.cumsum(dataset.lengths)
    beyond = np.append(after, 0.0)[ends]  # what belongs to the episodes behind
    return (after - np.repeat(beyond, dataset.lengths)).astype(np.float32)
