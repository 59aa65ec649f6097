"""A trajectory model as a policy: N ring buffers of context, filled and read without a loop over environments."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from rlformer.models.trajectory import TrajectoryModel
from rlformer.types import Array, Window

_MULTIPLE = 8  # rounding of matrix products depends on the batch: pad, so that N does not change what is played
_BLOCK = 256  # uniform numbers drawn at once for a slot


class SequencePolicy:
    """See `types.Policy`. Each step runs the model over the last K steps: exact, whatever the backbone."""

    def __init__(self, model: TrajectoryModel, target_return: float | None = None, sample: bool = False) -> None:
        self._model = model.eval()
        self._target = 0.0 if target_return is None else target_return
        self._sample = sample
        self._spec = model.codec.spec
        self._k = model.architecture.context_length
        self._steps = torch.arange(self._k)
        self._size = 0
        self._streams: dict[int, np.random.Generator] = {}
        self._grow(_MULTIPLE)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `types.Policy`. `target_returns` (len(slots),) override the policy's own."""
        if slots.max() >= self._size:
            self._grow(math.ceil((int(slots.max()) + 1) / _MULTIPLE) * _MULTIPLE)
        rows = torch.from_numpy(np.asarray(slots, np.int64))
        self._time[rows] = 0
        wanted = np.full(len(slots), self._target) if target_returns is None else target_returns
        self._owed[rows] = torch.from_numpy(np.asarray(wanted, np.float64))
        if self._sample:
            for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
                self._streams[slot] = np.random.default_rng(seed)
                self._uniform[slot] = self._draw(slot)

    @torch.inference_mode()
    def act(self, observations: Array) -> Array:
        """See `types.Policy`."""
        count, every = len(observations), self._every
        at = self._time % self._k
        self._observations[every[:count], at[:count]] = torch.from_numpy(np.asarray(observations, np.float32))
        self._returns[every, at] = self._owed.float()
        self._timesteps[every, at] = self._time
        last = self._time.clamp(max=self._k - 1)  # (P,)
        predictions = self._model.predict_at(self._window(last), last)
        if self._sample:
            actions = self._model.codec.sample(predictions, self._next_uniform())
        else:
            actions = self._model.codec.greedy(predictions)
        return np.asarray(actions[:count].numpy(), self._spec.dtype)

    @torch.inference_mode()
    def observe(self, actions: Array, rewards: Array) -> None:
        """See `types.Policy`."""
        count = len(actions)
        rows, at = self._every[:count], self._time[:count] % self._k
        self._actions[rows, at] = torch.from_numpy(np.asarray(actions, self._spec.dtype))
        self._owed[:count] -= torch.from_numpy(np.asarray(rewards, np.float64))
        self._time[:count] += 1

    def _window(self, last: Tensor) -> Window:
        """The rings read in order of time; rows behind `last` are padding."""
        oldest = (self._time - last)[:, None]
        at, every = (oldest + self._steps) % self._k, self._every[:, None]
        mask = self._steps <= last[:, None]
        return Window(
            self._observations[every, at],
            self._actions[every, at],
            self._returns[every, at],
            self._timesteps[every, at],
            mask,
        )

    def _grow(self, size: int) -> None:
        """Room for `size` slots; what the old ones hold is kept."""
        k, more = self._k, size - self._size
        fresh = {
            "_observations": torch.zeros(more, k, self._model.architecture.observation_size),
            "_actions": torch.zeros(
                more, k, *self._spec.shape, dtype=torch.float32 if self._spec.kind == "box" else torch.int64
            ),
            "_returns": torch.zeros(more, k),
            "_timesteps": torch.zeros(more, k, dtype=torch.int64),
            "_time": torch.zeros(more, dtype=torch.int64),
            "_owed": torch.zeros(more, dtype=torch.float64),
            "_uniform": torch.zeros(more, _BLOCK, self._model.codec.components),
        }
        for name, rows in fresh.items():
            setattr(self, name, torch.cat([getattr(self, name), rows]) if self._size else rows)
        self._size, self._every = size, torch.arange(size)

    def _draw(self, slot: int) -> Tensor:
        return torch.from_numpy(self._streams[slot].random((_BLOCK, self._model.codec.components), np.float32))

    def _next_uniform(self) -> Tensor:
        """(P, components): the next numbers of each slot's own stream."""
        at = self._time % _BLOCK
        for slot in torch.nonzero((at == 0) & (self._time > 0))[:, 0].tolist():
            if slot in self._streams:
                self._uniform[slot] = self._draw(slot)
        return self._uniform[self._every, at]
