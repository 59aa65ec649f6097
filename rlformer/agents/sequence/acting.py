"""A trajectory model as a policy: N ring buffers of context, filled and read without a loop over environments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from rlformer.agents import rounding
from rlformer.agents.sequence.backbones.base import Sliding
from rlformer.agents.sequence.trajectory import Encoded, TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.seeding import policy_generator
from rlformer.core.spaces import ActionSpec, Array

_FORBIDDEN = -1e8  # of a logit: finite where nothing is allowed
_BLOCK = 256  # steps for which a slot's uniform numbers are drawn at once


class SequencePolicy:
    """See `core.policy.Policy`. Each step runs the model over the last K steps: exact, whatever the backbone.

    A backbone that says how does so in memory that is taken once (`Backbone.sliding`). Where tokens are the same
    wherever a window begins (the paper's), what is known of them is not computed again.

    Of images what the encoder makes of them is kept, and not computed again.

    A model that streams (`Architecture.streams`) is given the newest step alone, and goes on from what its layers keep
    of those before: as exact, since it is what the model is of the whole episode, however long.

    A model that predicts returns acts on the one that it expects at each step, and reads those of earlier steps as it
    expected them then: nothing is asked of it.

    One that executes chunks looks at the first step of each, and then does what it foresaw. Its scores are what it
    would do if a chunk began.

    `target_return` is what is asked for where `begin` does not say. A slot in which no episode was begun is at the
    first step of one: `SequencePolicy(model, 100.0).act(observations)` needs nothing before it.
    """

    needs_masks = False

    def __init__(self, model: TrajectoryModel, target_return: float | None = None, sample: bool = False) -> None:
        self.model = self._model = model.eval()
        self._target = 0.0 if target_return is None else target_return
        self._sample = sample
        self._k = _steps_kept(model)
        self._encodes = model.architecture.observation.has_images
        self._window_of = Encoded if self._encodes else Window
        self._steps = np.arange(self._k)
        self._slots = _Slots.fresh(0, model, self._target)
        self._windows: Sliding | None = None
        sliding = model.architecture.kind.sliding
        if sliding and not model.architecture.streams and not model.predicts_returns:
            self._windows = sliding(model.backbone, model.rows_per_window)
        self._streams: list[np.random.Generator] = []
        self._alike = rounding.Alike()
        self._allowed: torch.Tensor | None = None  # (N, levels) bool, what is allowed now; None: everything

    @property
    def actions(self) -> ActionSpec:
        """See `core.policy.Scorer`."""
        return self.model.architecture.actions

    @property
    def context_length(self) -> int | None:
        """See `core.policy.Scorer`."""
        return self.model.architecture.reach

    @property
    def remembers(self) -> bool:
        """Whether earlier steps of an episode enter, if only by their number."""
        a = self.model.architecture
        return a.context_length > 1 or a.streams or self.reads_returns or a.timestep_encoding == "episode"

    @property
    def samples(self) -> bool:
        """Whether it draws its actions."""
        return self._sample

    @property
    def reads_returns(self) -> bool:
        """See `core.policy.Scorer`."""
        return self.model.architecture.conditioning == "return"

    @property
    def stochastic(self) -> bool:
        """See `core.policy.Scorer`."""
        return self.actions.kind != "box"

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """See `core.policy.Scorer`."""
        return (self.model,)

    def scores(self, window: Window) -> torch.Tensor:
        """See `core.policy.Scorer`."""
        predictions = self.model.scores(window)
        return self.model.codec.greedy(predictions) if self.actions.kind == "box" else predictions

    def allow(self, masks: Array) -> None:
        """See `core.policy.Masked`."""
        self._allowed = torch.from_numpy(masks)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`. `target_returns` (len(slots),) override the policy's own."""
        self._reserve(int(np.max(slots)) + 1)
        self._allowed = None  # until it is told
        self._slots.time[slots] = 0
        self._slots.owed[slots] = self._target if target_returns is None else target_returns
        if self._sample:
            for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
                self._streams[slot] = policy_generator(seed)

    @torch.inference_mode()
    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`. Does not depend on how many environments run side by side.

        Raises InputError where observations would lose in the model's dtype.
        """
        with self._alike(len(observations)):
            return self._act(observations)

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""
        count, slots = len(actions), self._slots
        slots.actions[np.arange(count), slots.time[:count] % self._k] = actions
        slots.owed[:count] -= rewards
        slots.time[:count] += 1

    def _act(self, observations: Array) -> Array:
        count, rows = len(observations), rounding.rows()
        size = max(count, rows)
        self._reserve(size)
        slots, every = self._slots, np.arange(size)
        have, reads = observations.dtype, self._model.architecture.observation.dtype
        if not np.can_cast(have, reads, "same_kind"):
            raise InputError(f"observations are {have}, the model was trained on {reads}")
        time = slots.time[:size]
        shown = self._encoded(observations, size) if self._encodes else observations
        slots.observations[every[:count], time[:count] % self._k] = shown
        slots.returns_to_go[every, time % self._k] = slots.owed[:size]
        if self._model.architecture.executes_chunks:
            predictions = self._foreseen(max(count, math.ceil(rows / self._k)))
        elif self._model.architecture.streams:
            predictions = self._stream(size)
        elif self._windows:
            predictions = self._slide(self._windows, size, count, rows)
        else:
            predictions = self._read(max(count, math.ceil(rows / self._k)))
        if self._allowed is not None:
            predictions = predictions[:count].masked_fill(~self._allowed[:count], _FORBIDDEN)
        codec, key = self._model.codec, ("action", self.actions.kind, self._sample)
        if self._sample:
            return rounding.rowwise(key, codec.sample, predictions[:count], self._uniform(count)).numpy()
        return rounding.rowwise(key, codec.greedy, predictions[:count]).numpy()

    def _encoded(self, observations: Array, size: int) -> Array:
        """(N, *obs) -> (N, D), of at least `size` rows at once."""
        spec = self._model.architecture.observation
        filled = np.zeros((size, *spec.shape), spec.dtype)
        filled[: len(observations)] = observations
        found: Array = self._model.encode(torch.from_numpy(filled))[: len(observations)].numpy()
        return found

    def _read(self, size: int) -> torch.Tensor:
        """The predictions of the first `size` slots from their last K steps."""
        last = np.minimum(self._slots.time[:size], self._k - 1)  # (P,)
        predictions, returns = self._model.decide(self._window(last), torch.from_numpy(last))
        if self._model.predicts_returns:  # later steps read it
            self._slots.returns_to_go[np.arange(size), self._slots.time[:size] % self._k] = returns.numpy()
        return predictions

    def _foreseen(self, size: int) -> torch.Tensor:
        """The same of what was foreseen when the chunk began: now, in some slots."""
        slots, every = self._slots, np.arange(size)
        place = slots.time[:size] % self._model.architecture.chunk_length
        if not place.all():
            last = np.minimum(slots.time[:size], self._k - 1)
            chunks = self._model.chunks(self._window(last), torch.from_numpy(last))[:, 0].numpy()
            slots.chunk[every[place == 0]] = chunks[place == 0]
        return torch.from_numpy(slots.chunk[every, place])

    def _slide(self, windows: Sliding, size: int, count: int, rows: int) -> torch.Tensor:
        """The same for the first `count` slots, by a reader of windows that slide."""
        if self._model.slides:  # the newest tokens are all that changes
            tokens = self._model.arriving(*self._newest(size))  # (S, n, D)
            per_step = tokens.shape[1]
            put = max(count, math.ceil(rows / per_step))
            numbers = torch.from_numpy(per_step * self._slots.time[:put, None] + np.arange(-1, per_step - 1))
            windows.put(tokens[:put], numbers)
            newest = numbers[: max(count, math.ceil(rows / self._model.rows_per_window)), -1]
        else:  # each kind of input brings K rows of a window
            last = np.minimum(self._slots.time[:count], self._k - 1)  # (P,)
            windows.put(self._model.embed(self._window(last)))
            newest = self._model.row_of(torch.from_numpy(last))
        return self._model.head(windows.read(newest, rows))

    def _stream(self, size: int) -> torch.Tensor:
        """The same from the newest step and the memory of those before it."""
        return self._model.step(*self._newest(size), torch.from_numpy(self._slots.memory[:size]))

    def _newest(self, size: int) -> tuple[Window, torch.Tensor]:
        """The newest step of each of the first slots, (S, 1, ...), and the actions before it, (S, *act)."""
        slots, every = self._slots, np.arange(size)
        time = slots.time[:size]
        now, before = time % self._k, (time - 1) % self._k
        newest = (ring[every, now][:, None] for ring in (slots.observations, slots.actions, slots.returns_to_go))
        latest = self._window_of(*map(torch.from_numpy, (*newest, time[:, None], np.ones((size, 1), bool))))
        return latest, torch.from_numpy(slots.actions[every, before])

    def _window(self, last: Array) -> Window:
        """The rings of the first P slots, read in order of time; what lies behind `last` (P,) is padding."""
        slots, size = self._slots, len(last)
        timesteps = (slots.time[:size] - last)[:, None] + self._steps  # (P, K)
        places = self._k * np.arange(size)[:, None] + timesteps % self._k
        rings = (slots.observations, slots.actions, slots.returns_to_go)
        rows = [ring.reshape(-1, *ring.shape[2:]).take(places, axis=0) for ring in rings]
        return self._window_of(*map(torch.from_numpy, (*rows, timesteps, self._steps <= last[:, None])))

    def _reserve(self, size: int) -> None:
        """Room for `size` slots at least; what the old ones hold is kept."""
        have = len(self._streams)
        if size > have:
            self._slots = self._slots + _Slots.fresh(size - have, self._model, self._target)
            self._streams += map(policy_generator, range(have, size))

    def _uniform(self, count: int) -> torch.Tensor:
        """(N, components): the next numbers of each slot's own stream."""
        numbers, at = self._slots.uniform, self._slots.time[:count] % _BLOCK
        for slot in np.flatnonzero(at == 0).tolist():
            numbers[slot] = self._streams[slot].random(numbers.shape[1:], np.float32)
        return torch.from_numpy(numbers[np.arange(count), at])


@dataclass(frozen=True)
class _Slots:
    """What each of P slots holds of its episode. Step t is in place t % K of the rings."""

    time: Array  # (P,)
    owed: Array  # (P,) of the return asked for
    observations: Array  # (P, K, *obs); with images (P, K, D), as they are encoded
    actions: Array  # (P, K, *act)
    returns_to_go: Array  # (P, K)
    memory: Array  # (P, *memory_shape)
    chunk: Array  # (P, k, outputs) predictions of the actions that were foreseen
    uniform: Array  # (P, _BLOCK, components)

    @classmethod
    def fresh(cls, size: int, model: TrajectoryModel, target_return: float) -> _Slots:
        a, k = model.architecture, _steps_kept(model)
        seen = a.observation
        shape, dtype = ((a.width,), np.dtype(np.float32)) if seen.has_images else (seen.shape, seen.dtype)
        return cls(
            np.zeros(size, np.int64),
            np.full(size, target_return, np.float64),
            np.zeros((size, k, *shape), dtype),
            np.zeros((size, k, *a.actions.shape), a.actions.dtype),
            np.zeros((size, k), np.float32),
            np.zeros((size, *model.memory_shape), np.float32),
            np.zeros((size, a.chunk_length if a.executes_chunks else 0, model.codec.outputs), np.float32),
            np.zeros((size, _BLOCK, model.codec.components), np.float32),
        )

    def __add__(self, others: _Slots) -> _Slots:
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return _Slots(*map(np.concatenate, pairs))


def _steps_kept(model: TrajectoryModel) -> int:
    return 2 if model.architecture.streams or model.slides else model.architecture.context_length
