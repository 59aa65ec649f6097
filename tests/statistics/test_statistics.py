"""Expected numbers are worked out by hand in the comment beside them, or come from scipy."""

import itertools
import math
import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from rlformer import statistics as st


def rng(seed=0):
    return np.random.default_rng(seed)


def shares(distribution):
    """How often each value was drawn."""
    values, counts = np.unique(distribution, return_counts=True)
    return dict(zip(values.tolist(), (counts / len(distribution)).tolist(), strict=True))


def row_mean(x):
    return x.mean(axis=-1)


# Aggregates. Four runs of three tasks; task means .3, 1, 1.6.

SCORES = np.array([[0.0, 1, 0], [0.2, 1, 0.4], [0.4, 1, 2], [0.6, 1, 4]])


def test_normalized_score():
    assert st.normalized_score([150, 50, 450], random=50, reference=250) == pytest.approx([0.5, 0, 2])
    # Per task: (5 - 0) / 10 and (5 - 3) / (4 - 3).
    assert st.normalized_score([[5, 5]], random=[0, 3], reference=[10, 4]) == pytest.approx(np.array([[0.5, 2]]))


def test_aggregates_by_hand():
    assert st.mean(SCORES) == pytest.approx(2.9 / 3)
    assert st.median(SCORES) == 1.0  # the median of the task means; that of the twelve runs would be .8
    # Sorted: 0 0 .2 | .4 .4 .6 1 1 1 | 1 2 4
    assert st.interquartile_mean(SCORES) == pytest.approx(4.4 / 6)
    # Capped at 1 the task means are .3, 1, .6; capped at 2 they are .3, 1, 1.1.
    assert st.optimality_gap(SCORES) == pytest.approx(1 - 1.9 / 3)
    assert st.optimality_gap(SCORES, target=2) == pytest.approx(2 - 2.4 / 3)
    # Strictly above 0: 3/4, 1, 3/4; above 1: 0, 0, 1/2; above 4: none.
    assert st.performance_profile(SCORES, [0, 1, 4]) == pytest.approx([2.5 / 3, 0.5 / 3, 0])


def test_unequal_numbers_of_runs():
    scores = [np.array([0.0, 1.0]), np.array([4.0, 4.0, 4.0, 1.0])]
    assert st.mean(scores) == pytest.approx((0.5 + 3.25) / 2)  # tasks, not runs, have equal weight
    assert st.performance_profile(scores, [0.5]) == pytest.approx([(0.5 + 1) / 2])
    assert st.interquartile_mean(scores) == pytest.approx(10 / 4)  # 0 | 1 1 4 4 | 4


def test_interquartile_mean_drops_a_minority_mode():
    runs = np.repeat([0.0, 1.0], [14, 6])  # five are cut at each end: one success stays among ten
    assert st.interquartile_mean(runs) == pytest.approx(0.1)
    assert st.mean(runs) == pytest.approx(0.3)


def test_interquartile_mean_equals_trim_mean():
    scores = rng().normal(size=(7, 5))
    assert st.interquartile_mean(scores) == stats.trim_mean(scores, 0.25, axis=None)


def test_probability_of_improvement_by_hand():
    # 1 > 0; 2 = 2 counts half, 2 > 0; 3 > 2, 3 > 0: 4.5 of 6. The second task is lost outright.
    assert st.probability_of_improvement(np.array([1, 2, 3]), np.array([2, 0])) == pytest.approx(0.75)
    x, y = [np.array([1.0, 2, 3]), np.array([0.0])], [np.array([2.0, 0]), np.array([1.0, 2])]
    assert st.probability_of_improvement(x, y) == pytest.approx(0.75 / 2)


def test_probability_of_improvement_equals_mann_whitney():
    x, y = rng().integers(6, size=(2, 9, 1)).astype(float)
    u = stats.mannwhitneyu(x[:, 0], y[:, 0]).statistic
    assert st.probability_of_improvement(x, y) == pytest.approx(u / 81)
    assert st.probability_of_improvement(y, x) == pytest.approx(1 - u / 81)


