"""One run from configuration to record, and the comparison of many."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rlformer
from rlformer.agents.cards import resolve
from rlformer.agents.loading import load_policy
from rlformer.core.errors import InputError, Interrupted
from rlformer.data.dataset import Dataset, from_episodes
from rlformer.data.describe import log_input
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs import checkpoints
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.studies import experiment
from rlformer.studies.logs import dataset_env

SMALL_BC = ["gradient_steps=60", "width=16", "layers=1", "validate_every=20"]
SMALL_DT = ["gradient_steps=40", "width=16", "heads=1", "layers=1", "context_length=4", "validate_every=20"]
SMALL_PPO = ["steps=2048", "n_epochs=2"]
QUICKLY = Protocol(episodes=4, curve_episodes=2, fresh_episodes=4, target_episodes=2, other_episodes=2, num_envs=8)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """80 random episodes of CartPole."""
    folder = tmp_path_factory.mktemp("log")
    return rlformer.collect("random", env="CartPole-v1", out=folder / "data", episodes=80)


@pytest.fixture(scope="module")
def ppo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short PPO run that kept its training episodes."""
    spec = resolve(env_cards.environment("CartPole-v1"), "ppo", SMALL_PPO, keeps_log=True)
    return experiment.train(spec, 0, tmp_path_factory.mktemp("ppo"), protocol=QUICKLY).path


