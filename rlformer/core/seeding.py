"""Every random stream of a run, derived by name from its one seed.

Streams of episode seeds are disjoint by construction: an episode that a policy was trained on, or
that was collected for a log, never reappears when it is evaluated.
"""

import hashlib

import numpy as np

from rlformer.core.spaces import Array

_WIDTH = 1 << 28  # seeds in a wide stream; eight of them fill the 31 bits that every library accepts
_NARROW_WIDTH = 1 << 20  # seeds in a narrow stream; 256 of them share one wide stream's place
# The order decides the seeds: a new stream is appended to the narrow ones, and nothing else changes.
_WIDE = ("train", "collect", "select", "curve", "evaluate", "", "probe", "confirm")  # "": the narrow ones' place
_NARROW = (
    "explain",
    "explain/own-log",
    "explain/score",
    "explain/deletion",
    "explain/targets",
    "explain/pictures",
    "explain/surrogate/observation",
    "explain/surrogate/window",
    "explain/latent",
)
STREAMS = (*filter(None, _WIDE), *_NARROW)


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

    stream: one of `STREAMS`. Two streams never share a seed, whatever their `seed`.

    >>> set(episode_seeds(0, "train", 1000)) & set(episode_seeds(3, "evaluate", 1000))
    set()
    """
    first, most = _place(stream)
    if count > most:
        raise ValueError(f"stream '{stream}' has {most:,} seeds, {count:,} were wanted")
    return first + (derive(seed, stream) + start + np.arange(count, dtype=np.int64)) % most


def width(stream: str) -> int:
    """How many seeds a stream has: those from any `start` on are different ones as long as no more are taken."""
    return _place(stream)[1]


def _place(stream: str) -> tuple[int, int]:
    """Where a stream's seeds begin, and how many there are."""
    if stream in _NARROW:
        return _WIDE.index("") * _WIDTH + _NARROW.index(stream) * _NARROW_WIDTH, _NARROW_WIDTH
    if stream not in STREAMS:
        raise ValueError(f"unknown stream '{stream}'; valid: {', '.join(STREAMS)}")
    return _WIDE.index(stream) * _WIDTH, _WIDTH
