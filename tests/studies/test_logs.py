"""Where a study's logs come from, and how they are cut."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rlformer
from rlformer.agents.cards import resolve
from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.data.writer import DatasetWriter
from rlformer.envs import cards as env_cards
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import experiment, logs
from rlformer.studies.logs import CollectedLog, GivenLog, TrainingLog
from rlformer.studies.plan import plan
from rlformer.studies.read_values import budgets
from rlformer.studies.study import Grid, Log, Study

SMALL = ("steps=2048", "n_epochs=2")


@pytest.fixture(scope="module")
def random_log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return rlformer.collect("random", env="CartPole-v1", out=tmp_path_factory.mktemp("log") / "data", episodes=60)


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"kwargs": {}}, "log: its environment is no description of one: .*'id'"),
        ({"id": 3}, "env.id: a string expected, not 3"),
        ({"id": "CartPole-v1", "kwargs": 3}, "env.kwargs: a table expected, not 3"),
        ({"id": "CartPole-v1", "wrappers": 3}, "its environment is no description of one"),
        ({"id": "CartPole-v1", "wrappers": [3]}, "env.wrappers: tables expected"),
        ({"id": "evil:Env-v0"}, "imports 'evil'"),
        ({"id": "rlformer:evil:Env-v0"}, "imports 'rlformer:evil'"),
    ],
)
def test_a_log_that_describes_its_environment_wrongly_is_one_line(definition: dict[str, object], words: str) -> None:
    log = rlformer.dataset(observations=np.zeros((2, 4)), actions=[0, 1], rewards=np.ones(2), ends=[0, 1])
    with pytest.raises(InputError, match=words):
        logs.dataset_env(replace(log, info=replace(log.info, env="CartPole-v1", env_definition=definition)))


@pytest.mark.parametrize("text", ["best", "expert=1", "epsilon", "epsilon=2", "prefix=0", "prefix=x", "", "mixed="])
def test_a_recipe_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--log"):
        Recipe.parse(text)


@pytest.mark.parametrize("text", ["1", "13", "0.5,200", "-1,1", "a", ""])
def test_budgets_that_mean_nothing_are_refused(text: str) -> None:
    if text == "1":
        assert budgets("grid.budgets", text) == (1.0,)
        return
    with pytest.raises(InputError, match=r"grid\.budgets"):
        budgets("grid.budgets", text)


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
        resolve(env_cards.environment("CartPole-v1"), "ppo", SMALL, keeps_log=True),
        0,
        root,
        protocol=Protocol(episodes=4, curve_episodes=2, fresh_episodes=4),
    )
    return root


def made(root: Path, text: str, budget: float | None = None) -> Dataset:
    recipe = Recipe.parse(text)
    maker = resolve(env_cards.environment("CartPole-v1"), "ppo", SMALL, keeps_log=True)
    if not recipe.played:
        return logs.read(TrainingLog(maker, recipe), root, 0, budget, maker.env)
    log = CollectedLog(maker, recipe, 600)
    assert log.make(root, 0, None, None) == log.folder(root, 0)
    return logs.read(log, root, 0, budget, maker.env)


@pytest.mark.slow
def test_what_plays_decides_the_quality_of_a_log(trained: Path) -> None:
    expert, mixed, random, noisy = (made(trained, text) for text in ("expert", "mixed", "random", "epsilon=.5"))
    assert random.returns.mean() < mixed.returns.mean() < expert.returns.mean()
    assert random.returns.mean() < noisy.returns.mean() < expert.returns.mean()
    for log in (expert, mixed, noisy):  # the training of whoever plays is behind it
        assert log.upstream_env_steps == 2048 + log.num_steps
    assert random.upstream_env_steps == random.num_steps >= 600
    assert [log.recipe.label for log in (expert, mixed)] == ["expert", "mixed"]
    reference = log_input(expert)
    run = RunDirectory(next((trained / "CartPole-v1").glob("ppo-*/seed-0")))
    assert (reference.maker, reference.maker_hash) == ("ppo", run.spec.hash)


def test_the_budget_of_a_training_is_its_beginning(trained: Path) -> None:
    whole, half = made(trained, "replay"), made(trained, "replay", budget=0.5)
    assert half.upstream_env_steps is not None
    assert 707 < half.upstream_env_steps <= 1000  # the point of the grid that is nearest to 1,024
    assert np.array_equal(half.index, whole.index[: len(half)])
    assert made(trained, "replay", budget=1.0) is not half
    with pytest.raises(InputError, match="two at least"):
        made(trained, "expert", budget=0.001)


def test_a_plan_collects_each_log_once_and_scales_the_arms_that_are_asked_for() -> None:
    study = Study(
        "CartPole-v1",
        arms=("dt", "bc"),
        seeds=2,
        log=Log(kinds=("expert", "prefix")),
        grid=Grid((0.5, 1.0), ("dt",), 1),
    )
    made = plan(study)
    keys = [job.key for job in made.jobs]
    assert len(keys) == len(set(keys))
    assert [key for key in keys if key[0].startswith("log ")] == [("log expert", 0), ("log expert", 1)]
    scaled = [key for key in keys if "of the log" in key[0]]
    assert scaled == [
        ("dt on expert with 0.5 of the log", 0),
        ("dt with 0.5 of the log", 0),
    ]
    needs = {job.key: job.needs for job in made.jobs}
    assert needs["log expert", 1] == (("ppo", 1),)
    assert needs["dt on expert with 0.5 of the log", 0] == (("log expert", 0),)
    assert needs["bc", 1] == (("ppo", 1),)


def test_the_profile_full_has_the_grid_and_random_logs_need_no_training() -> None:
    full = plan(Study("CartPole-v1", profile="full", seeds=1))
    assert {run.spec.agent.name for run in full.runs if run.budget} == {"dt", "dt-lstm", "bc-top", "cql"}
    random = plan(Study("CartPole-v1", arms=("dt",), seeds=1, log=Log(kinds=("random",)), grid=Grid(())))
    assert random.arms == ("dt",)
    assert [job.needs for job in random.jobs] == [(), (("log random", 0),)]


def test_without_interaction_only_the_log_is_learned_from(random_log: Dataset) -> None:
    study = Study("CartPole-v1", seeds=1, terms=Terms(interaction=False))
    standard = plan(replace(study, profile="standard"), dataset=random_log)
    assert not {"ppo", "dqn"} & set(standard.arms)
    assert {"random", "dt", "cql"} <= set(standard.arms)
    assert "cql" in plan(study, dataset=random_log).arms  # or there would be nothing to hold the sequence model against
    with pytest.raises(InputError, match="arms: names no arm"):
        plan(replace(study, arms=()), dataset=random_log)
    with pytest.raises(InputError, match="an existing log is needed"):
        plan(study)
    with pytest.raises(InputError, match="these agents cannot be trained: ppo"):
        plan(replace(study, arms=("ppo",)), dataset=random_log)


def test_contradictions_are_refused(random_log: Dataset) -> None:
    with pytest.raises(InputError, match="give either --log"):
        plan(Study("CartPole-v1", log=Log(kinds=("expert",))), dataset=random_log)
    with pytest.raises(InputError, match="both choose the log"):
        plan(Study("CartPole-v1", log=Log(kinds=("expert",), prefix="0.5")))


def test_a_given_log_is_named_in_the_study_and_found_from_any_folder(random_log: Dataset, workspace: Path) -> None:
    with DatasetWriter(workspace / "elsewhere", random_log.info) as writer:
        for episode in random_log:  # as if each had been made in a training: else nothing could be cut
            writer.add(episode, behaviour_steps=writer.num_steps + len(episode))
        writer.finish()
    (workspace / "log").symlink_to(workspace / "elsewhere")
    (run,) = plan(Study("CartPole-v1", arms=("bc",), seeds=1, log=Log(data="log", prefix="0.5"))).runs
    assert run.source == GivenLog(workspace / "log", Cut("share", 0.5))
    assert run.recipe == Recipe(Cut("share", 0.5))
    assert run.logged_steps == random_log.num_steps // 2


def test_a_log_that_cannot_be_cut_as_asked_is_told_before_anything_is_trained(
    random_log: Dataset, workspace: Path
) -> None:
    (workspace / "log").symlink_to(random_log.path)
    study = Study("CartPole-v1", arms=("bc", "ppo"), seeds=1, log=Log(data="log", prefix="0.5"))
    with pytest.raises(
        InputError, match=r"^log.prefix: .*log: no prefix: this log does not record at which training step"
    ):
        plan(study)
    with pytest.raises(InputError, match=r"^log.prefix: 999999 steps of a training of 32768"):
        plan(Study("CartPole-v1", arms=("bc",), seeds=1, log=Log(prefix="999999")))
