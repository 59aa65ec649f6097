"""What a study says that success is, against what its environment can tell."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.limits import LIMITS
from rlformer.core.records import EnvSpec
from rlformer.core.seeding import generator
from rlformer.envs.vector import Environments
from rlformer.evaluator.judge.terms import Terms

_EPISODES, _SECONDS = 20, 5.0  # of random play, in which an environment is asked what it tells and pays
_SURE = 3.0  # standard errors by which random play is better than what is said to be good enough


def check(terms: Terms, env: EnvSpec) -> None:
    """Raise InputError where success is asked for in two ways, or random play has it, or nothing can tell of it."""
    if terms.success is not None and terms.good_enough is not None:
        raise InputError("verdict.success and verdict.good_enough both define what is good enough: give one of them")
    if terms.success is not None and tells(env) is False:
        raise InputError(
            f'verdict.success: {env.name} does not report success (info["is_success"] at the end of an episode): '
            "use --good-enough RETURN instead"
        )
    if terms.good_enough is not None:
        _check_return(terms.good_enough, env)


def _check_return(asked: float, env: EnvSpec) -> None:
    z = env.normalize(asked)
    if z is not None and z > LIMITS["verdict.threshold"].high:
        raise InputError(f"verdict.good_enough: {asked:g} is {z:.2g} of the normalised score of {env.name}: too much")
    random = _random_play(env) if z is None else None
    worse = random is not None and random[1] >= asked if z is None else z <= 0
    if worse:
        level = env.random_score if random is None else random[0]
        raise InputError(
            f"verdict.good_enough: {asked:g}: on {env.name} random play returns {level:.4g}; give a higher return"
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
    ended = False
    for _, success in _played(env):
        if success is not None:
            return True
        ended = True
    return False if ended else None


def _random_play(env: EnvSpec) -> tuple[float, float] | None:
    """Its mean return, and one that it surely has at least; None where too few episodes ended in time."""
    returns = np.array([total for total, _ in _played(env)])
    if len(returns) < 2:
        return None
    mean = float(returns.mean())
    return mean, mean - _SURE * float(returns.std(ddof=1)) / math.sqrt(len(returns))


def _played(env: EnvSpec) -> Iterator[tuple[float, bool | None]]:
    """Returns of random play, with what the environment told at the end of each episode."""
    environments = Environments(env, 1)
    slot, spec, rng = np.zeros(1, np.int64), environments.actions, generator(0, "probe/success")
    until, ended, total = time.perf_counter() + _SECONDS, 0, 0.0
    try:
        environments.reset(slot, np.array([0]))
        while ended < _EPISODES and time.perf_counter() < until:
            _, rewards, terminated, truncated = environments.step(slot, np.asarray(spec.sample(rng, 1), spec.dtype))
            total += float(rewards[0])
            success = environments.success(0)
            if terminated[0] or truncated[0]:
                yield total, success
                ended, total = ended + 1, 0.0
                environments.reset(slot, np.array([ended]))
    finally:
        environments.close()