@pytest.mark.parametrize("aggregate", [st.mean, st.median, st.interquartile_mean, st.optimality_gap])
def test_aggregates_of_a_batch_are_those_of_its_rows(aggregate):
    batch = list(rng().normal(size=(3, 4, 6)))  # three tasks, four resamples, six runs
    rows = [aggregate([task[i] for task in batch]) for i in range(4)]
    assert aggregate(batch) == pytest.approx(rows)


# Bootstrap


def test_bootstrap_draws_the_exact_distribution():
    result = st.bootstrap(row_mean, [0, 1], rng=rng())
    assert result.point == 0.5
    assert shares(result.distribution) == pytest.approx({0.0: 0.25, 0.5: 0.5, 1.0: 0.25}, abs=0.02)


def test_interval_agrees_with_scipy():
    x = rng(1).exponential(size=30)
    ours = st.bootstrap(row_mean, x, rng=rng()).interval()
    reference = stats.bootstrap((x,), np.mean, n_resamples=10_000, method="percentile", rng=rng(5))
    width = ours.high - ours.low
    assert ours.low == pytest.approx(reference.confidence_interval.low, abs=0.03 * width)
    assert ours.high == pytest.approx(reference.confidence_interval.high, abs=0.03 * width)


def test_same_seed_same_interval_to_the_bit():
    first, again, other = (
        st.stratified_bootstrap(st.interquartile_mean, SCORES, rng=rng(seed)).interval() for seed in (3, 3, 4)
    )
    assert first == again
    draws = [
        st.stratified_bootstrap(st.mean, rng(9).normal(size=(5, 4)), rng=rng(seed)).interval() for seed in (3, 3, 4)
    ]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
    assert first.point == other.point


def test_memory_is_bounded_by_chunks():
    sizes = []

    def statistic(x):
        sizes.append(x.shape)
        return x.mean(axis=-1)

    st.bootstrap(statistic, np.arange(3000.0), rng=rng(), resamples=1000)
    assert sizes[0] == (1, 3000)  # the point
    assert sum(rows for rows, _ in sizes[1:]) == 1000
    assert max(rows * runs for rows, runs in sizes) <= 2**20


def test_strata_are_drawn_apart():
    scores = np.array([[0.0, 10], [1, 11], [2, 12]])
    seen = st.stratified_bootstrap(lambda tasks: np.stack([row_mean(t) for t in tasks], -1), scores, rng=rng())
    assert seen.point == pytest.approx([1, 11])
    first, second = seen.distribution.T
    assert first.min() >= 0
    assert first.max() <= 2
    assert second.min() >= 10
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_stratified_interval_of_one_task_is_the_plain_one():
    x = rng(2).normal(size=8)
    assert st.stratified_bootstrap(st.mean, x, rng=rng()).interval() == st.bootstrap(row_mean, x, rng=rng()).interval()


def test_profile_band_contains_the_profile():
    band = st.stratified_bootstrap(
        lambda z: st.performance_profile(z, [0, 0.5, 3]), SCORES, rng=rng(), resamples=2000
    ).band()
    assert band.point == pytest.approx(st.performance_profile(SCORES, [0, 0.5, 3]))
    assert band.low.shape == (3,)
    assert (band.low <= band.point).all()
    assert (band.point <= band.high).all()
    assert band.low[2] < band.high[2]


def test_paired_differences_use_the_same_draws():
    x = rng(1).normal(size=(6, 3))
    paired = st.bootstrap_difference(x + 0.25, x, rng(), paired=True)
    assert paired.distribution == pytest.approx(0.25)
    apart = st.bootstrap_difference(x + 0.25, x, rng())
    assert apart.point == pytest.approx(0.25)
    # Unpaired: 2 sum over tasks of var / runs, over tasks squared.
    assert apart.distribution.std() == pytest.approx(math.sqrt(2 * x.var(axis=0).sum() / 6) / 3, rel=0.05)


def test_difference_of_another_statistic():
    x, y = rng(1).normal(size=(2, 8, 3))
    result = st.bootstrap_difference(x, y, rng(), statistic=st.optimality_gap, resamples=100)
    assert result.point == pytest.approx(st.optimality_gap(x) - st.optimality_gap(y))


