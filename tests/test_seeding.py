"""Streams of seeds: reproducible, distinct, disjoint."""

import itertools

import numpy as np
import pytest

from rlformer.core import seeding

STREAMS = ("train", "collect", "select", "curve", "confirm", "evaluate")


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(STREAMS, 2)))
def test_streams_share_no_seed_whatever_their_seed(one: str, other: str) -> None:
    for a, b in itertools.product((0, 1, 12345), repeat=2):
        assert not set(seeding.episode_seeds(a, one, 500)) & set(seeding.episode_seeds(b, other, 500))


def test_seeds_fit_every_library_and_continue() -> None:
    seeds = seeding.episode_seeds(7, "probe", 1000)
    assert len(set(seeds)) == 1000
    assert seeds.min() >= 0
    assert seeds.max() < 2**31
    assert np.array_equal(seeds[400:], seeding.episode_seeds(7, "probe", 600, start=400))


def test_an_unknown_stream_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown stream 'test'"):
        seeding.episode_seeds(0, "test", 1)
