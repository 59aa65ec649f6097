"""An evaluation in a few numbers, and two of them on the same episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlformer import statistics
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array


@dataclass(frozen=True)
class Summary:
    """The returns of one evaluation."""

    policy: str
    episodes: int
    mean: float
    standard_error: float | None  # None of one episode
    min: float
    q1: float
    median: float
    q3: float
    max: float
    normalized_score: float | None  # None where the card gives no scores
    success_rate: float | None  # as the environment tells, else of returns at the card's threshold; None without
    mean_length: float
    env_steps: int
    target_return: float | None
    action_selection: str
    seconds: float


@dataclass(frozen=True)
class Difference:
    """Returns of two policies on the same episodes, first minus second."""

    policies: tuple[str, str]
    mean: float
    low: float | None  # of the 95 % confidence interval; None of one episode
    high: float | None
    wins: float  # share of episodes in which the first returns more; of all pairs of them where they are not paired
    ties: float
    paired: bool  # by the episodes' seeds; not where the environment ignores them


def summarize(result: EvalResult, env: EnvSpec) -> Summary:
    """Mean, standard error, quartiles, success rate."""
    returns = result.returns
    least, q1, median, q3, most = (float(value) for value in np.quantile(returns, [0.0, 0.25, 0.5, 0.75, 1.0]))
    return Summary(
        policy=result.policy,
        episodes=len(returns),
        mean=result.mean,
        standard_error=float(returns.std(ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else None,
        min=least,
        q1=q1,
        median=median,
        q3=q3,
        max=most,
        normalized_score=env.normalize(result.mean),
        success_rate=success_rate(result, env),
        mean_length=float(result.lengths.mean()),
        env_steps=result.env_steps,
        target_return=result.target_return,
        action_selection=result.action_selection,
        seconds=result.seconds,
    )


def success_rate(result: EvalResult, env: EnvSpec) -> float | None:
    """Share of successes, where the environment tells them; else of returns at the solved threshold; None without."""
    found = successes(result, env)
    return None if found is None else float(found.mean())


def successes(result: EvalResult, env: EnvSpec) -> Array | None:
    """Which episodes (E,) were successes, as the environment tells, else by the solved threshold; None without."""
    if result.successes is not None:
        return result.successes
    return None if env.solved_threshold is None else np.asarray(result.returns >= env.solved_threshold)


def paired_difference(a: EvalResult, b: EvalResult, seed: int = 0) -> Difference:
    """a - b over the same episode seeds, with a 95 % percentile-bootstrap interval over episodes.

    Where the environment ignores its seed, the episodes are not the same, and nothing is paired. Raises InputError
    where the two were not played on the same seeds.
    """
    if not np.array_equal(a.seeds, b.seeds):
        raise InputError(f"'{a.policy}' and '{b.policy}' were evaluated on different episode seeds")
    paired = a.seed_obeyed is not False and b.seed_obeyed is not False
    difference = a.returns - b.returns
    low, high = None, None
    if len(difference) > 1:
        rng = np.random.default_rng(seed)
        if paired:
            resampled = statistics.bootstrap(lambda d: d.mean(-1), difference, rng=rng)
        else:
            resampled = statistics.bootstrap_difference(a.returns, b.returns, rng, paired=False)
        interval = resampled.interval()
        low, high = float(interval.low), float(interval.high)
    if paired:
        wins, ties = float((difference > 0).mean()), float((difference == 0).mean())
    else:
        others = np.sort(b.returns)
        below, not_above = (np.searchsorted(others, a.returns, side=side).mean() for side in ("left", "right"))
        wins, ties = float(below / len(others)), float((not_above - below) / len(others))
    return Difference((a.policy, b.policy), float(difference.mean()), low, high, wins, ties, paired)
