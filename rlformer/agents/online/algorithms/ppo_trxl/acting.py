"""How a gated Transformer-XL acts: what each row's episode has shown is kept, exact whatever runs beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from rlformer.agents import rounding
from rlformer.agents.online.actors import Actor
from rlformer.agents.online.algorithms.ppo_trxl.network import GatedTransformerXL, advanced
from rlformer.core.spaces import Array


class Remembering(Actor):
    """A gated Transformer-XL before another actor."""

    def __init__(self, trunk: GatedTransformerXL, actor: Actor) -> None:
        self._trunk, self._actor = trunk, actor
        self.draws, self.normal, self.stochastic = actor.draws, actor.normal, actor.stochastic
        self.networks, self.needs_masks = (trunk, *actor.networks), actor.needs_masks
        layers, length, width = trunk.memory_shape
        self.context_length = layers * length + 1  # each layer reads so far back of the one below
        self.memory_size = 1 + layers * length * width  # the age, then what is remembered
        self._memory, self._age = torch.zeros(0, *trunk.memory_shape), torch.zeros(0)

    def allow(self, masks: Tensor | None) -> None:
        """See `Actor`."""
        self._actor.allow(masks)

    @torch.inference_mode()
    def begin(self, slots: Array) -> None:
        """New episodes in these rows."""
        self._reserve(int(slots.max()) + 1)
        self._memory[slots], self._age[slots] = 0.0, 0.0

    def __call__(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        count = len(observations)
        self._reserve(count)
        memory, age = self._memory[:count], self._age[:count]
        key, work = ("transformer-xl", self._trunk.heads), partial(_step, self._trunk)
        known, row = rounding.rowwise(key, work, observations, memory, age, trial=self._random).tensor_split([1], dim=1)
        self._memory[:count], self._age[:count] = advanced(memory, row), age + 1
        return self._actor(known[:, 0], noise)

    def step(self, observations: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Actor`."""
        age, kept = memory[:, 0], memory[:, 1:].unflatten(1, self._trunk.memory_shape)
        known, row = self._trunk(observations, kept, age)
        after = torch.cat([age[:, None] + 1, advanced(kept, row).flatten(1)], dim=1)
        return self._actor(known, None), self._actor.scores(known), after

    def scores(self, observations: Tensor) -> Tensor:
        """See `Actor`."""
        return self.scores_over(observations[:, None], torch.zeros(len(observations), dtype=torch.long))

    def scores_over(self, observations: Tensor, last: Tensor) -> Tensor:
        """See `Actor`. Here gradients go through what is remembered."""
        memory, found = observations.new_zeros(len(observations), *self._trunk.memory_shape), []
        for time, seen in enumerate(observations.unbind(1)):
            known, row = self._trunk(seen, memory, torch.full((len(seen),), time))
            memory = advanced(memory, row)
            found.append(known)
        return self._actor.scores(torch.stack(found, dim=1)[torch.arange(len(last)), last])

    def _random(self) -> Callable[..., Tensor]:
        return partial(_step, rounding.random_copy(self._trunk))

    def _reserve(self, count: int) -> None:
        if (missing := count - len(self._memory)) > 0:
            self._memory = torch.cat([self._memory, self._memory.new_zeros(missing, *self._trunk.memory_shape)])
            self._age = torch.cat([self._age, self._age.new_zeros(missing)])


def _step(trunk: torch.nn.Module, observations: Tensor, memory: Tensor, age: Tensor) -> Tensor:
    """What is known now and what is to be remembered of it, (M, 1 + L, W)."""
    known, row = trunk(observations, memory, age)
    return torch.cat([known[:, None], row], dim=1)