def test_two_levels_by_hand():
    # Log a holds one run (0), log b two runs (1, 1): aa gives 0, ab and ba 0 1 1, bb 1 1 1 1.
    result = st.bootstrap(row_mean, [1, 1, 0], rng=rng(), sources=[["b", "b", "a"]])
    assert shares(result.distribution) == pytest.approx({0.0: 0.25, 2 / 3: 0.5, 1.0: 0.25}, abs=0.02)


def test_two_level_variance():
    # Four logs of three runs: var = variance of the log means / 4; what varies within a log is in them already.
    values = rng(1).normal(size=(4, 3)) + np.array([[0.0], [2], [4], [9]])
    expected = values.mean(axis=1).var() / 4
    logs = np.repeat(np.arange(4), 3)
    result = st.bootstrap(row_mean, values.ravel(), rng=rng(), sources=[logs])
    assert result.distribution.var() == pytest.approx(expected, rel=0.05)
    assert st.bootstrap(row_mean, values.ravel(), rng=rng()).distribution.var() < expected / 2


def crossed(generator, runs, episodes, run, episode, rest):
    """Scores of crossed random effects with these standard deviations, (runs, episodes); their mean is 0."""
    return (
        run * generator.normal(size=(runs, 1))
        + episode * generator.normal(size=episodes)
        + rest * generator.normal(size=(runs, episodes))
    )


@pytest.mark.parametrize(("run", "episode", "rest"), [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, 3), (2, 0.5, 6)])
def test_the_variance_of_runs_and_episodes_is_that_of_crossed_effects(run, episode, rest):
    """Known: run^2 / R + episode^2 / E + rest^2 / (R E); the bootstrap's own factor (R - 1) / R is in the first."""
    runs, episodes, generator = 20, 40, rng(5)
    tables = [crossed(generator, runs, episodes, run, episode, rest) for _ in range(60)]
    found = np.mean([st.crossed_bootstrap(t, generator, resamples=400).distribution.var() for t in tables])
    known = (run**2 / runs + rest**2 / (runs * episodes)) * (1 - 1 / runs) + episode**2 / episodes
    assert found == pytest.approx(known, rel=0.2)


def test_an_interval_over_runs_and_episodes_covers_where_that_over_runs_does_not():
    generator, hits = rng(6), np.zeros(2)
    for _ in range(300):
        table = crossed(generator, 20, 30, 1.0, 2.0, 3.0)
        both = st.crossed_bootstrap(table, generator, resamples=500).interval()
        runs = st.bootstrap(row_mean, table.mean(axis=1), rng=generator, resamples=500).interval()
        hits += 0.0 in both, 0.0 in runs
    assert 0.91 <= hits[0] / 300 <= 0.98
    assert hits[1] / 300 < 0.85


def test_where_episodes_do_not_matter_the_interval_is_that_over_runs():
    table = np.repeat(rng(2).normal(size=(6, 1)), 10, axis=1)
    both, runs = (
        st.crossed_bootstrap(table, rng()).interval(),
        st.bootstrap(row_mean, table.mean(axis=1), rng=rng()).interval(),
    )
    assert both == runs
    full = st.crossed_bootstrap(np.where(np.arange(10) < 9, 500.0, [[480.0], [500.0], [500.0]]), rng())
    assert full.distribution.max() <= 500.0  # the greatest score: a mean beyond it there is none


def test_two_levels_by_task():
    # Task 1 has its two runs on two logs, task 2 both on one log: there, runs are drawn as usual.
    scores = np.array([[0.0, 0], [1, 1]])
    seen = st.stratified_bootstrap(
        lambda tasks: np.stack([row_mean(t) for t in tasks], -1),
        scores,
        rng=rng(),
        sources=[np.array([["a", "c"], ["b", "c"]])],
    )
    for column in seen.distribution.T:
        assert shares(column) == pytest.approx({0.0: 0.25, 0.5: 0.5, 1.0: 0.25}, abs=0.02)


def test_sources_of_unequal_size_in_paired_sets():
    x = np.array([0.0, 1, 2, 3, 4])
    result = st.bootstrap_difference(x + 1, x, rng(), paired=True, sources=[[0, 0, 0, 1, 1]])
    assert result.distribution == pytest.approx(1.0)


