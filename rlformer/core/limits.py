"""The range of every number that a person asks for on a command line, in a study file or from Python, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from rlformer.core.ranges import Range, real, whole

LIMITS: Mapping[str, Range] = {
    "seed": whole(0, 2**63 - 1),
    "seeds": whole(1, 1000),
    "jobs": whole(1, 1024),
    "shards": whole(1, 10**4),
    "threads": whole(1, 1024),
    "episodes": whole(1, 10**6),  # of an evaluation, or collected
    "steps": whole(1, 10**9),  # of a collected log
    "num_envs": whole(1, 1024),
    "epsilon": real(0, 1),
    "distractors": whole(1, 10**4),
    "max_minutes": real(0, 1e6, above=True),
    "time_limit": whole(1, 10**9),  # steps of an episode
    "log.reward_column": whole(0, 10**6),
    "log.steps": whole(0, 10**9),  # 0: as many as the training
    "grid.seeds": whole(1, 1000),
    "verdict.threshold": real(0, 1e9, above=True),
    "verdict.good_enough": real(-1e15, 1e15),  # a return
    "verdict.success": real(0, 1, above=True),  # a share of episodes
    "verdict.budget": whole(1, 10**12),  # environment steps
    "verdict.margin": real(0, 1e9, above=True),
    "verdict.lambda": real(0, 1),
    "verdict.price_env": real(0, 1e15),
    "verdict.price_log": real(0, 1e15),
    "verdict.price_cpu": real(0, 1e15),
    "verdict.price_evaluation": real(0, 1e15),
}


def check(**asked: float | None) -> None:
    """Raise InputError, with the option's name, where a number lies outside of its range; None was not asked for."""
    for name, value in asked.items():
        if value is not None:
            LIMITS[name].check(f"--{name.replace('_', '-')}", value)
