"""A policy and episode seeds give a result; two results on the same seeds give a paired difference."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.environments import Environments
from rlformer.errors import InputError
from rlformer.rollout import rollout
from rlformer.types import Array, EnvSpec, EvalResult, Policy


def evaluate(
    policy: Policy,
    spec: EnvSpec,
    seeds: Array,
    *,
    name: str,
    num_envs: int = 16,
    target_return: float | None = None,
    sampled: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> EvalResult:
    """Play one episode for each of `seeds` (E,) and return them in that order.

    The returns do not depend on `num_envs`. `target_return` is what a return-conditioned policy is asked for.
    """
    count = len(seeds)
    if count == 0:
        raise InputError("an evaluation needs one episode at least")
    environments = Environments(spec, min(num_envs, count))
    returns, lengths, terminated = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool)
    start = time.perf_counter()
    try:
        episodes = rollout(environments, policy, seeds, target_return, keep_observations=False)
        for done, (i, episode) in enumerate(episodes, 1):
            returns[i], lengths[i], terminated[i] = episode.episode_return, len(episode), episode.terminated
            if progress:
                progress(done, count)
    finally:
        environments.close()
    return EvalResult(
        env=spec.name,
        policy=name,
        seeds=np.asarray(seeds),
        returns=returns,
        lengths=lengths,
        terminated=terminated,
        action_selection="sampled" if sampled else "greedy",
        target_return=target_return,
        seconds=time.perf_counter() - start,
        num_envs=len(environments),
    )


def summarize(result: EvalResult, spec: EnvSpec) -> dict[str, Any]:
    """Mean, standard error, quartiles, success rate (None without a threshold), normalised score (None without a card)."""
    returns = result.returns
    quartiles = np.quantile(returns, [0.0, 0.25, 0.5, 0.75, 1.0])
    threshold = spec.solved_threshold
    return {
        "policy": result.policy,
        "episodes": len(returns),
        "mean": result.mean,
        "standard_error": float(returns.std(ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else None,
        "min": float(quartiles[0]),
        "q1": float(quartiles[1]),
        "median": float(quartiles[2]),
        "q3": float(quartiles[3]),
        "max": float(quartiles[4]),
        "normalized_score": spec.normalize(result.mean),
        "success_rate": None if threshold is None else float((returns >= threshold).mean()),
        "mean_length": float(result.lengths.mean()),
        "env_steps": result.env_steps,
        "target_return": result.target_return,
        "action_selection": result.action_selection,
        "seconds": result.seconds,
    }


def paired_difference(a: EvalResult, b: EvalResult, seed: int = 0) -> dict[str, Any]:
    """a - b over the same episode seeds, with a 95 % percentile-bootstrap interval over episodes.

    Raises InputError where the two were not played on the same seeds.
    """
    if not np.array_equal(a.seeds, b.seeds):
        raise InputError(f"'{a.policy}' and '{b.policy}' were evaluated on different episode seeds")
    difference = a.returns - b.returns
    interval = statistics.bootstrap_mean(difference, np.random.default_rng(seed))
    return {
        "policies": [a.policy, b.policy],
        "mean": float(difference.mean()),
        "low": interval.low,
        "high": interval.high,
        "wins": float((difference > 0).mean()),
        "ties": float((difference == 0).mean()),
    }


def seconds_per_call(
    policy: Policy, observation_shape: tuple[int, ...], num_envs: int, calls: int = 60, target_return: float | None = None
) -> float:
    """Median wall seconds of one `act` for `num_envs` environments, contexts being full.

    The observations are zeros: the time of a forward pass does not depend on the values.
    """
    slots, seeds = np.arange(num_envs), np.arange(num_envs)
    policy.begin(slots, seeds, None if target_return is None else np.full(num_envs, target_return))
    observations, rewards = np.zeros((num_envs, *observation_shape), np.float32), np.zeros(num_envs)
    took = np.empty(calls)
    for i in range(calls):
        start = time.perf_counter()
        actions = policy.act(observations)
        took[i] = time.perf_counter() - start
        policy.observe(actions, rewards)
    return float(np.median(took[calls // 2 :]))
