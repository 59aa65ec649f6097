"""What a study says that success is, against what its environment can tell."""

from __future__ import annotations

import time

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.seeding import generator
from rlformer.envs.vector import Environments
from rlformer.evaluator.judge.terms import Terms

_EPISODES, _SECONDS = 20, 5.0  # of random play, in which an environment is asked whether it tells of success


def check(terms: Terms, env: EnvSpec) -> None:
    """Raise InputError where success is asked for in two ways, or the environment does not tell of it."""
    if terms.success is None:
        return
    if terms.good_enough is not None:
        raise InputError("verdict.success and verdict.good_enough both say when it is good enough: choose one of them")
    if tells(env) is False:
        raise InputError(
            f'verdict.success: {env.name} tells of no success, by info["is_success"] at an episode\'s end: '
            "--good-enough RETURN says which return is good enough"
        )


def said(terms: Terms, env: EnvSpec) -> list[str]:
    """What the terms put in place of the threshold, where the environment's card has a scale for that."""
    z = None if terms.good_enough is None else env.normalize(terms.good_enough)
    if terms.good_enough is None or z is None:
        return []
    return [
        f"A return of {terms.good_enough:g} is good enough here, which is {z:.2f} of the normalised score of the card: "
        f"the threshold {terms.threshold:g} does not count."
    ]


def tells(env: EnvSpec) -> bool | None:
    """Whether an environment tells of success, as random play finds it; None where no episode ended in time."""
    environments = Environments(env, 1)
    slot, spec, rng = np.zeros(1, np.int64), environments.actions, generator(0, "probe/success")
    until, ended = time.perf_counter() + _SECONDS, 0
    try:
        environments.reset(slot, np.array([0]))
        while ended < _EPISODES and time.perf_counter() < until:
            _, _, terminated, truncated = environments.step(slot, np.asarray(spec.sample(rng, 1), spec.dtype))
            if environments.success(0) is not None:
                return True
            if terminated[0] or truncated[0]:
                ended += 1
                environments.reset(slot, np.array([ended]))
    finally:
        environments.close()
    return False if ended else None
