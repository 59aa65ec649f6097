"""Every random stream of a run, derived by name from its one seed.

Streams of episode seeds are disjoint by construction: an episode that a policy was trained on, or
that was collected for a log, never reappears when it is evaluated.
"""

import hashlib

import numpy as np

from rlformer.core.spaces import Array

_STREAMS = ("train", "collect", "select", "curve", "evaluate", "explain", "probe", "confirm")
_WIDTH = 1 << 28  # seeds in a stream; eight streams fill the 31 bits that every library accepts


def derive(seed: int, name: str) -> int:
    """A 28-bit seed for the purpose called `name`.

    >>> derive(0, "weights") == derive(0, "weights"), derive(0, "weights") == derive(0, "batches")
    (True, False)
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "little") % _WIDTH


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for the purpose called `name`."""
    return np.random.default_rng(derive(seed, name))


def policy_generator(episode_seed: int, policy_seed: int = 0) -> np.random.Generator:
    """The stream that a policy draws from in the episode of that seed: the bare seed is the environment's.

    policy_seed: tells apart policies that differ in nothing else.

    >>> bool(policy_generator(7).random() == np.random.default_rng(7).random())
    False
    """
    return np.random.default_rng((episode_seed, 2, policy_seed))


def episode_seeds(seed: int, stream: str, count: int, start: int = 0) -> Array:
    """Seeds `start` to `start + count` of a stream: (count,) int64, all distinct.

    stream: train, collect, select, curve, evaluate, explain, probe or confirm. Two streams never share a seed,
    whatever their `seed`.

    >>> set(episode_seeds(0, "train", 1000)) & set(episode_seeds(3, "evaluate", 1000))
    set()
    """
    if stream not in _STREAMS:
        raise ValueError(f"unknown stream '{stream}'; valid: {', '.join(_STREAMS)}")
    offsets = (derive(seed, stream) + start + np.arange(count, dtype=np.int64)) % _WIDTH
    return _STREAMS.index(stream) * _WIDTH + offsets
