"""Where a training log is cut, and how much of it a point of a data-scaling grid reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.cut import LeftOut, cut_log
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.prefix import mid_training, middle
from rlformer.runs.inputs import Cut, Recipe

CARD = EnvSpec("E", "E-v0", random_score=0.0, reference_score=100.0)  # z .5 is a return of 50
MID = Recipe(Cut("mid"))


def training(returns: Sequence[float], each: int = 1, steps: int | None = None) -> Dataset:
    """Episodes of one step with these returns, one after `each` training steps, of a training of so many steps."""
    episodes = [
        Episode(np.zeros((2, 1), np.float32), np.zeros(1, np.int64), np.array([float(r)]), True, False) for r in returns
    ]
    info = DatasetInfo("E", Spaces.plain((1,), ActionSpec("discrete", (2,))))
    log = from_episodes(info, episodes)
    log.episodes["behaviour_steps"] = each * np.arange(1, len(returns) + 1)
    total = each * len(returns) if steps is None else steps
    return replace(log, info=replace(log.info, upstream_env_steps=total))


def test_the_middle_is_where_the_mean_of_20_episodes_first_reaches_half_of_the_normalised_score() -> None:
    """Returns 1 to 100, one step each: episodes 41 to 60 have the mean 50.5, and 40 to 59 have 49.5."""
    cut = mid_training(training(range(1, 101)), CARD)
    assert (len(cut), cut.upstream_env_steps, cut.selection) == (60, 60, "prefix of 60 training steps")


@given(st.lists(st.floats(-500, 500), max_size=60))
@settings(max_examples=50, deadline=None)
def test_what_follows_the_middle_does_not_move_it(later: list[float]) -> None:
    """Neither a higher best nor a collapse later: the first 12,000 steps of a log decide."""
    first = [20.0] * 40 + [80.0] * 40
    known = middle(training(first, each=150), CARD)
    assert known.step == 150 * 50 <= 12_000
    assert middle(training([*first, *later], each=150), CARD) == known
    assert middle(training([*first, *later], each=150, steps=10**6), CARD) == known


def test_a_training_twice_as_long_is_cut_alike_and_has_the_same_prefixes() -> None:
    first = [20.0] * 40 + [80.0] * 40
    short, long = training(first, each=150), training(first * 2, each=150)
    for budget in (None, 0.25, 0.5, 1.5):
        recipe = replace(MID, budget=budget)
        assert np.array_equal(cut_log(short, recipe, env=CARD).index, cut_log(long, recipe, env=CARD).index)
    sizes = [cut_log(long, replace(MID, budget=budget), env=CARD).upstream_env_steps for budget in (0.25, 0.5, 2)]
    assert sizes == [1950, 3900, 15_900]  # whole episodes up to 2,000, 4,000 and 16,000 steps


@pytest.mark.parametrize(
    ("returns", "env", "why"),
    [
        ([-200.0] * 100, None, "no card gives a reference return"),
        ([90.0] * 100, EnvSpec("E", "E-v0"), "no card gives a reference return"),
        ([10.0] * 100, CARD, "never reached 0.5 of the normalised score"),
        ([90.0] * 19, CARD, "never reached 0.5 of the normalised score"),  # no mean of 20 episodes
    ],
)
def test_without_a_card_or_a_score_it_is_half_of_the_training_and_says_so(
    returns: list[float], env: EnvSpec | None, why: str
) -> None:
    cut = mid_training(training(returns, each=10, steps=10 * len(returns) + 8), env)
    assert len(cut) == len(returns) // 2
    assert cut.selection.startswith(f"prefix of {5 * len(returns) + 4} training steps (half of the training, ")
    assert why in cut.selection


def test_a_log_that_is_no_training_has_no_middle() -> None:
    log = training([1.0, 2.0])
    log.episodes["behaviour_steps"] = -1
    with pytest.raises(InputError, match="does not record at which training step"):
        middle(log, CARD)


def test_a_training_in_whose_half_no_episode_ended_is_refused() -> None:
    with pytest.raises(InputError, match="no episode had ended 2 steps into the training"):
        cut_log(training([1.0], each=5), MID, env=CARD)


def test_a_part_that_a_log_does_not_have_is_left_out_with_the_reason() -> None:
    log = training([20.0] * 40 + [80.0] * 40, each=150)  # cut at 7,500 of 12,000 steps
    assert cut_log(log, replace(MID, budget=0.01), env=CARD).upstream_env_steps == 900  # the grid begins at 1,000
    with pytest.raises(LeftOut, match="2 times its 7,500 steps, at 16,000, is more than the training's 12,000"):
        cut_log(log, replace(MID, budget=2), env=CARD)
    small = training([20.0] * 40 + [80.0] * 40, each=15)  # cut at 750 of 1,200 steps
    with pytest.raises(LeftOut, match=r"0\.5 of its 750 steps, at 1,000, is no less than all of it"):
        cut_log(small, replace(MID, budget=0.5), env=CARD)


def test_of_a_log_that_is_no_training_a_share_is_whole_episodes() -> None:
    log = training([1.0] * 10)
    log.episodes["behaviour_steps"] = -1
    assert len(cut_log(log, Recipe(budget=0.5))) == 5
    with pytest.raises(LeftOut, match="2 times the log is more than it holds"):
        cut_log(log, Recipe(budget=2))
    with pytest.raises(LeftOut, match="two at least"):
        cut_log(log, Recipe(budget=0.1))
