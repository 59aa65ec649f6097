"""A policy and episode seeds give a result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.envs.play import Played, play
from rlformer.envs.vector import Environments


@dataclass(frozen=True)
class Part:
    """Episodes of one purpose: one for each of `seeds` (E,), asked for this return by a return-conditioned policy."""

    name: str
    seeds: Array
    target_return: float | None = None


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
    return _result(played, slice(None), spec, Part("", np.asarray(seeds), target_return), name, sampled)


def evaluate_parts(
    policy: Policy, spec: EnvSpec, parts: Sequence[Part], *, name: str, num_envs: int = 100, sampled: bool = False
) -> dict[str, EvalResult]:
    """All parts in one batch, by their names: each result is the one that `evaluate` gives of its part alone.

    num_envs: so many side by side at most; fewer where every slot then plays as many episodes as the next. A result's
    `seconds` are its share of the batch's by its steps. Either every part asks for a return or none does.
    """
    sizes = [len(part.seeds) for part in parts]
    asked = [part.target_return for part in parts if part.target_return is not None]
    targets = np.repeat(np.array(asked, np.float64), sizes) if asked else None
    seeds = np.concatenate([part.seeds for part in parts])
    played = play(policy, spec, seeds, target_return=targets, num_envs=evenly(len(seeds), num_envs))
    ends = np.cumsum(sizes).tolist()
    return {
        part.name: _result(played, slice(end - size, end), spec, part, name, sampled)
        for part, size, end in zip(parts, sizes, ends, strict=True)
    }


def evenly(episodes: int, most: int) -> int:
    """How many environments, `most` at most, play the episodes in as few rounds without slots that idle in the last.

    >>> evenly(140, 100), evenly(300, 100), evenly(20, 100)
    (70, 100, 20)
    """
    return math.ceil(episodes / math.ceil(episodes / most))


def _result(played: Played, rows: slice, spec: EnvSpec, part: Part, name: str, sampled: bool) -> EvalResult:
    """What was played of a part, as `rows` of it."""
    share = float(played.lengths[rows].sum() / max(1, played.env_steps))
    return EvalResult(
        env=spec.name,
        policy=name,
        seeds=part.seeds,
        returns=played.returns[rows],
        lengths=played.lengths[rows],
        terminated=played.terminated[rows],
        action_selection="sampled" if sampled else "greedy",
        target_return=part.target_return,
        seconds=played.seconds * share,
        num_envs=played.num_envs,
        successes=None if played.successes is None else played.successes[rows],
    )


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