@pytest.mark.parametrize("n", [7, 40, 10_000])
def test_percentiles_are_inverse_distribution_functions(n):
    x = rng().normal(size=(n, 2))
    low, high = st.percentiles(x)
    assert (low == np.quantile(x, 0.025, axis=0, method="inverted_cdf")).all()
    assert (high == np.quantile(x, 0.975, axis=0, method="inverted_cdf")).all()


def test_percentiles_of_infinite_and_undefined_resamples():
    # 40 resamples: the ends are the 1st and the 39th.
    x = np.arange(1.0, 41)
    assert st.percentiles(x) == (1, 39)
    x[38:] = np.inf
    assert st.percentiles(x) == (1, np.inf)
    x[38:] = np.nan
    assert st.percentiles(x) == (-np.inf, np.inf)
    x = np.arange(1.0, 41)
    x[0] = np.nan  # the other 39 in order: -inf 2 ... 39 for the low end, 2 ... 40 inf for the high one
    assert st.percentiles(x) == (-np.inf, 40)


def test_probability_less():
    assert st.probability_less(np.array([1, 2, np.inf, np.inf]), np.array([2, 2, np.inf, 5])) == 0.25


# Coverage

TABLE = {0.2: (0.480, 0.666, 0.886, 0.921), 0.5: (0.750, 0.937, 0.979, 0.959)}
CELLS = [(p, n, share) for p, row in TABLE.items() for n, share in zip((3, 5, 10, 20), row, strict=True)]


@pytest.mark.parametrize(("p", "n", "share"), CELLS)
def test_exact_coverage_table(p, n, share):
    assert st.bernoulli_coverage(p, n) == pytest.approx(share, abs=5.01e-4)  # .9375 is printed as .937


def test_exact_coverage_by_hand():
    # Three seeds: one or two successes give [0, 1], which holds p; none or three give a point that misses it.
    assert st.bernoulli_coverage(0.2, 3) == pytest.approx(3 * 0.2 * 0.64 + 3 * 0.04 * 0.8)
    # Five seeds at .5: all but the two constant outcomes.
    assert st.bernoulli_coverage(0.5, 5) == pytest.approx(1 - 2 / 32)


@pytest.mark.parametrize("confidence", [0.95, 0.9, 0.5])
def test_exact_coverage_against_all_resamples(confidence):
    n, p, covered = 5, 0.2, 0.0
    every = np.array(list(itertools.product(range(n), repeat=n)))  # all 3125 resamples, equally likely
    for k in range(n + 1):
        means = np.repeat([1, 0], [k, n - k])[every].sum(axis=1)
        low, high = st.percentiles(means.astype(float), confidence)
        covered += math.comb(n, k) * p**k * (1 - p) ** (n - k) * (low <= n * p <= high)
    assert st.bernoulli_coverage(p, n, confidence) == pytest.approx(covered)


@pytest.mark.slow
@pytest.mark.parametrize(("p", "n", "share"), CELLS)
def test_simulated_coverage_of_the_bootstrap(p, n, share):
    # The interval depends on the data only through the number of successes, so one per number is enough.
    outcomes = (np.arange(n) < np.arange(n + 1)[:, None]).astype(float)  # (k, n)
    generator = rng(n)
    holds = [p in st.bootstrap(row_mean, runs, rng=generator).interval() for runs in outcomes]
    drawn = generator.binomial(n, p, size=20_000)
    assert np.mean(np.array(holds)[drawn]) == pytest.approx(share, abs=0.02)


@pytest.mark.slow
def test_simulated_coverage_of_a_smooth_mean():
    generator = rng(1)
    hits = [
        0.0 in st.bootstrap(row_mean, generator.normal(size=40), rng=generator, resamples=1000).interval()
        for _ in range(1000)
    ]
    # A normal mean of 40: the percentile interval is that of z with the 1/n variance, 94.0 %.
    nominal = 2 * stats.t.cdf(1.96 * math.sqrt(39 / 40), 39) - 1
    assert np.mean(hits) == pytest.approx(nominal, abs=0.02)


