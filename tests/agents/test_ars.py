"""Augmented random search: it counts the steps that it takes, and goes on after a stop as if it had searched on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.online.learner import OnlineLearner
from rlformer.core.errors import InputError, Interrupted
from rlformer.runs.episodes import read
from tests.support.make_training import Log, match, play

SMALL = ("steps=200", "n_delta=2", "n_top=2")


def task(kind: str, *overrides: str) -> Task:
    spec = match(kind)
    return Task(env=spec, dataset=None, hyperparameters=resolve(spec, "ars", overrides).values, seed=0)


def test_steps_are_those_of_whole_episodes_of_its_candidates(tmp_path: Path) -> None:
    learner, log = OnlineLearner(), Log(tmp_path)
    cost = learner.fit(task("discrete", "steps=70", "n_delta=2", "n_top=2", "n_eval_episodes=3"), log)
    population = 2 * 2 * 3 * 5  # two directions, forwards and backwards, three episodes of five steps each
    assert cost.env_steps == 2 * population  # the one that was begun is played to its end
    assert cost.samples_seen == 2 * 2  # updates times directions
    episodes = read(tmp_path)
    assert episodes is not None
    assert len(episodes.returns) == 2 * 2 * 2 * 3
    assert learner.num_parameters == 2 * 2  # linear, without a bias


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["discrete", "box"])
def test_a_linear_policy_finds_the_optimum_of_a_small_world(kind: str, tmp_path: Path) -> None:
    learner, log = OnlineLearner(), Log(tmp_path)
    learner.fit(task(kind, "steps=12000", "normalize_observations=false", "delta_std=0.1", "learning_rate=0.1"), log)
    assert play(learner.policy(), match(kind)).mean > (-1.0 if kind == "box" else -0.01)
    assert log.curve("train/delta_std")
    assert log.curve("train/return_std")
    assert log.curve("train/episode_return")


def test_schedules_of_a_continued_training_go_on(tmp_path: Path) -> None:
    scheduled = task("discrete", *SMALL, "learning_rate={ start = 1.0, end = 0.0 }")
    with pytest.raises(Interrupted):
        OnlineLearner().fit(scheduled, Log(tmp_path / "stopped", stop_after=100))
    log = Log(tmp_path / "stopped")
    assert OnlineLearner().fit(scheduled, log).env_steps >= 200
    rates = dict(log.curve("train/learning_rate"))
    assert rates
    assert all(rate <= 1.0 - 100 / 200 for rate in rates.values())  # the library's would begin at 1 again


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n_top=9", "n_top: at most n_delta, which is 8, got 9"),
        ("num_envs=2", "num_envs: only 1, got 2"),
        ("gamma=0.9", "unknown key 'gamma'"),
    ],
)
def test_a_value_that_cannot_be_searched_with_is_named(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        OnlineLearner().fit(task("discrete", override), Log(tmp_path))
