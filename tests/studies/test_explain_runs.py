"""Runs of studies are explained at the states of the log that they read, however it was made and cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rlformer
from rlformer import api
from rlformer.agents.cards import resolve
from rlformer.core.errors import InputError
from rlformer.data.cut import cut_log
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards
from rlformer.evaluator.judge.terms import Terms
from rlformer.explain import parts
from rlformer.explain.parts import PARTS, Effects
from rlformer.runs.directory import TRAJECTORIES, RunDirectory
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import experiment, explain_runs
from rlformer.studies.study import Log, Study
from tests.support.make_runs import reseal

ENV = env_cards.environment("CartPole-v1")
FEW = experiment.Protocol(episodes=4, curve_episodes=2, fresh_episodes=4, target_episodes=2, other_episodes=2)
SMALL = ("gradient_steps=20", "patience=0", "validate_every=20")
PPO = ("steps=2048", "n_epochs=1")
SEED = 2

PLAYED = ("expert", "mixed", "random", "epsilon=.3")
CUTS = ("full", "mid", "0.5", "600")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of episodes that were played for a log."""
    folder = tmp_path_factory.mktemp("log") / "data"
    rlformer.collect("random", env="CartPole-v1", out=folder, episodes=40)
    return folder


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A short training that kept its episodes."""
    root = tmp_path_factory.mktemp("ppo")
    return experiment.train(resolve(ENV, "ppo", PPO, keeps_log=True), SEED, root, protocol=FEW)


def trained(dataset: Dataset, root: Path) -> RunDirectory:
    """An imitator of a log, as a study trains it."""
    spec = resolve(ENV, "bc", SMALL, (log_input(dataset),))
    return experiment.train(spec, SEED, root, dataset=dataset, protocol=FEW)


def check_explained(run: RunDirectory) -> None:
    """At the states of what it read, which is found again and no other."""
    read, found = run.spec.log, explain_runs.log_of(run)
    assert read is not None
    assert found is not None
    assert found.hash == read.hash
    effects = explain_runs.explain(explain_runs.open_run(run.path), only=["effects"]).need(Effects)
    assert effects.log is not None
    assert (effects.log.episodes, effects.log.steps) == (read.num_episodes, read.num_steps)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, 0.5])
@pytest.mark.parametrize("text", PLAYED)
def test_runs_on_logs_that_were_played_for_them(text: str, budget: float | None, played: Path, tmp_path: Path) -> None:
    recipe = replace(Recipe.parse(text), budget=budget)
    run = trained(cut_log(load(played), recipe, SEED), tmp_path)
    assert run.spec.log is not None
    assert run.spec.log.recipe == recipe
    check_explained(run)


@pytest.mark.slow
@pytest.mark.parametrize("text", CUTS)
def test_runs_on_parts_of_a_training(text: str, training: RunDirectory, tmp_path: Path) -> None:
    whole = load(training.path / TRAJECTORIES)
    check_explained(trained(cut_log(whole, Recipe(Cut.parse(text)), SEED), tmp_path))


def test_a_point_of_a_grid_is_explained_by_itself_and_not_with_its_study(
    training: RunDirectory, tmp_path: Path
) -> None:
    whole = load(training.path / TRAJECTORIES)
    run = trained(cut_log(whole, Recipe(budget=0.5), SEED), tmp_path)
    check_explained(run)
    told = []
    explain_runs.explain_runs([run.path], terms=Terms(), listen=told.append)
    assert [(event.kind, event.value) for event in told] == [("planned", 0)]


@pytest.mark.slow
def test_a_run_on_a_played_log_has_a_counterpart_with_distractors(played: Path, tmp_path: Path) -> None:
    run = trained(cut_log(load(played), Recipe.parse("expert"), SEED), tmp_path)
    explained = api.explain(run.path, distractors=2, only=["effects"]).need(Effects)
    assert {"distractor 1", "distractor 2", "previous action: push left"} <= set(explained.groups)
    assert explained.own.truth is not None
    assert explained.own.truth.source == "distractors"


def test_another_log_in_its_place_is_not_taken_for_it(played: Path, tmp_path: Path) -> None:
    run = trained(cut_log(load(played), Recipe.parse("expert"), SEED), tmp_path)
    spec = run.spec
    assert spec.log is not None
    other = replace(spec.log, hash="0000000000")
    from rlformer.core import files

    files.write_toml(run.path / "spec.toml", replace(spec, inputs=(other,)).to_dict())
    reseal(run)
    assert explain_runs.log_of(run) is None


def test_a_run_without_a_log_is_explained_at_its_own_training(training: RunDirectory) -> None:
    found = explain_runs.log_of(training)
    assert found is not None
    assert found.hash == load(training.path / TRAJECTORIES).hash


def test_a_log_of_one_episode_is_left_out_or_refused_before_anything_is_played(
    training: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in it could replace what it shows. Nobody gave the run's own; another is the user's mistake."""
    one = load(training.path / TRAJECTORIES).select(np.array([0]), "one")
    with pytest.raises(InputError, match="has one episode; an explanation replaces what is seen"):
        explain_runs.open_run(training.path, dataset=one)
    with pytest.raises(InputError, match="give a log of two at least, or none"):
        explain_runs.open_other("random", ENV, dataset=one)
    monkeypatch.setattr(explain_runs, "log_of", lambda run: one)
    assert explain_runs.open_run(training.path).case.log is None


@pytest.mark.slow
def test_a_study_on_a_played_log_is_explained_arm_by_arm(tmp_path: Path) -> None:
    """All parts, in processes of their own: what `compare --log expert --explain` does."""
    study = Study(
        "Bandit",
        arms=("random", "bc", "ppo"),
        seeds=1,
        log=Log(kinds=("expert",), steps=600),
        overrides={"ppo": tuple(PPO), "bc": tuple(SMALL)},
        explain=True,
        runs=str(tmp_path / "runs"),
    )
    results = rlformer.compare(study, out=tmp_path / "report", jobs=2).results
    arms = {arm["label"]: arm for arm in results["environments"][0]["explanations"]["arms"]}
    assert arms["random"]["reason"] == "it looks at nothing"
    for label in ("bc", "ppo"):
        assert arms[label]["seeds"] == [0], arms[label]["reason"]
        assert arms[label]["own"]["episodes"] >= 30
    counts = [(arms[label]["log"]["episodes"], arms[label]["log"]["steps"]) for label in ("bc", "ppo")]
    assert counts[0] == counts[1]  # the same log
    for path in (tmp_path / "runs").rglob("explain"):
        assert set(parts.read(path).made) == set(PARTS)
