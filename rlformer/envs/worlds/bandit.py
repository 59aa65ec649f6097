"""Luck in its smallest form: one choice, and a return that depends on chance too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs.worlds.diagnostic import Diagnostic, State, always
from rlformer.envs.worlds.vector import DiagnosticVector


class Arms(Diagnostic):
    """One pull of one arm, which pays one of two amounts.

    payoffs: (A, 2), low before high. chances: (A,) of the high one. behaviour: (A,), the log's.
    """

    def __init__(
        self,
        payoffs: Array,
        chances: Array,
        behaviour: Array,
        actions: tuple[str, ...],
        render_mode: str | None,
    ) -> None:
        self.payoffs, self.chances, self.behaviour = payoffs, chances, behaviour
        super().__init__(
            actions=actions,
            groups={"phase": ("choosing",)},
            horizon=1,
            decisions=(0,),
            relevant=frozenset(),
            coins=tuple(chances),
            render_mode=render_mode,
        )

    def advance(self, state: State, actions: Array) -> tuple[Array, Array, Array]:
        """Memory: the arm pulled, from 1."""
        rows = np.arange(len(actions))
        luck = state.coins[rows, actions].astype(np.int64)
        return actions + 1, self.payoffs[actions, luck], np.ones(len(actions), bool)

    def features(self, state: State) -> Array:
        """Always the same while there is something to choose."""
        return (~state.over[:, None]).astype(np.float32)

    def picture(self, time: int, memory: int, coins: Array) -> list[str]:
        """The arms, the agent below the one it pulled, and above it which of the two amounts that paid."""
        paid, agent = [" "] * len(coins), [" "] * len(coins)
        if memory:
            paid[memory - 1], agent[memory - 1] = "$" if coins[memory - 1] else "x", "@"
        return ["".join(paid), "?" * len(coins), "".join(agent)]

    def log(self, first: Array, current: Array) -> Array:
        """The behaviour that was given."""
        return np.tile(self.behaviour, (len(current), 1))

    def expert(self, first: Array, current: Array) -> Array:
        """The arm that pays most on average."""
        return always(int(np.argmax(self._means())), current, len(self.action_names))

    def optimum(self, context: int | None = None) -> float:
        """The best arm's mean."""
        return float(self._means().max())

    def share(self, target_return: float) -> float:
        """Over the arms, how often each is pulled and pays that."""
        return float(self._joint(target_return).sum())

    def cloning(self, context: int | None = None) -> float:
        """The log's own mean."""
        return float(self.behaviour @ self._means())

    def random_return(self) -> float:
        """The mean over the arms."""
        return float(self._means().mean())

    def _rcsl(self, target_return: float, context: int, greedy: bool) -> float:
        """Arms in proportion to P(arm) P(G = g | arm), with P for the probability in the log."""
        weights = self._joint(target_return)
        if greedy:
            weights = np.isclose(weights, weights.max(), rtol=1e-12, atol=0.0).astype(np.float64)
        return float(weights @ self._means() / weights.sum())

    def _means(self) -> Array:
        return np.asarray(self.chances * self.payoffs[:, 1] + (1 - self.chances) * self.payoffs[:, 0])  # (A,)

    def _joint(self, target_return: float) -> Array:
        """P(arm, G = target_return) in the log: (A,)."""
        chances = np.column_stack([1 - self.chances, self.chances])  # (A, 2)
        return np.asarray(self.behaviour * (chances * (self.payoffs == target_return)).sum(axis=1))


class Bandit(Arms):
    """Bernoulli arms. means: (A,), their probabilities of paying 1. behaviour: (A,), the log's.

    With the target return 1, return-conditioned imitation plays arm a in proportion to behaviour[a] means[a].
    """

    def __init__(
        self,
        means: Sequence[float] = (0.3, 0.7),
        behaviour: Sequence[float] = (0.9, 0.1),
        render_mode: str | None = None,
    ) -> None:
        p, beta = np.array(means, np.float64), np.array(behaviour, np.float64)
        if p.ndim != 1 or len(p) < 1 or (p < 0).any() or (p > 1).any():
            raise InputError(f"Bandit: means are probabilities, one for each arm, got {means}")
        if beta.shape != p.shape or (beta < 0).any() or not np.isclose(beta.sum(), 1.0):
            raise InputError(f"Bandit: behaviour gives each of {len(p)} arms a probability, got {behaviour}")
        payoffs = np.tile([0.0, 1.0], (len(p), 1))
        super().__init__(payoffs, p, beta, tuple(f"arm {i}" for i in range(len(p))), render_mode)


class BanditVector(DiagnosticVector):
    """Many at once."""

    environment = Bandit
