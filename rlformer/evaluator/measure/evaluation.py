"""A policy and episode seeds give a result; two results on the same seeds give a paired difference."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from rlformer import statistics
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array
from rlformer.envs.play import play

Point: TypeAlias = dict[str, float]


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
    played = play(policy, spec, seeds, target_return=target_return, num_envs=num_envs, progress=progress)
    return EvalResult(
        env=spec.name,
        policy=name,
        seeds=np.asarray(seeds),
        returns=played.returns,
        lengths=played.lengths,
        terminated=played.terminated,
        action_selection="sampled" if sampled else "greedy",
        target_return=target_return,
        seconds=played.seconds,
        num_envs=played.num_envs,
    )


def evaluate_targets(
    policy: Policy, spec: EnvSpec, seeds: Array, targets: list[float], *, name: str, num_envs: int = 64
) -> list[EvalResult]:
    """A return-conditioned policy asked for several returns, on the same `seeds` (E,) each; all play side by side."""
    each = len(seeds)
    asked, again = np.repeat(np.asarray(targets, np.float64), each), np.tile(seeds, len(targets))
    played = play(policy, spec, again, target_return=asked, num_envs=num_envs)
    return [
        EvalResult(
            env=spec.name,
            policy=name,
            seeds=np.asarray(seeds),
            returns=played.returns[part],
            lengths=played.lengths[part],
            terminated=played.terminated[part],
            action_selection="greedy",
            target_return=float(target),
            seconds=played.seconds / len(targets),
            num_envs=played.num_envs,
        )
        for target, part in zip(targets, (slice(i * each, (i + 1) * each) for i in range(len(targets))), strict=True)
    ]


CONFIRM_FROM = 0.5  # of the normalised score: the lowest threshold that a time to threshold is asked for


def curve_point(policy: Policy, spec: EnvSpec, seeds: Array, fresh: Array, *, name: str, num_envs: int) -> Point:
    """A policy during training as a run's curves hold it: eval/return, eval/length, eval/normalized_score.

    Where the score on `seeds` reaches CONFIRM_FROM, `fresh` episodes are played too, and their mean return is
    eval/confirmed_return: the same few episodes at every point would let a lucky policy pass for a good one.
    """
    result = evaluate(policy, spec, seeds, name=name, num_envs=num_envs)
    point = {"eval/return": result.mean, "eval/length": float(result.lengths.mean())}
    normalized = spec.normalize(result.mean)
    if normalized is None:
        return point
    point["eval/normalized_score"] = normalized
    if normalized >= CONFIRM_FROM:
        point["eval/confirmed_return"] = evaluate(policy, spec, fresh, name=name, num_envs=num_envs).mean
    return point


def summarize(result: EvalResult, spec: EnvSpec) -> dict[str, Any]:
    """Mean, standard error, quartiles, success rate; None where the card gives no threshold or no scores."""
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
    """a - b over the same episode seeds, with a 95 % percentile-bootstrap interval over episodes
    (None where there is one).

    Raises InputError where the two were not played on the same seeds.
    """
    if not np.array_equal(a.seeds, b.seeds):
        raise InputError(f"'{a.policy}' and '{b.policy}' were evaluated on different episode seeds")
    difference = a.returns - b.returns
    bounds: dict[str, float | None]
    if len(difference) > 1:
        resampled = statistics.bootstrap(lambda d: d.mean(-1), difference, rng=np.random.default_rng(seed))
        interval = resampled.interval()
        bounds = {"low": float(interval.low), "high": float(interval.high)}
    else:
        bounds = {"low": None, "high": None}
    return {
        "policies": [a.policy, b.policy],
        "mean": float(difference.mean()),
        **bounds,
        "wins": float((difference > 0).mean()),
        "ties": float((difference == 0).mean()),
    }


def seconds_per_call(
    policy: Policy,
    observation_shape: tuple[int, ...],
    num_envs: int,
    calls: int = 60,
) -> float:
    """Median wall seconds of one `act` for `num_envs` environments, contexts being full.

    The observations are zeros: the time of a forward pass does not depend on the values.
    """
    slots, seeds = np.arange(num_envs), np.arange(num_envs)
    policy.begin(slots, seeds, None)
    observations, rewards = np.zeros((num_envs, *observation_shape), np.float32), np.zeros(num_envs)
    took = np.empty(calls)
    for i in range(calls):
        start = time.perf_counter()
        actions = policy.act(observations)
        took[i] = time.perf_counter() - start
        policy.observe(actions, rewards)
    return float(np.median(took[calls // 2 :]))
