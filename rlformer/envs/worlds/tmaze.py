"""Memory without credit: the T-maze of Bakker (2001), passive as in Ni et al. (2023)."""

from __future__ import annotations

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, Latent, State, always
from rlformer.envs.worlds.vector import DiagnosticVector


class PassiveTMaze(Diagnostic):
    """A cue is seen at the first step only; `length` steps lead to the turn whatever is done; up or down.

    The reward is 1 where the turn matches the cue, else 0. The log is uniform.
    """

    def __init__(self, length: int = 10, render_mode: str | None = None) -> None:
        if length < 0:
            raise InputError(f"PassiveTMaze: length >= 0, got {length}")
        self.length = length
        super().__init__(
            actions=("up", "down"),
            groups={"cue": ("cue",), "phase": ("start", "corridor", "turn")},
            horizon=length + 1,
            decisions=(length,),
            relevant=frozenset({"cue"}),
            coins=(0.5,),
            signed=("cue",),
            render_mode=render_mode,
        )
        if length:
            self.latent = Latent("cue", ("up", "down"), 0, length, seen=lambda observations: observations[:, 0] > 0)

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: 0 in the corridor, then 1 (up) or 2 (down)."""
        turn = state.time == self.length
        rewards = (turn & (actions == state.coins[:, 0])).astype(np.float64)
        return np.where(turn, actions + 1, 0), rewards, turn

    def features(self, state: State) -> Array:
        """The cue (-1 up, 1 down, 0 after the first step); start, corridor or turn; nothing at the end."""
        start, turn = state.time == 0, state.time == self.length
        observations = np.empty((len(start), 4), np.float32)
        observations[:, 0] = np.where(start, 2.0 * state.coins[:, 0] - 1.0, 0.0)  # no -0: its sign would tell
        observations[:, 1] = start
        observations[:, 2] = ~(start | turn | state.over)
        observations[:, 3] = turn
        return observations

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """The cue stands by the start for one step; above or below the turn lies the treasure."""
        width = self.length + 1
        rows = [[*"#" * width, "."], ["."] * (width + 1), [*"#" * width, "."]]
        rows[2 if coins[0] else 0][width] = "$" if time > self.length else "?"
        rows[0 if coins[0] else 2][width] = "." if time > self.length else "?"
        if time == 0:
            rows[0][0] = "v" if coins[0] else "^"
        row, column = (1, time) if time <= self.length else (2 * (memory - 1), width)
        rows[row][column] = "@"
        return ["".join(row) for row in rows]

    def expert(self, first: Array, current: Array) -> Array:
        """The turn that the first observation names, all the way."""
        return np.where(first[:, :1] > 0, always(1, current, 2), always(0, current, 2))

    def optimum(self, context: int | None = None) -> float:
        """1 with the cue in the context, else 1/2."""
        return 1.0 if self._sees_cue(context) else 0.5

    def share(self, target_return: float) -> float:
        """Half of the log turns right."""
        return 0.5 if target_return in (0.0, 1.0) else 0.0

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return 0.5

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """The target return with the cue in the context, else exactly 1/2."""
        return target_return if self._sees_cue(context) else 0.5

    def _sees_cue(self, context: int | None) -> bool:
        return context is None or context >= self.length + 1


class PassiveTMazeVector(DiagnosticVector):
    """Many at once."""

    environment = PassiveTMaze
