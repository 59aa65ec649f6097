"""The part "controllability": whether a return-conditioned policy gives what it is asked for.

After Chen et al. 2021 (arXiv:2106.01345), figure 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlformer.data import targets
from rlformer.explain.parts.base import Explanation, Part

if TYPE_CHECKING:
    from rlformer.core.spaces import Array
    from rlformer.explain.material import Material

_EPISODES = 20  # for each target return


@dataclass(frozen=True)
class Following:
    """How mean achieved returns follow target returns."""

    targets: int
    error: float | None  # mean of |achieved - target| in shares of the log's range of returns
    slope: float | None  # of the least-squares line
    tau: float | None  # Kendall's rank correlation


@dataclass(frozen=True)
class Controllability:
    """Inside the log's support and beyond it, apart."""

    reason: str | None  # why it is not measured
    inside: Following | None
    beyond: Following | None
    log_min: float | None = None
    log_max: float | None = None
    pairs: tuple[tuple[float, float], ...] = ()  # (target, mean achieved return), ascending


def controllability(
    asked: Sequence[float], achieved: Sequence[float], log_min: float, log_max: float
) -> tuple[Following, Following]:
    """Of targets inside the log's support, and of those beyond it.

    Slope and tau are None with fewer than three targets, or where they are undefined.
    """
    x, y = np.asarray(asked, np.float64), np.asarray(achieved, np.float64)
    inside, spread = (x >= log_min) & (x <= log_max), log_max - log_min
    return _following(x[inside], y[inside], spread), _following(x[~inside], y[~inside], spread)


def _following(asked: Array, achieved: Array, spread: float) -> Following:
    from scipy.stats import kendalltau

    error = float(np.abs(achieved - asked).mean() / spread) if len(asked) and spread > 0 else None
    if len(asked) < 3 or np.ptp(asked) == 0:
        return Following(len(asked), error, None, None)
    tau = float(kendalltau(asked, achieved).statistic)
    return Following(len(asked), error, float(np.polyfit(asked, achieved, 1)[0]), tau if np.isfinite(tau) else None)


def make(material: Material, made: Explanation) -> Controllability:
    """From what was measured before, or from episodes for each of several targets."""
    case = material.case
    if case.target_return is None:
        return Controllability("it is not return-conditioned", None, None)
    pairs = [(result.target_return, result.mean) for result in case.asked if result.target_return is not None]
    if not pairs:
        pairs = _played(material, case.target_return)
    returns = material.log.returns
    low, high = case.log_range or (float(returns.min()), float(returns.max()))
    pairs = sorted(pairs)
    inside, beyond = controllability([asked for asked, _ in pairs], [got for _, got in pairs], low, high)
    return Controllability(None, inside, beyond, low, high, tuple(pairs))


def _played(material: Material, chosen: float) -> list[tuple[float, float]]:
    asked, seeds = targets.grid(material.log.returns, chosen), material.seeds("targets", _EPISODES)
    again, policy = np.repeat(asked, len(seeds)), material.case.policy
    played = material.play(policy, np.tile(seeds, len(asked)), target_return=again)
    means = played.returns.reshape(len(asked), len(seeds)).mean(axis=1)
    return list(zip(asked, means.tolist(), strict=True))


PART = Part("controllability", Controllability, make)
