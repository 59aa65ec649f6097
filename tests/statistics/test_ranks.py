"""Rank correlations beside what random orders reach, worked out by hand for few things."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from rlformer.statistics import agreement_by_chance, spearman, spearman_by_chance

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_correlation_is_scipys(ties: bool) -> None:
    a, b = RNG.normal(size=(2, 9))
    if ties:
        a, b = a.round(), b.round()
    assert spearman(a, b) == pytest.approx(float(spearmanr(a, b).statistic))


def test_nothing_can_be_ranked_of_two_things_or_of_equal_ones() -> None:
    assert spearman([1, 2], [2, 1]) is None
    assert spearman([1, 1, 1], [1, 2, 3]) is None


def test_a_random_order_of_four_reaches_eight_tenths() -> None:
    """Of 24 orders one has 1.0 and three have .8: 4 of 24 are beyond 5 %, 1 of 24 is not."""
    found = spearman_by_chance([1, 2, 3, 4], [4, 7, 8, 9], RNG)
    assert len(found) == 24
    assert np.isclose(found, 1.0).sum() == 1
    assert np.isclose(found, 0.8).sum() == 3
    assert agreement_by_chance([([1, 2, 3, 4], [4, 7, 8, 9])], RNG) == pytest.approx(0.8)


def test_three_things_can_never_be_told_from_chance() -> None:
    assert agreement_by_chance([([1, 2, 3], [1, 2, 3])], RNG) == 1.0


def test_what_cannot_be_told_apart_in_the_effects_bounds_every_order() -> None:
    """One of five has an effect: an order that ranks it first reaches .707, as one random order of five does."""
    assert agreement_by_chance([([5, 4, 3, 2, 1], [0.5, 0, 0, 0, 0])], RNG) == pytest.approx(0.7071, abs=1e-4)


def test_the_mean_over_seeds_has_a_narrower_chance_than_one() -> None:
    pair = ([1, 2, 3, 4, 5], [2, 3, 5, 7, 9])
    one, ten = agreement_by_chance([pair], RNG), agreement_by_chance([pair] * 10, RNG)
    assert one is not None
    assert ten == pytest.approx(1.645 * 0.5 / np.sqrt(10), abs=0.03)  # the variance is 1 / (n - 1)
    assert one > 0.7


def test_many_things_have_the_normal_limit() -> None:
    bound = agreement_by_chance([(np.arange(101), np.arange(101))], np.random.default_rng(1))
    assert bound == pytest.approx(1.645 / 10, abs=0.01)


def test_without_a_correlation_there_is_no_chance() -> None:
    assert agreement_by_chance([([1, 2], [1, 2])], RNG) is None
    assert agreement_by_chance([], RNG) is None
