"""One policy, fixed episodes, one result; two results, a paired difference."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.rollout import RandomPolicy
from rlformer.evaluator.measure.evaluation import (
    Part,
    evaluate,
    evaluate_parts,
    evenly,
    seconds_per_call,
)
from rlformer.evaluator.measure.summary import paired_difference, summarize

CARTPOLE = env_cards.environment("CartPole-v1")
SEEDS = seeding.episode_seeds(0, "evaluate", 12)


def random_policy(seed: int = 0) -> RandomPolicy:
    return RandomPolicy(ActionSpec("discrete", (2,)), seed)


def test_returns_do_not_depend_on_how_many_run_side_by_side() -> None:
    results = [evaluate(random_policy(), CARTPOLE, SEEDS, name="random", num_envs=n) for n in (1, 5, 12, 40)]
    for result in results[1:]:
        assert np.array_equal(result.returns, results[0].returns)
        assert np.array_equal(result.lengths, results[0].lengths)
    assert len(set(results[0].returns)) > 3
    assert results[0].env_steps == results[0].lengths.sum() == results[0].returns.sum()


def test_random_policies_of_two_seeds_differ() -> None:
    one, other = (evaluate(random_policy(s), CARTPOLE, SEEDS, name="random") for s in (0, 1))
    assert not np.array_equal(one.returns, other.returns)


class Obedient:
    """Pushes right for as many steps as it is asked for, then left: its length tells what it was asked."""

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        self.asked = getattr(self, "asked", np.zeros(64))
        assert target_returns is not None
        self.asked[slots] = target_returns

    def act(self, observations: Array) -> Array:
        return (self.asked[: len(observations)] > 0).astype(np.int64)

    def observe(self, actions: Array, rewards: Array) -> None:
        self.asked[: len(rewards)] -= rewards


@pytest.mark.parametrize("num_envs", [1, 7, 100])
def test_what_is_played_in_one_batch_is_what_each_part_gives_alone(num_envs: int) -> None:
    parts = [Part(f"target-{i}", SEEDS[: 12 - i], target) for i, target in enumerate([0.0, 3.0, 6.0])]
    together = evaluate_parts(Obedient(), CARTPOLE, parts, name="obedient", num_envs=num_envs)
    assert list(together) == ["target-0", "target-1", "target-2"]
    for part in parts:
        result = together[part.name]
        alone = evaluate(Obedient(), CARTPOLE, part.seeds, name="obedient", target_return=part.target_return)
        for key in ("seeds", "returns", "lengths", "terminated"):
            assert np.array_equal(getattr(result, key), getattr(alone, key))
        assert result.target_return == part.target_return
    assert together["target-0"].mean < together["target-1"].mean < together["target-2"].mean


def test_no_slot_idles_where_all_episodes_are_of_one_length() -> None:
    for episodes, most in ((140, 100), (200, 100), (300, 100), (20, 100), (7, 3), (1, 1)):
        rounds = -(-episodes // most)
        num_envs = evenly(episodes, most)
        assert num_envs <= most
        assert -(-episodes // num_envs) == rounds
        assert num_envs * rounds - episodes < rounds


def result_of(returns: list[float], name: str = "a", seeds: Array = SEEDS) -> EvalResult:
    count = len(returns)
    return EvalResult(
        env="E",
        policy=name,
        seeds=seeds[:count],
        returns=np.array(returns),
        lengths=np.ones(count, np.int64),
        terminated=np.ones(count, bool),
        action_selection="greedy",
    )


def test_a_summary_by_hand() -> None:
    spec = EnvSpec("E", "E-v0", random_score=1.0, reference_score=5.0, solved_threshold=3.0)
    summary = summarize(result_of([1.0, 2.0, 3.0, 6.0]), spec)
    assert summary.mean == 3.0
    assert summary.standard_error == pytest.approx(np.sqrt(14 / 3) / 2)  # squares 4, 1, 0, 9 over n - 1 = 3
    assert (summary.median, summary.success_rate, summary.normalized_score) == (2.5, 0.5, 0.5)
    bare = summarize(result_of([1.0]), EnvSpec("E", "E-v0"))
    assert bare.standard_error is bare.success_rate is bare.normalized_score is None


def test_a_paired_difference_by_hand() -> None:
    a, b = result_of([3.0, 5.0, 2.0, 4.0]), result_of([1.0, 3.0, 0.0, 4.0], "b")
    difference = paired_difference(a, b)
    assert (difference.mean, difference.wins, difference.ties) == (1.5, 0.75, 0.25)
    assert difference.low is not None
    assert difference.high is not None
    assert 0.0 <= difference.low < 1.5 < difference.high <= 2.0
    with pytest.raises(InputError, match="different episode seeds"):
        paired_difference(a, result_of([1.0, 3.0, 0.0, 4.0], "b", SEEDS + 1))


def test_where_the_seed_is_ignored_no_difference_is_paired() -> None:
    """Shares are those of all pairs of episodes: 3 > 1, 3 = 3, 5 > 1, 5 > 3."""
    a, b = result_of([3.0, 5.0]), result_of([1.0, 3.0], "b")
    difference = paired_difference(replace(a, seed_obeyed=False), b)
    assert not difference.paired
    assert paired_difference(replace(a, seed_obeyed=True), b).paired
    assert (difference.mean, difference.wins, difference.ties) == (2.0, 0.75, 0.25)
    assert difference.low is not None
    assert difference.low < 2.0


def test_what_the_environment_calls_a_success_is_one() -> None:
    spec = EnvSpec("E", "E-v0", solved_threshold=3.0)
    told = replace(result_of([1.0, 5.0, 5.0, 5.0]), successes=np.array([True, False, False, False]))
    assert summarize(told, spec).success_rate == 0.25
    assert summarize(told, EnvSpec("E", "E-v0")).success_rate == 0.25
    again = EvalResult.from_dict(json.loads(json.dumps(replace(told, seed_obeyed=False).to_dict())))
    assert (again.successes is not None and again.successes.tolist(), again.seed_obeyed) == (
        [True] + [False] * 3,
        False,
    )
    assert not {"successes", "seed_obeyed"} & result_of([1.0]).to_dict().keys()


def test_a_result_survives_json() -> None:
    result = evaluate(random_policy(), CARTPOLE, SEEDS[:3], name="random")
    again = EvalResult.from_dict(result.to_dict())
    assert np.array_equal(again.returns, result.returns)
    assert again.seeds.dtype == np.int64
    assert again.to_dict() == result.to_dict()


def test_no_episodes_is_an_error_and_time_per_call_is_positive() -> None:
    with pytest.raises(InputError, match="at least one episode"):
        evaluate(random_policy(), CARTPOLE, SEEDS[:0], name="random")
    assert seconds_per_call(random_policy(), spaces_of(CARTPOLE).observation, 2, calls=4) > 0


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_the_time_of_a_call_is_taken_on_observations_of_their_own_dtype(dtype: str) -> None:
    """A sequence model refuses those that its own dtype would cut."""

    class Careful(RandomPolicy):
        def act(self, observations: Array) -> Array:
            assert observations.dtype == dtype
            return super().act(observations)

    policy = Careful(spaces_of(CARTPOLE).actions)
    assert seconds_per_call(policy, ObservationSpec.vector(3, dtype), 2, calls=4) > 0
