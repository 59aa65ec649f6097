"""Not worse is two statements: how many runs work, and what those score."""

import math

import numpy as np
import pytest
from scipy import stats

from rlformer import statistics as st


def all_work(runs: int, score: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    return np.full(runs, score), np.ones(runs, bool)


@pytest.mark.parametrize(
    ("x", "y", "ends"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ],
)
def test_differences_of_rates_are_those_of_the_paper(x, y, ends):
    found = st.difference_of_rates(x, y)
    assert (found.low, found.high) == pytest.approx(ends, abs=2e-4)


@pytest.mark.parametrize(("runs", "p"), [(5, 0.132), (10, 0.057), (20, 0.0127), (30, 0.0031)])
def test_agreement_of_all_seeds_shows_no_more_than_their_number(runs, p):
    """All work, all score alike: an unseen failure is still possible."""
    scores, worked = all_work(runs)
    found = st.not_worse(scores, scores, worked, worked)
    assert found.p == pytest.approx(p, abs=1e-3)
    assert found.typical.low == 0


def test_p_is_the_error_at_which_the_bound_meets_the_tolerance():
    found = st.not_worse(*all_work(20)[:1], np.ones(20), np.arange(20) > 1, np.ones(20, bool))
    again = st.not_worse(np.ones(20), np.ones(20), np.arange(20) > 1, np.ones(20, bool), error=found.reliability.p)
    assert again.reliability.low == pytest.approx(-0.2, abs=1e-3)


def test_typical_scores_are_compared_by_welch_or_within_pairs():
    rng = np.random.default_rng(0)
    base = rng.normal(0, 0.1, 12)
    x, y = base + rng.normal(0, 0.01, 12), base + rng.normal(0, 0.01, 12)
    works = np.ones(12, bool)
    apart = st.not_worse(x, y, works, works, score_tolerance=0.05).typical
    other = stats.ttest_ind(x + 0.05, y, equal_var=False, alternative="greater")
    assert apart.p == pytest.approx(other.pvalue)
    rows = np.stack([np.arange(12)] * 2, axis=1)
    paired = st.not_worse(x, y, works, works, score_tolerance=0.05, pairs=rows).typical
    assert paired.p == pytest.approx(stats.ttest_rel(x + 0.05, y, alternative="greater").pvalue)
    assert paired.p < apart.p


def test_pairs_of_which_one_failed_say_nothing_of_the_typical_score():
    x, y = np.array([np.nan, 0.9, 0.8, 0.95]), np.array([0.7, 0.9, 0.85, 0.9])
    rows = np.stack([np.arange(4)] * 2, axis=1)
    found = st.not_worse(x, y, np.isfinite(x), np.ones(4, bool), pairs=rows)
    assert found.typical.point == pytest.approx(np.mean([0.0, -0.05, 0.05]))


def test_an_arm_that_never_works_is_worse_and_nothing_is_worse_than_it():
    none = np.full(10, np.nan), np.zeros(10, bool)
    scores, worked = all_work(10)
    lost = st.not_worse(none[0], scores, none[1], worked)
    won = st.not_worse(scores, none[0], worked, none[1])
    assert lost.p == 1
    assert lost.typical.low == -math.inf
    assert won.p < 1e-4
    assert won.p_better < 1e-3


def test_beside_an_arm_that_never_works_only_the_number_of_working_runs_tells_which_is_better():
    none = np.full(10, np.nan), np.zeros(10, bool)
    scores, _ = all_work(10)
    lucky = st.not_worse(scores, none[0], np.arange(10) < 1, none[1])
    assert lucky.p < 0.025  # 1 of 10 is not worse than none
    assert lucky.p_better == pytest.approx(2 * lucky.reliability.better)
    assert lucky.p_better > 0.3
    half = st.not_worse(scores, none[0], np.arange(10) < 5, none[1])
    assert half.p_better == pytest.approx(0.0114, abs=1e-3)


def test_a_single_run_that_worked_is_given_the_spread_of_the_others():
    x, y = 0.97 + 0.01 * np.arange(10), np.full(10, 0.99)
    only = np.arange(10) < 1
    found = st.not_worse(x, y, np.ones(10, bool), only).typical
    expected = stats.t.cdf((0.99 - 0.05 - x.mean()) / (x.std(ddof=1) * math.sqrt(1.1)), 9)
    assert found.p == pytest.approx(expected)
    assert st.not_worse(x, y, only, only).typical.p == 0.5


@pytest.mark.parametrize("lucky", [1, 2])
def test_the_scores_of_one_or_two_lucky_runs_do_not_hold_back_an_arm_that_always_works(lucky):
    x, y = 0.93 + 0.01 * np.arange(10) / 9, 1.0 + 0.02 * np.arange(10)  # what works with y scores more than .05 higher
    always, seldom = np.ones(10, bool), np.arange(10) < lucky
    found = st.not_worse(x, y, always, seldom)
    assert found.typical.p > 0.1
    assert found.p < 0.01  # 10 of 10 runs work, against 1 or 2
    assert st.not_worse(y, x, seldom, always).p > 0.99
    assert st.not_worse(x, y, np.arange(10) < 3, seldom).p > 0.1  # 3 of 10 is not more by the tolerance beyond doubt
    assert st.not_worse(x, y, always, np.arange(10) < 3).p > 0.1  # three runs have a typical score


@pytest.mark.slow
def test_to_work_oftener_by_just_the_tolerance_is_seldom_taken_for_more():
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(2000):  # y works in .15 of the runs, x in .35, and scores less
        x_worked, y_worked = rng.random(20) < 0.35, rng.random(20) < 0.15
        found = st.not_worse(np.full(20, 0.8), np.linspace(0.95, 1, 20), x_worked, y_worked)
        wrong += found.p <= 0.025 < found.typical.p
    assert 0 < wrong / 2000 <= 0.025


def test_better_is_higher_in_one_and_not_worse_in_the_other():
    rng = np.random.default_rng(1)
    x, y = 0.98 + rng.normal(0, 0.01, 20), 0.9 + rng.normal(0, 0.01, 20)
    works = np.ones(20, bool)
    found = st.not_worse(x, y, works, works)
    assert found.p_better == found.p == found.reliability.p  # the score is higher beyond doubt
    assert st.not_worse(y, x, works, works).p_better > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("works", [1.0, 0.94, 0.5])
def test_errors_hold_at_the_boundary_of_the_tolerance(works):
    rng, wrong = np.random.default_rng(0), np.zeros(2)
    for _ in range(1000):
        x_worked, y_worked = rng.random(20) < works - 0.2, rng.random(20) < works
        found = st.not_worse(rng.normal(0.97, 0.03, 20), rng.normal(0.97, 0.03, 20), x_worked, y_worked)
        wrong += found.p <= 0.025, found.p <= 0.10
    assert wrong[0] / 1000 <= 0.04 + 0.02  # three standard errors of the simulation
    assert wrong[1] / 1000 <= 0.14 + 0.03


@pytest.mark.parametrize(
    "call",
    [
        lambda: st.not_worse(np.ones(0), np.ones(2), np.ones(0, bool), np.ones(2, bool)),
        lambda: st.not_worse(np.ones(3), np.ones(2), np.ones(2, bool), np.ones(2, bool)),
        lambda: st.not_worse(np.array([np.nan, 1.0]), np.ones(2), np.ones(2, bool), np.ones(2, bool)),
        lambda: st.not_worse(np.ones(2), np.ones(2), np.ones(2, bool), np.ones(2, bool), reliability_tolerance=1.5),
        lambda: st.difference_of_rates((3, 2), (1, 2)),
        lambda: st.difference_of_rates((1, 2), (1, 2), error=0.6),
    ],
)
def test_what_means_nothing_is_refused(call):
    with pytest.raises(ValueError, match=r"expected|NaN"):
        call()
