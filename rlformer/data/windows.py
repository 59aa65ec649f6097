"""Batches of context from a dataset: one draw, one gather, no Python loop over samples."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from rlformer.core.frames import Frames, held
from rlformer.core.packed import Packed
from rlformer.core.parts import Parts, Table
from rlformer.core.records import Window
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.data.dataset import Dataset

_KNOWN: WeakKeyDictionary[Dataset, Array] = WeakKeyDictionary()  # returns-to-go of views that are in use
_AT_ONCE = 1 << 20  # steps whose rewards are looked at at once


class Windows:
    """Draws windows of `context_length` steps from the episodes of a dataset.

    As in Chen et al. 2021 an episode is drawn with probability proportional to its length and the first step of
    the window uniformly inside it, which is one uniform draw over steps. A window that reaches beyond the
    episode's end is padded on the right by repeating its last step, with mask False there.

    The log stays where it is, mapped into memory; `to` copies it to another device, where windows are gathered then.
    """

    def __init__(self, dataset: Dataset, context_length: int) -> None:
        self.num_steps, self._dataset = dataset.num_steps, dataset
        self._context = torch.arange(context_length)
        lengths = dataset.lengths
        ends = dataset.ends
        shown = dataset.observations
        self._frames = shown.count if isinstance(shown, Frames) else 1  # of an observation, each of them kept once
        self._packed = shown.spec if isinstance(shown, Packed) else None  # of rows of bytes
        self._observations, self._actions = _mapped(held(shown)), _mapped(dataset.actions)
        self._ahead = _tensor(returns_to_go(dataset))
        self._ends = _tensor(ends)
        # (4, n) of each episode: its length, and where it begins in this view, in `actions` and in `observations`.
        self._episodes = _tensor(np.stack([lengths, ends - lengths, dataset.starts, dataset.observation_starts]))

    def to(self, device: torch.device) -> Windows:
        """The same windows with the steps of this view, and no others, on a device."""
        moved = copy.copy(self)
        moved._observations = _tensor(held(self._dataset.observations)[observation_rows(self._dataset)])
        moved._actions = _tensor(self._dataset.actions[step_rows(self._dataset)])
        moved._episodes = self._episodes[[0, 1, 1, 1]]
        tensors = {name: value for name, value in vars(moved).items() if isinstance(value, Tensor)}
        vars(moved).update({name: value.to(device) for name, value in tensors.items()})
        return moved

    def draw(self, batch_size: int, rng: np.random.Generator) -> Window:
        """A batch of `batch_size` windows of torch tensors, (B, K, ...)."""
        return self.at(self.starts(batch_size, rng))

    def starts(self, batch_size: int, rng: np.random.Generator) -> Tensor:
        """Where the windows of a batch begin: (B,) integers for `at`, in the host's memory."""
        return torch.from_numpy(rng.integers(0, self.num_steps, batch_size))

    def some(self, count: int, batch_size: int, rng: np.random.Generator) -> list[Window]:
        """Windows that begin at `count` different steps, or at all where there are fewer; in batches."""
        steps = torch.from_numpy(rng.choice(self.num_steps, min(count, self.num_steps), replace=False))
        return [self.at(steps[i : i + batch_size]) for i in range(0, len(steps), batch_size)]

    def at(self, steps: Tensor) -> Window:
        """The windows that begin at these steps (B,) of the view, counted through its episodes in order."""
        episode = torch.searchsorted(self._ends, steps, right=True)  # (B,)
        of_each = self._episodes.index_select(1, episode)
        length, first, start, observation_start = of_each[..., None]  # each (B, 1)
        timesteps = steps[:, None] - first + self._context  # (B, K)
        mask = timesteps < length
        timesteps = torch.minimum(timesteps, length - 1)
        return Window(
            self._observed(observation_start + timesteps, timesteps),
            _rows(self._actions, start + timesteps),
            _rows(self._ahead, first + timesteps),
            timesteps,
            mask,
        )

    def _observed(self, rows: Tensor, timesteps: Tensor) -> Tensor:
        """The observations in these rows (B, K), of these steps of their episodes: (B, K, *obs)."""
        if self._frames == 1:
            found = _rows(self._observations, rows)
            return found if self._packed is None else _unpacked(found, self._packed)
        back = torch.arange(self._frames - 1, -1, -1, device=rows.device)
        there = timesteps[..., None] >= back  # (B, K, n): zeros stand for what was before the first step
        found = _rows(self._observations, (rows[..., None] - back).where(there, rows[..., None]).flatten(1))
        stacked = found.unflatten(1, there.shape[1:])  # (B, K, n, c, H, W)
        return stacked.masked_fill_(~there[..., None, None, None], 0).flatten(2, 3)


def moved(window: Window, device: torch.device) -> Window:
    """The same window on a device."""
    return replace(window, **{field.name: getattr(window, field.name).to(device) for field in fields(window)})