@pytest.mark.parametrize(("count", "trials"), [(0, 5), (1, 3), (9, 10), (20, 20), (137, 400)])
def test_proportion_intervals_equal_scipy(count, trials):
    test = stats.binomtest(count, trials)
    for ours, method in ((st.wilson_interval, "wilson"), (st.clopper_pearson, "exact")):
        for confidence in (0.95, 0.8):
            expected = test.proportion_ci(confidence, method=method)
            got = ours(count, trials, confidence)
            assert (got.low, got.high) == pytest.approx((expected.low, expected.high))
            assert got.point == count / trials


def test_target_coverage():
    # Ten episodes suffice however long the log is; nine of many do not.
    log = np.zeros(100_000)
    log[:10] = 7.0
    assert st.target_coverage(log, 7.0).covered
    log[0] = 6.9
    result = st.target_coverage(log, 7.0)
    assert (result.covered, result.episodes) == (False, 9)
    # None failing in three of three: the lower end is .025^(1/3) = .292; one of three: .0084, below 1 %.
    assert st.target_coverage([7, 8, 9], 7).share.low == pytest.approx(0.025 ** (1 / 3))
    assert st.target_coverage([7, 8, 9], 7).covered
    assert not st.target_coverage([7, 1, 1], 7).covered
    assert not st.target_coverage([1, 1], 7).covered


# Data needs


TIMES = [10, 20, np.inf, 45]


def test_restricted_means_by_hand():
    # Budget 30: 10, 20, 30, 30; two successes.
    assert st.rmst(TIMES, 30) == pytest.approx(90 / 4)
    assert st.ert(TIMES, 30) == pytest.approx(90 / 2)
    assert st.ert([np.inf, 40], 30) == np.inf
    assert st.ert([TIMES, [np.inf] * 4], 30) == pytest.approx([45, np.inf])
    assert st.expected_cost([5, 7], [True, False]) == 12


def test_median_needs_half_of_the_runs():
    assert st.median_time([5, np.inf, 3], 30) == 5
    assert st.median_time([5, np.inf], 30) == 5
    assert st.median_time([5, np.inf, np.inf], 30) == np.inf
    assert st.median_time([5, 31, 32], 30) == np.inf


def test_kaplan_meier_textbook():
    # Fan belts (Conover 1999, p. 91): five broke, five were taken off. 47: 7/8; 56: 6/7 of it; 77: 2/3 ...
    broken, whole = [77, 47, 81, 56, 80], [62, 60, 43, 71, 37]
    curve = st.kaplan_meier([*broken, *[np.inf] * 5], [*[100] * 5, *whole])
    assert curve.times.tolist() == [0, 37, 43, 47, 56, 60, 62, 71, 77, 80, 81]
    assert curve.survival == pytest.approx([1, 1, 1, 0.875, 0.75, 0.75, 0.75, 0.75, 0.5, 0.25, 0])


def test_kaplan_meier_interval():
    # Exponential Greenwood: S^exp(+-1.96 sqrt(sum d / (n (n - d))) / ln S). One of four events: sum 1/12.
    curve = st.kaplan_meier([1, 2, np.inf, np.inf], 5)
    spread = NormalDist().inv_cdf(0.975) * math.sqrt(1 / 12) / math.log(0.75)
    assert curve.low[1] == pytest.approx(0.75 ** math.exp(-spread))
    assert curve.high[1] == pytest.approx(0.75 ** math.exp(spread))
    assert (curve.low[0], curve.high[0]) == (curve.low[1], 1)
    ends = st.kaplan_meier([1, 2, 3], 5)
    assert ends.survival[-1] == 0
    assert (ends.low[-1], ends.high[-1]) == (0, ends.high[-2])  # undefined there: the bound before it holds
    none = st.kaplan_meier([np.inf, np.inf], 5)
    assert (none.survival.tolist(), none.low.tolist(), none.high.tolist()) == ([1, 1], [0, 0], [1, 1])


def test_rmst_is_the_area_under_kaplan_meier():
    times = np.where(rng().random(20) < 0.7, rng(1).integers(1, 100, size=20), np.inf)
    curve = st.kaplan_meier(times, 100)
    area = (np.diff(np.r_[curve.times, 100]) * curve.survival).sum()
    assert st.rmst(times, 100) == pytest.approx(area)


