"""Episodes that are played for their returns."""

from __future__ import annotations

import numpy as np
import pytest

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.play import play
from rlformer.envs.rollout import RandomPolicy

ENV = env_cards.environment("CartPole-v1")
SEEDS = np.arange(100, 106)


class Heard(RandomPolicy):
    """Random actions, and what it heard at the beginning of each episode."""

    def __init__(self) -> None:
        super().__init__(spaces_of(ENV).actions)
        self.begun: dict[int, tuple[int, float | None]] = {}  # by slot

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        for i, slot in enumerate(slots.tolist()):
            self.begun[slot] = int(seeds[i]), None if target_returns is None else float(target_returns[i])
        super().begin(slots, seeds, target_returns)


def test_results_stand_in_the_order_of_the_seeds_however_many_play_side_by_side() -> None:
    policy = RandomPolicy(spaces_of(ENV).actions)
    one, all_at_once = (play(policy, ENV, SEEDS, num_envs=n, keep=True) for n in (1, 99))
    np.testing.assert_array_equal(one.returns, all_at_once.returns)
    assert [episode.seed for episode in all_at_once.episodes] == SEEDS.tolist()
    assert [episode.episode_return for episode in one.episodes] == one.returns.tolist()
    assert [len(episode.observations) - 1 for episode in one.episodes] == one.lengths.tolist()
    assert one.env_steps == one.lengths.sum()
    assert (one.num_envs, all_at_once.num_envs) == (1, len(SEEDS))
    assert play(policy, ENV, SEEDS).episodes == ()


def test_with_as_many_slots_as_seeds_each_has_its_own() -> None:
    policy = Heard()
    play(policy, ENV, SEEDS, num_envs=len(SEEDS), target_return=np.arange(6.0))
    assert policy.begun == {i: (seed, float(i)) for i, seed in enumerate(SEEDS.tolist())}


def test_one_target_return_is_asked_of_all() -> None:
    policy = Heard()
    play(policy, ENV, SEEDS, num_envs=len(SEEDS), target_return=7.0)
    assert {target for _, target in policy.begun.values()} == {7.0}


def test_no_seed_is_a_mistake() -> None:
    with pytest.raises(InputError, match="at least one episode"):
        play(Heard(), ENV, SEEDS[:0])
