"""Return conditioning mistakes luck for skill: the gambling environment of Paster et al. (2022)."""

from __future__ import annotations

import numpy as np

from rlformer.envs.worlds.bandit import Arms
from rlformer.envs.worlds.vector import DiagnosticVector


class Gamble(Arms):
    """Two gambles that lose on average, +5 or -15 and +1 or -6 at even odds, and a sure +1; a uniform log.

    Whoever asks for 5 gets the first gamble, which earns -5 on average.
    """

    def __init__(self, render_mode: str | None = None) -> None:
        payoffs = np.array([[-15.0, 5.0], [-6.0, 1.0], [1.0, 1.0]])
        names = ("+5 or -15", "+1 or -6", "+1")
        super().__init__(payoffs, np.full(3, 0.5), np.full(3, 1 / 3), names, render_mode)


class GambleVector(DiagnosticVector):
    """Many at once."""

    environment = Gamble