def _unpacked(rows: Tensor, spec: ObservationSpec) -> Tensor:
    """Bytes (B, K, n), on any device, as the observations (B, K, D) that they stand for: see `core.packed`."""
    sizes = [part.size * np.dtype(part.dtype).itemsize for part in spec.parts]
    pieces = (piece.clone(memory_format=torch.contiguous_format) for piece in rows.split(sizes, dim=-1))
    return torch.cat(
        [
            piece.view(getattr(torch, part.dtype)).to(getattr(torch, spec.dtype.name))
            for part, piece in zip(spec.parts, pieces, strict=True)
        ],
        dim=-1,
    )


def _rows(table: Tensor | Parts, rows: Tensor) -> Tensor:
    """table (R, *), rows (B, K) -> (B, K, *)."""
    if isinstance(table, Parts):
        return torch.from_numpy(table[rows.numpy()])
    return table.index_select(0, rows.flatten()).unflatten(0, rows.shape)


def _mapped(table: Table) -> Tensor | Parts:
    """The same memory as a tensor; arrays one behind the other as they are."""
    return table if isinstance(table, Parts) else _tensor(table)


def _tensor(array: Array) -> Tensor:
    """The same memory as a tensor."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # it is only read
        return torch.from_numpy(np.asarray(array))


def returns_to_go(dataset: Dataset) -> Array:
    """The sum of rewards from each step to its episode's end: (num_steps,) float32, in the order of the view.

    Of a view it is computed once, and is not to be written to.
    """
    if (known := _KNOWN.get(dataset)) is not None:
        return known
    found, lengths = np.empty(dataset.num_steps, np.float32), dataset.lengths
    for some in _blocks(lengths):
        ahead = _rewards_ahead(dataset, some)
        found[dataset.ends[some.start] - lengths[some.start] :][: len(ahead)] = ahead
    _KNOWN[dataset] = found
    return found


def largest_return_to_go(dataset: Dataset) -> float:
    """The largest magnitude among them."""
    ahead = returns_to_go(dataset)
    return float(max(ahead.max(), -ahead.min()))


def _blocks(lengths: Array) -> Iterator[slice]:
    """Of episodes that are looked at at once: the steps of many may not fit into memory."""
    block = (np.cumsum(lengths) - 1) // _AT_ONCE
    bounds = np.flatnonzero(np.diff(block, prepend=-1, append=-1))
    return (slice(int(start), int(stop)) for start, stop in pairwise(bounds))


def _rewards_ahead(dataset: Dataset, some: slice) -> Array:
    """Of these episodes, float64, from each step to its episode's end. Each episode is summed for itself: in one sum
    over all of them the rewards of a small one would be lost behind those of a huge one.
    """
    lengths = dataset.lengths[some]
    stretch = int(dataset.ends[some.start] - lengths[0]), int(dataset.ends[some.stop - 1])
    rewards = np.asarray(rows_of(dataset.rewards, step_rows(dataset, *stretch)), np.float64)
    ahead, ends, longest = np.empty(len(rewards)), np.cumsum(lengths), int(lengths.max())
    if longest > len(lengths):
        for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
            ahead[start:end] = np.cumsum(rewards[start:end][::-1])[::-1]
        return ahead
    order = np.argsort(-lengths, kind="stable")  # of many short episodes all at once, step by step from their ends
    lasts, longer = ends[order] - 1, np.searchsorted(lengths[order][::-1], np.arange(longest), side="right")
    sums = rewards[lasts]
    ahead[lasts] = sums
    for back in range(1, longest):
        count = len(lengths) - int(longer[back])
        at = lasts[:count] - back
        sums[:count] += rewards[at]
        ahead[at] = sums[:count]
    return ahead


def observation_rows(dataset: Dataset, start: int = 0, stop: int | None = None) -> Array:
    """Where in `observations` each step of the view stands, its final observation behind it; see `step_rows`."""
    return _rows_of_steps(dataset, dataset.observation_starts, start, stop)


def step_rows(dataset: Dataset, start: int = 0, stop: int | None = None) -> Array:
    """Where in `actions` and `rewards` the steps of the view from `start` to `stop` stand, in its order: (N,)."""
    return _rows_of_steps(dataset, dataset.starts, start, stop)


def rows_of(table: Table | Frames | Packed, rows: Array) -> Array:
    """The rows (N, *). Where they ascend and few are left out they are taken of one stretch, which alone is no copy."""
    if not len(rows) or rows[-1] - rows[0] >= 2 * len(rows) or not (rows[1:] > rows[:-1]).all():
        return table[rows]
    stretch = table[int(rows[0]) : int(rows[-1]) + 1]
    return stretch if len(stretch) == len(rows) else np.take(stretch, rows - rows[0], axis=0)


def _rows_of_steps(dataset: Dataset, firsts: Array, start: int, stop: int | None) -> Array:
    """firsts: (n,) the row of each episode's first step."""
    stop = dataset.num_steps if stop is None else min(stop, dataset.num_steps)
    ends = dataset.ends
    some = slice(int(np.searchsorted(ends, start, side="right")), int(np.searchsorted(ends, stop, side="left")) + 1)
    lengths = dataset.lengths[some]
    before = ends[some] - lengths
    inside = np.minimum(ends[some], stop) - np.maximum(before, start)
    return np.arange(start, stop) + np.repeat(firsts[some] - before, inside)
