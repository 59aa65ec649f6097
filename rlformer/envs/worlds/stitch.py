"""Stitching: no episode of the log goes the best way, but its parts do.

The problem that Yamagata et al. (2023, Q-learning Decision Transformer) and Wu et al. (2023, Elastic Decision
Transformer) set out to solve, in its smallest form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, State, always, one_hot
from rlformer.envs.worlds.vector import DiagnosticVector

_A, _B, _M, _OUT = range(4)


class Stitch(Diagnostic):
    """In room A, action 0 ends with .5 and 1 leads to M; all leads from B to M; there 1 pays 1 and 0 nothing.

    The log has three kinds of episodes, equally likely: A 0; A 1 then M 0; B then M 1. So it is made with
    `start_in_b` = 1/3. Policies are judged from A, and so are all closed forms.
    """

    log_kwargs: ClassVar[Mapping[str, Any]] = {"start_in_b": 1 / 3}  # type: ignore[misc]

    def __init__(self, start_in_b: float = 0.0, render_mode: str | None = None) -> None:
        if not 0.0 <= start_in_b <= 1.0:
            raise InputError(f"Stitch: start_in_b is a probability, got {start_in_b}")
        super().__init__(
            actions=("stay", "go"),
            groups={"room": ("A", "B", "M")},
            horizon=2,
            decisions=(0, 1),
            relevant=frozenset({"room"}),
            relevant_to_expert=frozenset(),
            coins=(start_in_b,),
            render_mode=render_mode,
        )

    def begin(self, coins: Array) -> State:
        """Memory: the room."""
        state = super().begin(coins)
        state.memory = np.where(coins[:, 0], _B, _A)
        return state

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: the room."""
        in_a, in_m, go = state.memory == _A, state.memory == _M, actions == 1
        over = in_m | (in_a & ~go)
        return np.where(over, _OUT, _M), 0.5 * (in_a & ~go) + 1.0 * (in_m & go), over

    def features(self, state: State) -> Array:
        """The room."""
        return one_hot(state.memory, 3)

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """A and B to the left of M, the agent in one of them or outside."""
        rooms = ["A", "B", "M", "D"]
        rooms[memory] = "@"
        a, b, m, out = rooms
        return [f"{a}.###", f"#.{m}.{out}", f"{b}.###"]

    def log(self, first: Array, current: Array) -> Array:
        """In M, those from A play 0 and those from B play 1; elsewhere uniform."""
        in_m = current[:, 2:3] > 0.5
        then = np.where(first[:, :1] > 0.5, always(0, current, 2), always(1, current, 2))
        return np.where(in_m, then, 0.5)

    def expert(self, first: Array, current: Array) -> Array:
        """Always 1."""
        return always(1, current, 2)

    def optimum(self, context: int | None = None) -> float:
        """1: from A to M, and there what only those from B did."""
        return 1.0

    def share(self, target_return: float) -> float:
        """From A: .5 or 0, equally likely."""
        return 0.5 if target_return in (0.0, 0.5) else 0.0

    def cloning(self, context: int | None = None) -> float:
        """1/2 (.5) + 1/2 P(1 in M): 0 for those who remember that they came from A, else 1/2."""
        return 0.5 if context == 1 else 0.25

    def random_return(self) -> float:
        """1/2 (.5) + 1/4 (1)."""
        return 0.5

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """The target return: .5 at most, since dynamic programming would be needed for more."""
        return target_return


class StitchVector(DiagnosticVector):
    """Many at once."""

    environment = Stitch
