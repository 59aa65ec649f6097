"""A policy and episode seeds give a result."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.envs.play import play
from rlformer.envs.vector import Environments


def evaluate(
    policy: Policy,
    spec: EnvSpec,
    seeds: Array,
    *,
    name: str,
    num_envs: int = 16,
    target_return: float | None = None,
    sampled: bool = False,
    environments: Callable[[EnvSpec, int], Environments] = Environments,
    progress: Callable[[int, int], None] | None = None,
) -> EvalResult:
    """Play one episode for each of `seeds` (E,) and return them in that order.

    The returns do not depend on `num_envs`. `target_return` is what a return-conditioned policy is asked for.
    environments: makes so many of them.
    """
    played = play(
        policy,
        spec,
        seeds,
        target_return=target_return,
        num_envs=num_envs,
        environments=environments,
        progress=progress,
    )
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
        successes=played.successes,
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
            successes=None if played.successes is None else played.successes[part],
        )
        for target, part in zip(targets, (slice(i * each, (i + 1) * each) for i in range(len(targets))), strict=True)
    ]


CONFIRM_FROM = 0.5  # of the normalised score: the lowest threshold that a time to threshold is asked for


def seconds_per_call(
    policy: Policy,
    observation: ObservationSpec,
    num_envs: int,
    calls: int = 60,
) -> float:
    """Median wall seconds of one `act` for `num_envs` environments, contexts being full.

    The observations are zeros: the time of a forward pass does not depend on the values.
    """
    slots, seeds = np.arange(num_envs), np.arange(num_envs)
    policy.begin(slots, seeds, None)
    observations, rewards = np.zeros((num_envs, *observation.shape), observation.dtype), np.zeros(num_envs)
    took = np.empty(calls)
    for i in range(calls):
        start = time.perf_counter()
        actions = policy.act(observations)
        took[i] = time.perf_counter() - start
        policy.observe(actions, rewards)
    return float(np.median(took[calls // 2 :]))