def train(agent: str, overrides: list[str], root: Path, log: Dataset, **options: object) -> RunDirectory:
    spec = resolve(dataset_env(log), agent, overrides, (log_input(log),))
    return experiment.train(spec, 0, root, dataset=log, protocol=QUICKLY, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_offline_run_keeps_every_cost(tmp_path: Path, log: Dataset) -> None:
    run = train("dt", SMALL_DT, tmp_path, log)
    record, results = run.record, run.evaluations()
    assert record.status == "finished"
    assert (record.cost.logged_steps, record.cost.upstream_env_steps) == (log.num_steps, log.num_steps)
    assert 0 < record.cost.samples_seen <= 40 * 64 * 4
    assert record.parameters > 0
    assert set(record.inference_seconds) == {"1", "64"}
    assert record.scales["target_return"] == log.returns.max()
    assert record.scales["rules"]["supported"] == np.sort(log.returns)[-8]  # a tenth of 80 episodes reached it
    assert len(results["final"].returns) == 4
    assert (len(results["other"].returns), results["other"].action_selection) == (2, "sampled")
    assert np.array_equal(results["other"].seeds, results["final"].seeds[:2])
    assert [len(results[name].returns) for name in ("test", "fresh")] == [2, 4]
    asked = sorted(r.target_return for name, r in results.items() if name.startswith("target-") and r.target_return)
    assert asked[-1] > log.returns.max()
    parts = [record.times[part] for part in ("environment", "evaluation", "log", "learning")]
    assert sum(parts) == pytest.approx(record.times["wall"], abs=1e-2)


def test_operations_are_counted(tmp_path: Path, log: Dataset, ppo: Path) -> None:
    for run in (train("bc", SMALL_BC, tmp_path, log), RunDirectory.open(ppo)):
        assert run.record.flops["training"] > run.record.flops["action"] > 0


def test_a_finished_run_is_left_alone(tmp_path: Path, log: Dataset) -> None:
    run = train("bc", SMALL_BC, tmp_path, log)
    before = (run.path / "record.json").read_bytes()
    assert train("bc", SMALL_BC, tmp_path, log).path == run.path
    assert (run.path / "record.json").read_bytes() == before


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_same_weights(tmp_path: Path, log: Dataset) -> None:
    whole = train("bc", SMALL_BC, tmp_path / "whole", log)
    asked = iter([False] * 30)
    with pytest.raises(Interrupted):
        train("bc", SMALL_BC, tmp_path / "halves", log, hooks=Hooks(lambda: next(asked, True)))
    run = next((tmp_path / "halves").rglob("record.json")).parent
    assert RunDirectory.open(run).record.status == "interrupted"
    again = train("bc", SMALL_BC, tmp_path / "halves", log)
    weights = "checkpoints/best/model.safetensors"
    assert (again.path / weights).read_bytes() == (whole.path / weights).read_bytes()


def test_the_behaviour_arm_is_the_log(tmp_path: Path, log: Dataset) -> None:
    run = train("behaviour", [], tmp_path, log)
    assert np.array_equal(run.evaluations()["final"].returns, log.returns)
    with pytest.raises(InputError, match="cannot act"):
        load_policy(run.path)


def test_a_log_without_its_environment_can_be_learned_from(tmp_path: Path, log: Dataset) -> None:
    lost = from_episodes(replace(log.info, env="Nowhere-v0", env_definition={}), list(log))
    run = train("bc", SMALL_BC, tmp_path, lost)
    assert run.record.status == "finished"
    assert run.evaluations() == {}
    assert "not evaluated" in run.record.notes[0]


def test_a_log_that_names_no_environment_says_how_to_name_it(tmp_path: Path, log: Dataset) -> None:
    nameless = from_episodes(replace(log.info, env=None, env_definition={}), list(log))
    run = RunDirectory.open(rlformer.train("bc", dataset=nameless, overrides=SMALL_BC, root=tmp_path))
    assert run.record.notes == ["not evaluated: the log does not name its environment; use --env ENV"]


def test_a_log_may_be_learned_from_without_making_its_environment(tmp_path: Path, log: Dataset) -> None:
    definition = {"id": "their_module:Theirs-v0"}
    theirs = from_episodes(replace(log.info, env="Theirs-v0", env_definition=definition), list(log))
    with pytest.raises(InputError, match=r"imports 'their_module': --env Theirs-v0 if you trust it, or --env none"):
        rlformer.train("bc", dataset=theirs, root=tmp_path)
    path = rlformer.train("bc", env="none", dataset=theirs, overrides=SMALL_BC, root=tmp_path)
    run = RunDirectory.open(path)
    assert (run.spec.env.name, run.evaluations()) == ("Theirs-v0", {})
    assert run.record.notes == ["not evaluated: no environment was given"]
    with pytest.raises(InputError, match="'Theirs-v0' was learned from a log without an environment; use --env"):
        rlformer.evaluate([path])
    spec, (result,) = rlformer.evaluate([path], env="CartPole-v1", episodes=3)
    assert (spec.name, len(result.returns)) == ("CartPole-v1", 3)
    with pytest.raises(InputError, match="was trained for observations"):
        rlformer.evaluate([path], env="Acrobot-v1")
    with pytest.raises(InputError, match="unknown environment 'none'"):
        rlformer.train("ppo", env="none", root=tmp_path)


def test_a_log_of_another_environment_is_refused(tmp_path: Path, log: Dataset) -> None:
    acrobot = resolve(env_cards.environment("Acrobot-v1"), "bc", inputs=(log_input(log),))
    with pytest.raises(InputError, match=r"shape \(4,\), but those of 'Acrobot-v1' have \(6,\)"):
        experiment.train(acrobot, 0, tmp_path, dataset=log)
    mountain = resolve(env_cards.environment("MountainCar-v0"), "bc")
    with pytest.raises(InputError, match="learns from a log"):
        experiment.train(mountain, 0, tmp_path)


def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path: Path, log: Dataset) -> None:
    with pytest.raises(InputError, match="3 do not divide"):
        train("dt", [*SMALL_DT, "heads=3"], tmp_path, log)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_says_why_and_what_it_cost(tmp_path: Path, log: Dataset) -> None:
    with pytest.raises(RuntimeError, match="not finite at gradient step"):
        train("bc", [*SMALL_BC, "learning_rate=1e30"], tmp_path, log)
    run = RunDirectory.open(next(tmp_path.rglob("record.json")).parent)
    assert run.record.status == "failed"
    assert "not finite at gradient step" in str(run.record.error)
    assert run.record.cost.logged_steps == log.num_steps


def test_a_training_log_can_be_cut(ppo: Path) -> None:
    whole = rlformer.open_data(ppo)
    cut = rlformer.open_data(ppo, prefix="0.5")
    assert whole.num_steps <= 2048 == whole.upstream_env_steps
    assert cut.num_episodes < whole.num_episodes
    assert cut.upstream_env_steps is not None
    assert cut.upstream_env_steps <= 1024
    assert cut.hash != whole.hash
    for wrong in ("half", "-1", "0"):
        with pytest.raises(InputError, match="prefix"):
            rlformer.open_data(ppo, prefix=wrong)


