"""Credit under noise: one action matters, and its effect is buried under rewards that it does not touch.

After the umbrella chain of bsuite (Osband et al. 2020).
"""

from __future__ import annotations

import math

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, State, always
from rlformer.envs.worlds.vector import DiagnosticVector


class Umbrella(Diagnostic):
    """The first action takes an umbrella or not; the last of `length` steps pays 1 if that was right or -1.

    The other `length` - 1 rewards are +-1 at even odds. Whether it is needed is seen all the time. The log is
    uniform.
    """

    def __init__(self, length: int = 4, render_mode: str | None = None) -> None:
        if length < 1:
            raise InputError(f"Umbrella: length >= 1, got {length}")
        self.length = length
        super().__init__(
            actions=("leave", "take"),
            groups={"need": ("need",), "umbrella": ("umbrella",), "time": ("remaining",)},
            horizon=length,
            decisions=(0,),
            relevant=frozenset({"need"}),
            coins=(0.5,) * length,
            signed=("need", "umbrella"),
            render_mode=render_mode,
        )

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: 0 at first, then 1 (left) or 2 (taken). Coin 0 is the need, the others are the noise."""
        memory = np.where(state.time == 0, actions + 1, state.memory)
        over = state.time == self.length - 1
        right = (memory == 2) == state.coins[:, 0]
        noise = state.coins[np.arange(len(actions)), np.where(over, 0, state.time + 1)]
        return memory, 2.0 * np.where(over, right, noise) - 1.0, over

    def features(self, state: State) -> Array:
        """Need and umbrella (-1 no, 1 yes; 0 before the choice), and the share of the steps that remains."""
        observations = np.empty((len(state.time), 3), np.float32)
        observations[:, 0] = 2.0 * state.coins[:, 0] - 1.0
        observations[:, 1] = np.where(state.memory == 0, 0, 2 * state.memory - 3)
        observations[:, 2] = 1.0 - state.time / self.length
        return observations

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """Rain or sun; the umbrella, if it was taken, above the agent; the way."""
        sky, hand, way = (
            ["/" if coins[0] else "*"] * (self.length + 1),
            [" "] * (self.length + 1),
            ["."] * self.length,
        )
        if memory == 2:
            hand[time] = "T"
        way.append("D")
        way[time] = "@"
        return ["".join(sky), "".join(hand), "".join(way)]

    def expert(self, first: Array, current: Array) -> Array:
        """Take it if it is needed."""
        return np.where(current[:, :1] > 0, always(1, current, 2), always(0, current, 2))

    def optimum(self, context: int | None = None) -> float:
        """1: the noise is 0 on average."""
        return 1.0

    def share(self, target_return: float) -> float:
        """A sum of `length` fair signs: 2^-length for the highest."""
        ups = (self.length + target_return) / 2
        whole = ups == int(ups) and 0 <= ups <= self.length
        return math.comb(self.length, int(ups)) / 2**self.length if whole else 0.0

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return 0.0

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """P(right | g) = 1/2 + g / (2 length): the last reward is as likely +1 as any other of the sum g."""
        return float(np.sign(target_return)) if greedy else target_return / self.length


class UmbrellaVector(DiagnosticVector):
    """Many at once."""

    environment = Umbrella