def test_log_rmst_ratio():
    y = np.array([20, 40, np.inf, 10])
    paired = st.log_rmst_ratio(np.minimum(y, 80) / 2, y, 80, rng(), paired=True)
    assert paired.distribution == pytest.approx(math.log(0.5))
    # Means capped at 30: (10 + 30) / 2 against 30.
    result = st.log_rmst_ratio([10, np.inf], [30, 35], 30, rng())
    assert result.point == pytest.approx(math.log(20 / 30))
    assert shares(result.distribution.round(6)) == pytest.approx(
        {round(math.log(1 / 3), 6): 0.25, round(math.log(2 / 3), 6): 0.5, 0.0: 0.25}, abs=0.02
    )


def test_expected_online_performance():
    # One try: the mean. Two of {1, 3}: 1 only if both draw it.
    assert st.expected_online_performance([3, 1]) == pytest.approx([2, 1 / 4 + 3 * 3 / 4])
    scores = [0.3, -1.0, 2.0, 0.3]
    expected = [np.mean([max(t) for t in itertools.product(scores, repeat=k)]) for k in (1, 2, 3, 4)]
    assert st.expected_online_performance(scores) == pytest.approx(expected)


# Costs


def test_costs_by_hand():
    assert st.cost_rl(100, 10) == 110
    assert st.cost_offline(1000, 5000, share=0.5, selection_steps=20) == 1000 + 2000 + 20
    assert st.cost_offline(1000, 5000, share=[0, 1]) == pytest.approx([1000, 5000])
    assert st.break_even_lambda(3020, 1000, 5000, 20) == 0.5


def test_costs_are_equal_at_the_break_even():
    online, logged, extra, selection = rng().integers(1, 1000, size=(4, 20))
    at = st.break_even_lambda(online + logged + selection, logged, logged + extra + 1000, selection)
    assert st.cost_offline(logged, logged + extra + 1000, at, selection) == pytest.approx(
        st.cost_rl(online + logged, selection)
    )


def test_break_even_interval_without_failures():
    # Mean online cost 100, 200 or 300; the log costs 50, its making 200 more.
    result = st.bootstrap_break_even_lambda([100, 300], 50, 250, rng=rng())
    assert result.point == 0.75
    assert shares(result.distribution) == pytest.approx({0.25: 0.25, 0.75: 0.5, 1.25: 0.25}, abs=0.02)
    assert result.interval() == st.Interval(0.25, 0.75, 1.25)


def test_break_even_interval_with_failures():
    # Online: 100 if both drawn runs succeed, 200 if one does, else infinite: then offline always wins.
    one = st.bootstrap_break_even_lambda([100, 100], 40, 240, 10, rng=rng(), online_solved=[1, 0])
    assert one.point == 0.75
    assert shares(one.distribution) == pytest.approx({0.25: 0.25, 0.75: 0.5, np.inf: 0.25}, abs=0.02)
    assert one.interval() == st.Interval(0.25, 0.75, np.inf)
    # Offline failures too: per success the log costs 100 and its making 400 more.
    both = st.bootstrap_break_even_lambda([100, 100], 50, 250, rng=rng(), online_solved=[1, 0], offline_solved=[0, 1])
    assert both.point == 0.25
    assert np.isnan(both.distribution).mean() == pytest.approx(1 / 16, abs=0.01)
    assert np.isneginf(both.distribution).mean() == pytest.approx(3 / 16, abs=0.02)
    assert both.interval() == st.Interval(-np.inf, 0.25, np.inf)


def test_probability_of_lower_cost():
    # Cost of x: 1, 2 or 3 with 1/4, 1/2, 1/4, against 2.
    costs = st.bootstrap_costs([1, 3], [2, 2], rng=rng())
    assert costs.point == pytest.approx([2, 2])
    assert st.probability_less(*costs.distribution.T) == pytest.approx(0.25, abs=0.02)
    failed = st.bootstrap_costs([1, 1], [9, 9], rng=rng(), x_solved=[0, 0])
    assert failed.point.tolist() == [np.inf, 9]
    assert st.probability_less(*failed.distribution.T) == 0
    # Paired: y is always one dearer.
    paired = st.bootstrap_costs([1, 30], [2, 31], rng=rng(), paired=True)
    assert st.probability_less(*paired.distribution.T) == 1


