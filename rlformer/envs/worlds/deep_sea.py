"""Exploration: a treasure that only one way out of 2^N finds, and a small cost on the way to it.

After the deep sea of bsuite (Osband et al. 2020), deterministic.
"""

from __future__ import annotations

import math

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, State, one_hot
from rlformer.envs.worlds.vector import DiagnosticVector

_COST = 0.01  # of going right all the way


class DeepSea(Diagnostic):
    """A grid of `size` rows: each step sinks by one and goes left or right, and right costs .01 / `size`.

    Going right all the way reaches the treasure, 1. Which action goes right differs from cell to cell, as the
    seed `code` says. The log is uniform.
    """

    def __init__(self, size: int = 8, code: int = 0, render_mode: str | None = None) -> None:
        if size < 1:
            raise InputError(f"DeepSea: size >= 1, got {size}")
        self.size = size
        self.right = np.random.default_rng(code).integers(2, size=(size, size))  # the action that goes right
        super().__init__(
            actions=("0", "1"),
            groups={"cell": tuple(f"cell {row} {column}" for row in range(size) for column in range(size))},
            horizon=size,
            decisions=tuple(range(size)),
            relevant=frozenset({"cell"}),
            render_mode=render_mode,
        )

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: the column; the time is the row."""
        last = self.size - 1
        right = actions == self.right[state.time, state.memory]
        treasure = right & (state.memory == last)
        column = np.where(right, np.minimum(state.memory + 1, last), np.maximum(state.memory - 1, 0))
        return column, treasure - _COST / self.size * right, state.time == last

    def features(self, state: State) -> Array:
        """The cell, one-hot; nothing at the bottom."""
        return one_hot(state.time * self.size + state.memory, self.size**2)

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """The sea, the treasure at the lower right, the agent; below the last row lies the ground."""
        rows = [["~"] * self.size for _ in range(self.size)] + [["#"] * self.size]
        rows[self.size - 1][self.size - 1] = "$"
        rows[time][memory] = "@"
        return ["".join(row) for row in rows]

    def expert(self, first: Array, current: Array) -> Array:
        """Right in every cell."""
        return one_hot(self.right.ravel()[np.argmax(current, axis=1)], 2)

    def optimum(self, context: int | None = None) -> float:
        """The treasure less the cost of all steps to the right."""
        return 1.0 - _COST

    def share(self, target_return: float) -> float:
        """2^-N for .99; Binomial(N, 1/2) over the steps to the right without the treasure."""
        if math.isclose(target_return, self.optimum()):
            return 0.5**self.size
        steps = -target_return * self.size / _COST
        whole = math.isclose(steps, round(steps), abs_tol=1e-9) and 0 <= round(steps) < self.size
        return math.comb(self.size, round(steps)) / 2**self.size if whole else 0.0

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return 0.5**self.size - _COST / 2

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """Exactly g: the return says how many of the remaining steps go right, all of them or fewer."""
        return target_return


class DeepSeaVector(DiagnosticVector):
    """Many at once."""

    environment = DeepSea