def test_policies_are_loaded_from_python(ppo: Path) -> None:
    policy = rlformer.load(ppo)
    assert policy.act(np.zeros((3, 4), np.float32)).shape == (3,)
    spec, results = rlformer.evaluate([str(ppo), "random"], env="CartPole-v1", episodes=3)
    assert spec.name == "CartPole-v1"
    assert [len(r.returns) for r in results] == [3, 3]


def test_a_dataset_in_a_folder_loads_as_it_was(log: Dataset) -> None:
    assert log.path is not None
    again = load(log.path)
    assert again.hash == log.hash
    assert np.array_equal(again.returns, log.returns)


class Killed(BaseException):
    """As if the process were gone."""


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["ppo", "dqn"])
def test_a_killed_online_run_has_the_steps_of_its_last_checkpoint_and_counts_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: str
) -> None:
    """A checkpoint before every rollout; the kill comes behind one, while the episodes since then lie in the log."""
    monkeypatch.setattr("rlformer.agents.online.training._CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("rlformer.agents.online.training._CHECKPOINT_SHARE", 1e9)
    values = {"ppo": SMALL_PPO, "dqn": ["steps=2048", "learning_starts=200", "train_freq=64"]}[agent]
    spec = resolve(env_cards.environment("CartPole-v1"), agent, values, keeps_log=True)

    def killing(done: int, total: int, note: str) -> None:
        if done >= 1100:
            raise Killed

    with pytest.raises(Killed):
        experiment.train(spec, 0, tmp_path, protocol=QUICKLY, hooks=Hooks(listener=killing))
    run = RunDirectory.of(tmp_path, spec, 0)
    _, state, warning = checkpoints.load(run.checkpoints / "last") or ({}, {}, "lost")
    assert (run.record.status, warning) == ("running", None)
    assert run.record.cost.env_steps == state["num_timesteps"] > 0
    before = run.record
    experiment.train(spec, 0, tmp_path, protocol=QUICKLY)
    record, log = run.record, load(run.trajectories)
    assert (record.status, record.cost.env_steps) == ("finished", 2048)
    assert record.times["wall"] > before.times["wall"]
    assert log.upstream_env_steps == 2048
    assert len(set(log.episodes["seed"])) == len(log)
    points = run.points()
    assert [p["seconds"] for p in points] == sorted(p["seconds"] for p in points)
    played = [p["step"] for p in points if "eval/return" in p]
    assert len(set(played)) == len(played)


def test_a_finished_run_whose_own_log_was_damaged_is_made_anew(ppo: Path, tmp_path: Path) -> None:
    """It has the name of what others learn from: whoever asks for it must find it whole."""
    root = tmp_path / "runs"
    shutil.copytree(ppo.parents[2], root)
    run = RunDirectory(root / ppo.relative_to(ppo.parents[2]))
    whole = load(run.trajectories).hash
    actions = run.trajectories / "actions.npy"
    actions.write_bytes(actions.read_bytes()[:-4])
    experiment.train(run.spec, 0, root, protocol=QUICKLY)
    assert load(run.trajectories).hash == whole
    assert any("actions.npy" in note and "put aside" in note for note in run.record.notes)


@pytest.mark.slow
def test_a_training_does_not_go_on_without_the_log_that_it_was_to_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing would never be made: the log would begin in the middle of the training, without a word."""
    monkeypatch.setattr("rlformer.agents.online.training._CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("rlformer.agents.online.training._CHECKPOINT_SHARE", 1e9)
    spec = resolve(env_cards.environment("CartPole-v1"), "dqn", ["steps=1024", "train_freq=64"], keeps_log=True)

    def killing(done: int, total: int, note: str) -> None:
        if done >= 600:
            raise Killed

    with pytest.raises(Killed):
        experiment.train(spec, 0, tmp_path, protocol=QUICKLY, hooks=Hooks(listener=killing))
    run = RunDirectory.of(tmp_path, spec, 0)
    shutil.rmtree(run.trajectories)
    with pytest.raises(InputError, match=r"trajectories: lacks episodes .*; remove .*seed-0, and run the same"):
        experiment.train(spec, 0, tmp_path, protocol=QUICKLY)
    shutil.rmtree(run.path)
    assert experiment.train(spec, 0, tmp_path, protocol=QUICKLY).finished
