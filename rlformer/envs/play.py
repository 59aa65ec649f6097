"""Play episodes, give returns: what evaluations, explanations and tests do with a policy and seeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments


@dataclass(frozen=True)
class Played:
    """One episode for each of E seeds, in the order of the seeds."""

    returns: Array  # (E,) float64
    lengths: Array  # (E,) int64
    terminated: Array  # (E,) bool
    successes: Array | None  # (E,) bool; None where the environment tells of none
    seconds: float  # wall time of all
    num_envs: int  # that ran side by side
    episodes: tuple[Episode, ...] = ()  # E whole ones where they were to be kept, else none

    @property
    def env_steps(self) -> int:
        """Environment steps that were taken."""
        return int(self.lengths.sum())

    @property
    def mean(self) -> float:
        """Mean episode return."""
        return float(self.returns.mean())


def play(
    policy: Policy,
    env: EnvSpec,
    seeds: Array,
    *,
    target_return: float | Array | None = None,
    num_envs: int = 16,
    keep: bool = False,
    environments: Callable[[EnvSpec, int], Environments] = Environments,
    progress: Callable[[int, int], None] | None = None,
) -> Played:
    """Play one episode for each of `seeds` (E,).

    The episodes do not depend on `num_envs`; episode i is played in slot i where there are E of them. target_return:
    what a return-conditioned policy is asked for, one for all or (E,). keep: whether whole episodes are returned.
    environments: makes so many of them. progress: hears how many of how many have ended. Raises InputError where there
    is no seed, and as `rollout` does.
    """
    count = len(seeds)
    if count == 0:
        raise InputError("an evaluation needs at least one episode")
    targets = None if target_return is None else np.broadcast_to(np.asarray(target_return, np.float64), (count,))
    stepped = environments(env, min(num_envs, count))
    returns, lengths, terminated = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool)
    kept: dict[int, Episode] = {}
    told: dict[int, bool] = {}  # an environment that tells of success may be silent where there is none
    start = time.perf_counter()
    try:
        for done, (i, episode) in enumerate(rollout(stepped, policy, seeds, targets, keep_observations=keep), 1):
            returns[i], lengths[i], terminated[i] = episode.episode_return, len(episode), episode.terminated
            if episode.success is not None:
                told[i] = episode.success
            if keep:
                kept[i] = episode
            if progress:
                progress(done, count)
    finally:
        stepped.close()
    seconds = time.perf_counter() - start
    episodes = tuple(kept[i] for i in sorted(kept))
    successes = np.array([told.get(i, False) for i in range(count)]) if told else None
    return Played(returns, lengths, terminated, successes, seconds, len(stepped), episodes)
