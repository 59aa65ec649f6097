"""CPU seconds behind a log: of its maker's learning, by the share of its steps; no identity of a run hangs on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlformer import api
from rlformer.agents.cards import resolve
from rlformer.core import files
from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import DatasetInfo, from_episodes
from rlformer.data.describe import log_input
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import LogInput
from rlformer.studies import experiment

ENV = env_cards.environment("CartPole-v1")
QUICKLY = Protocol(episodes=2, curve_episodes=0, target_episodes=0, other_episodes=0, num_envs=2)
PPO = ("steps=512", "num_envs=2", "n_steps=128", "batch_size=64", "n_epochs=1", "hidden=[8]")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    made = experiment.train(resolve(ENV, "ppo", PPO, keeps_log=True), 0, tmp_path_factory.mktemp("r"), protocol=QUICKLY)
    record = files.read_json(made.path / "record.json")  # as if it had taken long
    record["times"] |= {"cpu": 130.0, "learning_cpu": 100.0, "evaluation_cpu": 30.0}
    files.write_json(made.path / "record.json", record)
    return made


@pytest.mark.slow
def test_a_training_log_costs_its_share_of_the_makers_learning(run: RunDirectory, tmp_path: Path) -> None:
    whole = load(run.trajectories)
    assert log_input(whole).upstream_cpu_seconds == 100.0
    half = whole.prefix(256)
    assert log_input(half).upstream_cpu_seconds == pytest.approx(100.0 * (half.upstream_env_steps or 0) / 512)
    spec = resolve(ENV, "bc", ["gradient_steps=3", "validate_every=3", "width=8"], (log_input(half),))
    learned = experiment.train(spec, 0, tmp_path, dataset=half, protocol=QUICKLY)
    assert learned.record.cost.upstream_cpu_seconds == log_input(half).upstream_cpu_seconds
    assert learned.spec.log == log_input(half)
    assert run.record.cost.upstream_cpu_seconds == 0.0  # it learned from no log


@pytest.mark.slow
def test_a_collected_log_costs_its_makers_learning_and_the_playing(run: RunDirectory, tmp_path: Path) -> None:
    played = log_input(api.collect(str(run.path), episodes=5, out=tmp_path / "played")).upstream_cpu_seconds
    random = log_input(api.collect("random", env="CartPole-v1", episodes=5, out=tmp_path / "random"))
    assert random.upstream_cpu_seconds is not None
    assert played is not None
    assert 100.0 < played < 110.0
    assert 0.0 < random.upstream_cpu_seconds < 10.0


def test_of_a_log_of_unknown_origin_nothing_is_known() -> None:
    episode = Episode(np.zeros((3, 4), np.float32), np.zeros(2, np.int64), np.ones(2), True, False)
    info = DatasetInfo("CartPole-v1", Spaces.plain((4,), ActionSpec("discrete", (2,))), upstream_env_steps=9)
    assert log_input(from_episodes(info, [episode])).upstream_cpu_seconds is None


def test_no_identity_hangs_on_seconds() -> None:
    given = LogInput("abc", num_steps=7, upstream_cpu_seconds=5.0)
    slower = replace(given, upstream_cpu_seconds=50.0)
    one, other = (resolve(ENV, "bc", inputs=(each,)) for each in (given, slower))
    assert (one.hash, one) == (other.hash, other)
    assert type(one).from_dict(one.to_dict()).log == given
    assert type(one).from_dict(one.to_dict()).log.cost.upstream_cpu_seconds == 5.0  # type: ignore[union-attr]
