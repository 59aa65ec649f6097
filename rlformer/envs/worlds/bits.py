"""Extrapolation: a secret of H bits that pays for every right one, or only for all of them.

The kind of reward decides whether return conditioning can go beyond its log (Brandfonbrener et al. 2022).
"""

from __future__ import annotations

import math

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, State, one_hot
from rlformer.envs.worlds.vector import DiagnosticVector


class _Bits(Diagnostic):
    """`bits` binary actions, one right at each step; `code` is the secret's seed.

    In the log a share `epsilon` of the actions is random and the others are right; by default all are random.
    """

    def __init__(self, bits: int = 8, code: int = 0, epsilon: float = 1.0, render_mode: str | None = None) -> None:
        if bits < 1:
            raise InputError(f"{type(self).__name__}: bits >= 1, got {bits}")
        if not 0 <= epsilon <= 1:
            raise InputError(f"{type(self).__name__}: epsilon from 0 to 1, got {epsilon}")
        self.bits, self.epsilon = bits, epsilon
        self.right = 1 - epsilon / 2  # P(the log's action is right)
        self.secret = np.random.default_rng(code).integers(2, size=bits)  # (H,)
        super().__init__(
            actions=("0", "1"),
            groups={"position": tuple(f"position {i}" for i in range(bits))},
            horizon=bits,
            decisions=tuple(range(bits)),
            relevant=frozenset({"position"}),
            render_mode=render_mode,
        )

    def features(self, state: State) -> Array:
        """The position, one-hot; whether earlier bits were right is hidden."""
        return one_hot(state.time, self.bits)

    def expert(self, first: Array, current: Array) -> Array:
        """The secret."""
        return one_hot(self.secret[np.argmax(current, axis=1)], 2)

    def log(self, first: Array, current: Array) -> Array:
        """The secret, but for a share `epsilon`."""
        return (1 - self.epsilon) * self.expert(first, current).astype(np.float64) + self.epsilon / 2


class DenseBits(_Bits):
    """1 for every right bit."""

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: how many were right."""
        right = actions == self.secret[state.time]
        return state.memory + right, right.astype(np.float64), state.time == self.bits - 1

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """How many were right, wrong, and are to come."""
        return ["+" * memory + "x" * (time - memory) + "?" * (self.bits - time)]

    def optimum(self, context: int | None = None) -> float:
        """All right."""
        return float(self.bits)

    def share(self, target_return: float) -> float:
        """Binomial(bits, P(right))."""
        if target_return != int(target_return) or not 0 <= target_return <= self.bits:
            return 0.0
        right, wrong = int(target_return), self.bits - int(target_return)
        return math.comb(self.bits, right) * self.right**right * (1 - self.right) ** wrong

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return self.bits * self.right

    def random_return(self) -> float:
        """Half of the bits."""
        return self.bits / 2

    def expected_best(self, episodes: int) -> float:
        """E[the best return among so many episodes of the log], at most H/2 + sqrt(H ln(episodes) / 2)."""
        below = np.cumsum([self.share(g) for g in range(self.bits)])  # P(G <= g), g = 0 ... H-1
        return float(np.sum(1.0 - below**episodes))

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """Exactly g: P(right) is what is still wanted over what is left, sampled without replacement."""
        return target_return


class Lock(_Bits):
    """1 at the end if all bits were right, else 0."""

    def begin(self, coins: Array) -> State:
        """Memory: whether all were right so far."""
        state = super().begin(coins)
        state.memory += 1
        return state

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: whether all were right so far."""
        memory = state.memory * (actions == self.secret[state.time])
        over = state.time == self.bits - 1
        return memory, (over & (memory == 1)).astype(np.float64), over

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """Green while all were right."""
        return [("+" if memory else "x") * time + "?" * (self.bits - time) + "D"]

    def optimum(self, context: int | None = None) -> float:
        """All right."""
        return 1.0

    def share(self, target_return: float) -> float:
        """P(G = 1) = P(right)^bits."""
        success = self.right**self.bits
        return {1.0: success, 0.0: 1.0 - success}.get(target_return, 0.0)

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return self.right**self.bits

    def random_return(self) -> float:
        """2^-bits."""
        return 0.5**self.bits

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """1 for 1. For 0 the product over the steps of what is played right: with p = P(right) in the log,

        P(right | the w earlier bits in the context were right, G = 0) = (p^(w+1) - p^H) / (p^w - p^H).
        """
        if target_return == 1.0:
            return 1.0
        seen = np.minimum(np.arange(self.bits), context - 1)  # w
        success = self.right**self.bits
        right = (self.right ** (seen + 1) - success) / (self.right**seen - success)
        return float(np.prod(right > 0.5 if greedy else right))


class DenseBitsVector(DiagnosticVector):
    """Many at once."""

    environment = DenseBits


class LockVector(DiagnosticVector):
    """Many at once."""

    environment = Lock