# Equivalence


def test_equivalence_by_hand():
    # Mean .5, standard error .1, one degree of freedom: t = .5 in the Cauchy distribution, at both margins.
    result = st.equivalence_test([0.4, 0.6], 0.5, margin=0.05)
    tail = 0.5 - math.atan(0.5) / math.pi
    assert (result.difference, result.standard_error) == pytest.approx((0, 0.1))
    assert (result.p_lower, result.p_upper, result.pvalue) == pytest.approx((tail, tail, tail))


def test_equivalence_equals_shifted_t_tests():
    x, y = rng().normal(size=9), rng(1).normal(0.1, 2, size=6)
    one, two = st.equivalence_test(x, 0.2, 0.5), st.equivalence_test(x, y, 0.5)
    assert one.p_lower == pytest.approx(stats.ttest_1samp(x, 0.2 - 0.5, alternative="greater").pvalue)
    assert one.p_upper == pytest.approx(stats.ttest_1samp(x, 0.2 + 0.5, alternative="less").pvalue)
    shifted = [stats.ttest_ind(x, y + s, equal_var=False) for s in (-0.5, 0.5)]
    assert two.p_lower == pytest.approx(stats.t.sf(shifted[0].statistic, shifted[0].df))
    assert two.p_upper == pytest.approx(stats.t.cdf(shifted[1].statistic, shifted[1].df))
    assert two.pvalue == max(two.p_lower, two.p_upper)


def test_equivalence_of_constant_runs():
    assert st.equivalence_test([0.5, 0.5], 0.52, 0.05).pvalue == 0
    assert st.equivalence_test([0.5, 0.5], 0.6, 0.05).pvalue == 1
    assert st.equivalence_test([0.5, 0.5], [0.5, 0.5, 0.5], 0.05).pvalue == 0


def test_equivalence_keeps_its_level():
    # At the edge of the margin, with small variance, it may claim equivalence in 5 % of the cases.
    x = rng().normal(0.05, 0.01, size=(2000, 8))
    assert np.mean([st.equivalence_test(runs, 0, 0.05).pvalue <= 0.05 for runs in x]) == pytest.approx(0.05, abs=0.015)


def test_equivalence_of_proportions_by_hand():
    # One of two: P(X >= 1 | .2) = 1 - .64, P(X <= 1 | .8) = 1 - .64.
    result = st.equivalence_test_proportion(1, 2, predicted=0.5, margin=0.3)
    assert (result.p_lower, result.p_upper) == pytest.approx((0.36, 0.36))
    assert result.standard_error == pytest.approx(math.sqrt(0.25 / 2))
    # Nothing can fall below -.05, so only the upper side is tested: .95^100.
    none = st.equivalence_test_proportion(0, 100, predicted=0, margin=0.05)
    assert (none.p_lower, none.pvalue) == (0, pytest.approx(0.95**100))


def test_holm_by_hand():
    # .01 * 3; .03 * 2; then .04 * 1, raised to the .06 before it. In the order given.
    assert st.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert st.holm([0.5, 0.6]) == pytest.approx([1, 1])


# Wrong input: one clear line

