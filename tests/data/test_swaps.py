"""Columns that were swapped are found by how the environment moves."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Array, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.findings import find
from rlformer.data.swaps import swapped_columns
from rlformer.studies.logs import held_against

PUSH = ActionSpec("box", low=(-1.0,), high=(1.0,))


def cart(episodes: int, seed: int, gain: float = 0.0) -> list[Episode]:
    """A cart: position, speed, and a heading that turns with the position. gain: how strongly it is steered to 0."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(episodes):
        state, rows, taken = rng.normal(size=3), [], []
        for _ in range(30):
            push = np.clip(rng.normal(scale=0.5) - gain * state[0], -1, 1)
            rows.append(state.copy())
            taken.append([push])
            state = state + np.array([0.05 * state[1], 0.2 * push, 0.1 * state[0]])
        rows.append(state)
        made.append(Episode(np.array(rows), np.array(taken, np.float32), np.zeros(30), False, True))
    return made


def log(order: list[int], final: bool = True) -> Dataset:
    episodes = [replace(e, observations=e.observations[:, order]) for e in cart(20, seed=1, gain=0.3)]
    if not final:
        episodes = [
            replace(e, observations=np.concatenate([e.observations[:-1], e.observations[-2:-1]])) for e in episodes
        ]
    info = DatasetInfo("Cart-v0", Spaces.plain((3,), PUSH, "float64"), final_observations=final)
    return from_episodes(info, episodes)


PLAYED = cart(10, seed=2)


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("order", [[1, 0, 2], [2, 1, 0], [0, 2, 1], [1, 2, 0]], ids=str)
def test_any_order_is_found(order: list[int], final: bool) -> None:
    back = swapped_columns(log(order, final), PLAYED)
    assert back is not None
    assert [order[i] for i in back] == [0, 1, 2]


@pytest.mark.parametrize("final", [True, False])
def test_a_log_in_order_is_left_alone(final: bool) -> None:
    assert swapped_columns(log([0, 1, 2], final), PLAYED) is None


def test_nothing_is_said_from_few_steps_or_where_nothing_is_predicted() -> None:
    assert swapped_columns(log([1, 0, 2]), PLAYED[:2]) is None
    rng = np.random.default_rng(0)
    noise = [replace(e, observations=rng.normal(size=e.observations.shape)) for e in PLAYED]
    assert swapped_columns(log([1, 0, 2]), noise) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "MountainCar-v0"])
def test_every_swap_of_a_classic_is_found(name: str) -> None:
    from rlformer.envs import cards as env_cards
    from rlformer.envs.make import spaces_of

    spec = env_cards.environment(name)
    empty = from_episodes(DatasetInfo(name, spaces_of(spec)), [])
    native, played = held_against(empty, name)
    half = len(played) // 2
    whole = from_episodes(DatasetInfo(name, spaces_of(spec)), played[:half])
    assert not [f for f in find(whole, native, played[half:]) if f.kind == "swapped-columns"]
    for i, j in combinations(range(whole.observations.shape[1]), 2):
        order: Array = np.arange(whole.observations.shape[1])
        order[[i, j]] = j, i
        swapped = replace(whole, observations=whole.observations[:, order])
        (finding,) = (f for f in find(swapped, native, played[half:]) if f.kind == "swapped-columns")
        assert finding.columns == (i, j)


def test_columns_that_never_move_keep_the_order_of_the_log() -> None:
    goals = np.random.default_rng(5).normal(size=(20, 2))

    def with_goal(episodes: list[Episode], front: bool) -> list[Episode]:
        made = []
        for episode, goal in zip(episodes, goals, strict=False):
            still = np.tile(goal, (len(episode.observations), 1))
            rows = [still, episode.observations] if front else [episode.observations, still]
            made.append(replace(episode, observations=np.concatenate(rows, axis=1)))
        return made

    info = DatasetInfo("Cart-v0", Spaces.plain((5,), PUSH, "float64"), final_observations=True)
    logged = from_episodes(info, with_goal(cart(20, seed=1, gain=0.3), front=False))
    assert swapped_columns(logged, with_goal(PLAYED, front=True)) == (3, 4, 0, 1, 2)
