"""Where a study's logs come from, and how they are cut."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import rlformer
from rlformer.agents.cards import resolve
from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset
from rlformer.envs import cards as env_cards
from rlformer.runs.directory import RunDirectory
from rlformer.studies import experiment, logs, study

SMALL = ("steps=2048", "n_epochs=2")


@pytest.fixture(scope="module")
def random_log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return rlformer.collect("random", env="CartPole-v1", out=tmp_path_factory.mktemp("log") / "data", episodes=60)


@pytest.mark.parametrize("text", ["best", "expert=1", "epsilon", "epsilon=2", "prefix=0", "prefix=x", "", "mixed="])
def test_a_recipe_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--log"):
        logs.recipe(text)


@pytest.mark.parametrize("text", ["1", "13", "0.5,2", "-1,1", "a", ""])
def test_budgets_that_mean_nothing_are_refused(text: str) -> None:
    if text == "1":
        assert logs.budgets(text) == (1.0,)
        return
    with pytest.raises(InputError, match="--budgets"):
        logs.budgets(text)


def test_a_smaller_budget_is_a_part_of_a_larger_one(random_log: Dataset) -> None:
    parts = [random_log.some(n, seeding.generator(0, "budget")) for n in (100, 200, 400, random_log.num_steps)]
    for smaller, larger in itertools.pairwise(parts):
        assert set(smaller.index) < set(larger.index)
    assert [part.num_steps <= n for part, n in zip(parts, (100, 200, 400), strict=False)] == [True] * 3
    assert set(parts[-1].index) == set(random_log.index)
    other = random_log.some(200, seeding.generator(1, "budget"))
    assert set(other.index) != set(parts[1].index)


def test_episodes_that_are_left_out_had_not_been_needed(random_log: Dataset) -> None:
    part = random_log.some(200, seeding.generator(0, "budget"))
    assert part.upstream_env_steps == part.num_steps  # random play costs nothing but its own steps


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs with a short PPO training of seed 0."""
    root = tmp_path_factory.mktemp("runs")
    experiment.train(
        resolve(env_cards.environment("CartPole-v1"), "ppo", SMALL, log_trajectories=True),
        0,
        root,
        protocol=experiment.Protocol(episodes=4, curve_episodes=2),
    )
    return root


def made(root: Path, text: str, **values: object) -> Dataset:
    log = logs.Log(
        env_cards.environment("CartPole-v1"), 0, root, recipe=logs.recipe(text), overrides=SMALL, steps=600, **values
    )  # type: ignore[arg-type]
    if log.collected is not None:
        assert log.make(lambda: False, lambda done, total: None) == log.collected
    return log.open()


def test_what_plays_decides_the_quality_of_a_log(trained: Path) -> None:
    expert, mixed, random, noisy = (made(trained, text) for text in ("expert", "mixed", "random", "epsilon=.5"))
    assert random.returns.mean() < mixed.returns.mean() < expert.returns.mean()
    assert random.returns.mean() < noisy.returns.mean() < expert.returns.mean()
    for log in (expert, mixed, noisy):  # the training of whoever plays is behind it
        assert log.upstream_env_steps == 2048 + log.num_steps
    assert random.upstream_env_steps == random.num_steps >= 600
    assert [log.rule for log in (expert, mixed)] == ["expert", "mixed"]
    reference = experiment.data_reference(expert)
    run = RunDirectory(next((trained / "CartPole-v1").glob("ppo-*/seed-0")))
    assert (reference["maker"], reference["maker_hash"]) == ("ppo", run.spec.hash)


def test_the_budget_of_a_training_is_its_beginning(trained: Path) -> None:
    whole, half = made(trained, "replay"), made(trained, "replay", budget=0.5)
    assert half.upstream_env_steps is not None
    assert 0 < half.upstream_env_steps <= 1024
    assert np.array_equal(half.index, whole.index[: len(half)])
    assert made(trained, "replay", budget=1.0) is not half
    with pytest.raises(InputError, match="two are the least"):
        made(trained, "replay", budget=0.001)


def test_a_plan_collects_each_log_once_and_scales_the_arms_that_are_asked_for() -> None:
    recipes = [logs.recipe("expert"), logs.recipe("prefix")]
    grid = study.Grid((0.5, 1.0), ("dt",), seeds=1)
    plan = study.plan("CartPole-v1", arms=["dt", "bc"], seeds=2, logs=recipes, grid=grid)
    keys = [job.key for job in plan.jobs]
    assert len(keys) == len(set(keys))
    assert [key for key in keys if key[0].startswith("log ")] == [("log expert", 0), ("log expert", 1)]
    scaled = [key for key in keys if "of the log" in key[0]]
    assert scaled == [
        ("dt on expert with 0.5 of the log", 0),
        ("dt with 0.5 of the log", 0),
        ("dt with 1 of the log", 0),
    ]
    needs = {job.key: job.needs for job in plan.jobs}
    assert needs["log expert", 1] == (("ppo", 1),)
    assert needs["dt on expert with 0.5 of the log", 0] == (("log expert", 0),)
    assert needs["bc", 1] == (("ppo", 1),)


def test_the_profile_full_has_the_grid_and_random_logs_need_no_training() -> None:
    full = study.plan("CartPole-v1", profile="full", seeds=1)
    assert {arm.agent for arm in full.runs if arm.log and arm.log.budget} == {"dt", "bc-top", "cql"}
    random = study.plan("CartPole-v1", arms=["dt"], seeds=1, logs=[logs.recipe("random")])
    assert random.arms == ("dt",)
    assert [job.needs for job in random.jobs] == [(), (("log random", 0),)]


def test_without_interaction_only_the_log_is_learned_from(random_log: Dataset) -> None:
    plan = study.plan("CartPole-v1", profile="standard", seeds=1, dataset=random_log, interaction=False)
    assert not {"ppo", "dqn"} & set(plan.arms)
    assert {"random", "dt", "cql"} <= set(plan.arms)
    quick = study.plan("CartPole-v1", seeds=1, dataset=random_log, interaction=False)
    assert "cql" in quick.arms  # or there would be nothing to hold the sequence model against
    with pytest.raises(InputError, match="--arms names no arm"):
        study.plan("CartPole-v1", arms=[], dataset=random_log)
    with pytest.raises(InputError, match="needs a log"):
        study.plan("CartPole-v1", interaction=False)
    with pytest.raises(InputError, match="by stepping the environment: ppo"):
        study.plan("CartPole-v1", arms=["ppo"], dataset=random_log, interaction=False)


def test_contradictions_are_refused(random_log: Dataset) -> None:
    with pytest.raises(InputError, match="choose one"):
        study.plan("CartPole-v1", dataset=random_log, logs=[logs.recipe("expert")])
    with pytest.raises(InputError, match="both say which log"):
        study.plan("CartPole-v1", prefix="0.5", logs=[logs.recipe("expert")])
