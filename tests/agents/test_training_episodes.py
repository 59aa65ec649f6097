"""What a training records of its episodes is what its log holds of them, also after a stop and a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.online import training
from rlformer.agents.online.learner import OnlineLearner
from rlformer.core.errors import Interrupted
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards
from rlformer.runs import episodes
from tests.support.make_training import Log


def task(agent: str, log: Path | None, *overrides: str) -> Task:
    env = env_cards.environment("CartPole-v1")
    values = resolve(env, agent, overrides).values
    return Task(env=env, dataset=None, hyperparameters=values, seed=0, log_trajectories=log)


def check(run: Path, log: Path) -> int:
    """That the record and the log are the same episodes; how many there are."""
    found, dataset = episodes.read(run), load(log)
    assert found is not None
    assert found.returns.tolist() == dataset.returns.tolist()
    assert found.lengths.tolist() == dataset.lengths.tolist()
    assert found.steps.tolist() == dataset.episodes["behaviour_steps"].tolist()
    return len(dataset)


@pytest.mark.slow
def test_a_stopped_training_records_each_episode_once(tmp_path: Path) -> None:
    """ppo steps 8 environments side by side."""
    wanted, log = task("ppo", tmp_path / "log", "steps=1024", "n_epochs=1"), Log(tmp_path / "run", stop_after=100)
    with pytest.raises(Interrupted):
        OnlineLearner().fit(wanted, log)
    log.left = float("inf")
    OnlineLearner().fit(wanted, log)
    assert check(tmp_path / "run", tmp_path / "log") > 20
    assert not log.notes


@pytest.mark.slow
def test_a_killed_training_records_each_episode_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = task("ppo", tmp_path / "log", "steps=1024", "n_epochs=1")
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "_CHECKPOINT_SHARE", float("inf"))
    after_step = training.Training.after_step

    class Killed(Exception):
        pass

    def kill(self: training.Training) -> None:
        if self.model.num_timesteps > 700:
            self._episodes.flush()  # behind the checkpoint, and on the disk
            raise Killed
        after_step(self)

    monkeypatch.setattr(training.Training, "after_step", kill)
    with pytest.raises(Killed):
        OnlineLearner().fit(wanted, Log(tmp_path / "run"))
    monkeypatch.setattr(training.Training, "after_step", after_step)
    OnlineLearner().fit(wanted, Log(tmp_path / "run"))
    assert check(tmp_path / "run", tmp_path / "log") > 20


@pytest.mark.slow
def test_a_training_whose_record_was_removed_goes_on_without_one(tmp_path: Path) -> None:
    wanted, log = task("ppo", None, "steps=1024", "n_epochs=1"), Log(tmp_path, stop_after=100)
    with pytest.raises(Interrupted):
        OnlineLearner().fit(wanted, log)
    (tmp_path / episodes.NAME).unlink()
    log.left = float("inf")
    OnlineLearner().fit(wanted, log)
    assert episodes.read(tmp_path) is None
    assert log.notes == ["its training episodes are not recorded: those before the checkpoint are lost"]
