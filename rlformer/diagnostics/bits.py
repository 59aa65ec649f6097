"""Extrapolation: a secret of H bits that pays for every right one, or only for all of them.

The kind of reward decides whether return conditioning can go beyond its log (Brandfonbrener et al. 2022).
"""

from __future__ import annotations

import math

import numpy as np

from rlformer.diagnostics.diagnostic import Diagnostic, State, one_hot
from rlformer.diagnostics.vector import DiagnosticVector
from rlformer.errors import InputError
from rlformer.types import Array


class _Bits(Diagnostic):
    """`bits` binary actions, one right at each step; `code` is the secret's seed. The log is uniform."""

    def __init__(self, bits: int = 8, code: int = 0, render_mode: str | None = None) -> None:
        if bits < 1:
            raise InputError(f"{type(self).__name__}: bits >= 1, got {bits}")
        self.bits = bits
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
        """Binomial(bits, 1/2)."""
        whole = target_return == int(target_return) and 0 <= target_return <= self.bits
        return math.comb(self.bits, int(target_return)) / 2**self.bits if whole else 0.0

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return self.bits / 2

    def expected_best(self, episodes: int) -> float:
        """E[the best return among so many episodes of the log], at most H/2 + sqrt(H ln(episodes) / 2)."""
        below = np.cumsum([self.share(g) for g in range(self.bits)])  # P(G <= g), g = 0 ... H-1
        return float(np.sum(1.0 - below**episodes))

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """Exactly g: P(right) is what is still wanted over what is left, drawn without putting back."""
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
        """P(G = 1) = 2^-bits."""
        return {1.0: 0.5**self.bits, 0.0: 1.0 - 0.5**self.bits}.get(target_return, 0.0)

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return 0.5**self.bits

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """1 for 1. For 0, greedy or who sees the whole history: 0.

        Otherwise the product over the steps of P(right | the w earlier bits in the context were right, G = 0)
        = (2^-(w+1) - 2^-H) / (2^-w - 2^-H).
        """
        if target_return == 1.0 or greedy:
            return target_return
        seen = np.minimum(np.arange(self.bits), context - 1)  # w
        success = 0.5**self.bits
        return float(np.prod((0.5 ** (seen + 1) - success) / (0.5**seen - success)))


class DenseBitsVector(DiagnosticVector):
    """Many at once."""

    environment = DenseBits


class LockVector(DiagnosticVector):
    """Many at once."""

    environment = Lock
