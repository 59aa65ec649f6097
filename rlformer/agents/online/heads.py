"""What networks of stable-baselines3 put out before an actor reads it: standard deviations, means of quantiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlformer.agents import rounding


def mean_of_quantiles(count: int) -> Callable[[Tensor], Tensor]:
    """From `count` quantiles of each action's return, (M, count A), to their means (M, A)."""

    def values(quantiles: Tensor) -> Tensor:
        return rounding.rowwise(("quantiles", count), lambda q: q.unflatten(1, (count, -1)).mean(dim=1), quantiles)

    return values


def clipped_std(log_std: torch.nn.Module) -> Callable[[Tensor], Tensor]:
    """Standard deviation of a policy whose network gives its logarithm, within stable-baselines3's bounds."""

    def std(latent: Tensor) -> Tensor:
        return rounding.rowwise("exp", torch.exp, rounding.chain(log_std, latent).clamp(-20, 2))

    return std


def gsde_std(policy: Any) -> Callable[[Tensor], Tensor]:
    """Standard deviation of gSDE (Raffin 2021, arXiv:2005.05719), its noise drawn afresh at each step."""

    def std(latent: Tensor) -> Tensor:
        distribution = policy.action_dist
        variance = rounding.linear(latent.square(), distribution.get_std(policy.log_std).square().t())
        return (variance + distribution.epsilon).sqrt()

    return std


def noise_std(noise: Any) -> float:
    """Of stable-baselines3's Gaussian action noise; 0 of None."""
    alone = getattr(noise, "base_noise", noise)  # vectorised while it trains
    sigma: Sequence[float] = getattr(alone, "_sigma", (0.0,))
    return float(np.max(sigma))