NAN = float("nan")
BAD = {
    "expected numbers": lambda: st.mean(np.array(["a"])),
    "scores: is empty": lambda: st.mean(np.empty((0, 3))),
    "1 of 2 values are NaN": lambda: st.median([0.1, NAN]),
    "1 of 2 values are infinite": lambda: st.interquartile_mean([0.1, np.inf]),
    "nested lists are ambiguous": lambda: st.mean([[0.1, 0.2], [0.3, 0.4]]),
    "expected shape .runs,. or .runs, tasks.": lambda: st.optimality_gap(np.zeros((2, 2, 2))),
    "differ in their leading axes": lambda: st.mean([np.zeros((2, 3)), np.zeros(3)]),
    "thresholds: is empty": lambda: st.performance_profile(SCORES, []),
    "expected the same tasks, got 3 and 2": lambda: st.probability_of_improvement(SCORES, SCORES[:, :2]),
    "equals random": lambda: st.normalized_score([1], 5, 5),
    "does not fit returns": lambda: st.normalized_score([1, 2, 3], [0, 0], [1, 1]),
    "one run alone has no interval": lambda: st.stratified_bootstrap(st.mean, SCORES[:1], rng=rng()),
    "sample 1: 1 of 1": lambda: st.bootstrap(row_mean, [1, 2], [NAN], rng=rng()),
    "two runs and two episodes": lambda: st.crossed_bootstrap(np.zeros((1, 5)), rng()),
    "at least one sample and one resample": lambda: st.bootstrap(row_mean, [1, 2], rng=rng(), resamples=0),
    "must keep the first axis": lambda: st.bootstrap(np.mean, [1, 2], rng=rng()),
    "paired samples need the same": lambda: st.bootstrap_difference([1.0, 2], [1.0], rng(), paired=True),
    "expected 1 entries": lambda: st.bootstrap(row_mean, [1, 2], rng=rng(), sources=[None, None]),
    "expected one label per run": lambda: st.bootstrap(row_mean, [1, 2], rng=rng(), sources=[["a"]]),
    "use band": lambda: st.Resampled(np.zeros(2), np.zeros((5, 2))).interval(),
    "confidence: expected a number between 0 and 1, got 95": lambda: st.percentiles(np.zeros(3), 95),
    "distribution: is empty": lambda: st.percentiles(np.zeros(0)),
    "two vectors of one length": lambda: st.probability_less(np.zeros(2), np.zeros(3)),
    "got 4 of 3": lambda: st.wilson_interval(4, 3),
    "got 0 of 0": lambda: st.clopper_pearson(0, 0),
    "p: expected a number between": lambda: st.bernoulli_coverage(1.0, 5),
    "runs: expected at least 1": lambda: st.bernoulli_coverage(0.5, 0),
    "returns: is empty": lambda: st.target_coverage([], 1),
    "times: expected values above 0": lambda: st.rmst([0.0, 1], 5),
    "budget: expected values above 0": lambda: st.ert([1.0], 0),
    "budget: expected one number or shape": lambda: st.kaplan_meier([1, 2], [3, 4, 5]),
    "solved: expected only true and false": lambda: st.expected_cost([1, 2], [0.5, 1]),
    "solved: expected shape": lambda: st.expected_cost([1, 2], [1]),
    "expected one dimension": lambda: st.expected_online_performance([[1, 2]]),
    "expected values of at least 0, got -1": lambda: st.cost_rl(-1),
    "shapes do not fit": lambda: st.cost_rl([1, 2], [1, 2, 3]),
    "expected lambda in": lambda: st.cost_offline(1, 2, 1.5),
    "cannot be below logged_steps": lambda: st.cost_offline(3, 2, 1),
    "must be above logged_steps": lambda: st.break_even_lambda(1, 2, 2),
    "neither|either family succeeded": lambda: st.bootstrap_break_even_lambda(
        [1, 2], 1, 2, rng=rng(), online_solved=False, offline_solved=False
    ),
    "x_costs: expected one number or one per run": lambda: st.bootstrap_costs(
        [[1, 2], [3, 4]], [1], rng=rng(), x_solved=1
    ),
    "at least two runs in x": lambda: st.equivalence_test([1], 1, 0.1),
    "margin: expected a number above 0": lambda: st.equivalence_test([1, 2], 1, 0),
    "predicted: expected a share": lambda: st.equivalence_test_proportion(1, 2, 1.5, 0.1),
    "pvalues: expected numbers in": lambda: st.holm([0.5, 1.5]),
}


@pytest.mark.parametrize("message", BAD)
def test_wrong_input_is_one_clear_line(message):
    with pytest.raises(ValueError, match=message) as caught:
        BAD[message]()
    assert "\n" not in str(caught.value)


def test_importing_the_room_is_light():
    code = "import sys, rlformer.statistics; print(*[m for m in sys.modules if m.split('.')[0] == 'scipy'])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == ""
