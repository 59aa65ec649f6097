"""Streams of seeds: reproducible, distinct, disjoint."""

import itertools

import numpy as np
import pytest

from rlformer.core import seeding

STREAMS = seeding.STREAMS


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


def test_the_seeds_of_a_stream_stay_what_they_are_when_another_is_added() -> None:
    """What is paired with results made before depends on them."""
    first = {name: int(seeding.episode_seeds(0, name, 1)[0]) for name in ("train", "collect", "evaluate", "confirm")}
    assert first == {"train": 41665085, "collect": 304358389, "evaluate": 1206610796, "confirm": 1962877633}


def test_a_stream_gives_no_seed_twice() -> None:
    with pytest.raises(ValueError, match="has 1,048,576 seeds, 1,048,577 were wanted"):
        seeding.episode_seeds(0, "explain/score", 2**20 + 1)
    assert len(set(seeding.episode_seeds(5, "explain/score", 2**20).tolist())) == 2**20
