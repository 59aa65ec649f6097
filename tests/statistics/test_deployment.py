"""What a bandit deploys, against every way that it can go; and the mean of the worst episodes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from rlformer.statistics import cvar, deployed


def by_enumeration(scores: list[list[float]], spent: list[float], episodes: int) -> tuple[list[float], list[float]]:
    """Expected true score of the answer, and what was spent, over all orders of the policies and all draws."""
    means = [sum(values) / len(values) for values in scores]
    answers, used = np.zeros(episodes), np.zeros(episodes)
    orders = list(itertools.permutations(range(len(scores))))

    def go(order: tuple[int, ...], seen: dict[int, list[float]], t: int, chance: float, paid: float) -> None:
        if t == episodes:
            return
        untried = [policy for policy in order if policy not in seen]
        if untried:
            policy = untried[0]
        else:
            bonus = {p: math.sqrt(2 * math.log(t + 1) / len(seen[p])) for p in order}
            policy = max(order, key=lambda p: sum(seen[p]) / len(seen[p]) + bonus[p])
        for value in scores[policy]:
            after = {**seen, policy: [*seen.get(policy, []), value]}
            answer = max((p for p in order if p in after), key=lambda p: sum(after[p]) / len(after[p]))
            likely = chance / len(scores[policy])
            answers[t] += likely * means[answer]
            used[t] += likely * (paid + spent[policy])
            go(order, after, t + 1, likely, paid + spent[policy])

    for order in orders:
        go(order, {}, 0, 1 / len(orders), 0.0)
    return answers.tolist(), used.tolist()


@pytest.mark.parametrize(
    "scores",
    [
        [[0.0, 1.0], [0.5, 0.5, 0.8]],
        [[-1.0, -3.0], [-2.0]],  # all below 0: a policy that was not tried, with its sum of 0, would look best
        [[0.2], [0.2, 1.0], [0.0, 0.9]],
    ],
)
def test_a_bandit_does_on_average_what_all_its_ways_do(scores: list[list[float]]) -> None:
    spent = [3.0, 10.0, 7.0][: len(scores)]
    wanted = by_enumeration(scores, spent, 5)
    found = deployed(scores, 5, np.random.default_rng(0), spent=spent, runs=40_000)
    assert found.score == pytest.approx(wanted[0], abs=0.012)
    assert found.spent == pytest.approx(wanted[1], abs=0.2)


def test_after_one_episode_any_policy_is_the_answer_and_after_many_it_is_the_best() -> None:
    scores = [[0.0, 0.2], [0.9, 1.0], [0.3, 0.5]]
    found = deployed(scores, 400, np.random.default_rng(1), runs=2000)
    assert found.score[0] == pytest.approx(np.mean([0.1, 0.95, 0.4]), abs=0.02)
    assert found.score[-1] == pytest.approx(0.95)
    assert found.spent.tolist() == list(range(1, 401))


def test_the_only_policy_is_always_the_answer() -> None:
    found = deployed([[1.0, 3.0]], 3, np.random.default_rng(0), spent=[4.0], runs=7)
    assert (found.score.tolist(), found.spent.tolist()) == ([2.0] * 3, [4.0, 8.0, 12.0])


def test_each_run_chooses_among_its_own_policies() -> None:
    """The second run has the last policy twice, and no other."""
    choices = np.array([[0, 1], [2, 2]])
    found = deployed([[0.0], [1.0], [0.3]], 3, np.random.default_rng(0), spent=[1.0, 1.0, 5.0], choices=choices)
    assert found.by_run[:, 1:].tolist() == [[1.0, 1.0], [0.3, 0.3]]
    assert found.score[1:] == pytest.approx([0.65, 0.65])
    assert found.spent.tolist() == [3.0, 6.0, 9.0]


def test_the_same_generator_gives_the_same_bits() -> None:
    one, other = (deployed([[0.0, 1.0], [0.4]], 9, np.random.default_rng(3)) for _ in range(2))
    assert one.score.tolist() == other.score.tolist()


def test_what_cannot_be_deployed_is_refused() -> None:
    rng = np.random.default_rng(0)
    for scores, episodes, runs in (([], 1, 1), ([[1.0]], 0, 1), ([[1.0]], 1, 0)):
        with pytest.raises(ValueError, match="at least one policy"):
            deployed(scores, episodes, rng, runs=runs)
    with pytest.raises(ValueError, match="NaN"):
        deployed([[math.nan]], 1, rng)
    with pytest.raises(ValueError, match="one number for each of 1"):
        deployed([[1.0]], 1, rng, spent=[1.0, 2.0])


def test_the_worst_tenth_of_a_hundred_is_the_mean_of_ten() -> None:
    values = np.random.default_rng(0).permutation(100).astype(float)
    assert cvar(values, 0.1) == pytest.approx(4.5)
    assert cvar(values, 0.105) == pytest.approx((45 + 0.5 * 10) / 10.5)  # the eleventh counts half


def test_the_worst_share_of_few_values_is_the_least_of_them() -> None:
    assert cvar([5.0, 7.0], 0.1) == pytest.approx(5.0)
    with pytest.raises(ValueError, match="empty"):
        cvar([], 0.1)
    with pytest.raises(ValueError, match="share"):
        cvar([1.0], 1.0)
