"""Collecting: the same episodes whatever runs side by side, whatever interrupted it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.core import seeding
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.spaces import ActionSpec, Array
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards
from rlformer.envs.rollout import RandomPolicy, rollout
from rlformer.envs.vector import Environments

CARTPOLE = env_cards.environment("CartPole-v1")
LEFT_OR_RIGHT = ActionSpec("discrete", nvec=(2,))


class Leaning:
    """Pushes to where the pole leans: episodes of 40 to 60 steps, without a random stream."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        self.begun += seeds.tolist()

    def act(self, observations: Array) -> Array:
        return (observations[:, 2] > 0).astype(np.int64)

    def observe(self, actions: Array, rewards: Array) -> None:
        pass


def random_log(path: Path, **changes: Any) -> Dataset:
    settings: dict[str, Any] = {
        "seed": 0,
        "steps": 500,
        "num_envs": 8,
        "provenance": {"policy": "random"},
        "upstream_env_steps": 0,
    }
    return collect(RandomPolicy(LEFT_OR_RIGHT), CARTPOLE, path, **settings | changes)


# Which episodes


@pytest.mark.parametrize("size", [{"episodes": 12}, {"steps": 300}])
@pytest.mark.parametrize("epsilon", [0.0, 0.4])
def test_the_number_of_environments_changes_nothing(tmp_path: Path, size: dict[str, int], epsilon: float) -> None:
    settings = {"steps": None, **size, "epsilon": epsilon}
    hashes = {random_log(tmp_path / str(n), num_envs=n, **settings).hash for n in (1, 5, 16)}
    assert len(hashes) == 1


def test_episodes_come_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    dataset = random_log(tmp_path / "log", episodes=20, steps=None)
    expected = seeding.episode_seeds(0, "collect", 20)
    assert [episode.seed for episode in dataset] == expected.tolist()
    played = dict(rollout(Environments(CARTPOLE, 1), RandomPolicy(LEFT_OR_RIGHT), expected))
    for i, episode in enumerate(dataset):
        np.testing.assert_array_equal(episode.observations, played[i].observations)
        np.testing.assert_array_equal(episode.actions, played[i].actions)


def test_steps_stop_at_the_first_whole_episode_beyond_them(tmp_path: Path) -> None:
    dataset = random_log(tmp_path / "log", steps=500, num_envs=16)
    before = dataset.num_steps - dataset.lengths[-1]
    assert before < 500 <= dataset.num_steps
    assert [e.seed for e in dataset] == seeding.episode_seeds(0, "collect", len(dataset)).tolist()


def test_short_episodes_are_not_preferred(tmp_path: Path) -> None:
    """Those kept with 64 side by side are as long as those of one after the other: they are the same ones."""
    many = random_log(tmp_path / "many", steps=200, num_envs=64)
    every = random_log(tmp_path / "every", episodes=64, steps=None)
    assert many.lengths.tolist() == every.lengths[: len(many)].tolist()


def test_hardly_an_episode_is_begun_that_is_not_needed(tmp_path: Path) -> None:
    policy = Leaning()
    dataset = collect(
        policy, CARTPOLE, tmp_path / "log", seed=0, steps=3000, num_envs=64, provenance={}, upstream_env_steps=None
    )
    assert len(dataset) > 64
    assert len(policy.begun) < 1.1 * len(dataset)


def test_few_episodes_are_begun_before_one_has_shown_how_long_they_are(tmp_path: Path) -> None:
    """Those of a game have thousands of steps each, and all that are begun are played to their end."""
    policy = Leaning()
    dataset = collect(
        policy, CARTPOLE, tmp_path / "log", seed=0, steps=90, num_envs=64, provenance={}, upstream_env_steps=None
    )
    assert len(policy.begun) <= len(dataset) + 1 <= 4


def test_another_seed_gives_other_episodes(tmp_path: Path) -> None:
    assert random_log(tmp_path / "a", seed=1).hash != random_log(tmp_path / "b", seed=2).hash


# How it is played


def test_epsilon_mixes_uniform_actions_in(tmp_path: Path) -> None:
    def share_of_own_actions(epsilon: float) -> float:
        dataset = collect(
            Leaning(),
            CARTPOLE,
            tmp_path / str(epsilon),
            seed=0,
            episodes=60,
            epsilon=epsilon,
            provenance={},
            upstream_env_steps=None,
        )
        own = [e.actions == (e.observations[:-1, 2] > 0) for e in dataset]
        return float(np.concatenate(own).mean())

    assert share_of_own_actions(0.0) == 1.0
    assert share_of_own_actions(0.5) == pytest.approx(0.75, abs=0.04)  # half of the strays agree by chance
    assert share_of_own_actions(1.0) == pytest.approx(0.5, abs=0.05)


def test_endings_are_the_environment_s(tmp_path: Path) -> None:
    """Pendulum never terminates: it is truncated after 200 steps, and what was observed last is kept."""
    pendulum = env_cards.environment("Pendulum-v1")
    torque = ActionSpec("box", low=(-2.0,), high=(2.0,))
    dataset = collect(
        RandomPolicy(torque),
        pendulum,
        tmp_path / "log",
        seed=0,
        episodes=3,
        provenance={},
        upstream_env_steps=0,
    )
    assert [(len(e), e.terminated, e.truncated) for e in dataset] == [(200, False, True)] * 3
    assert dataset[0].observations.shape == (201, 3)
    assert dataset.info.actions == torque


# What it costs, and where it comes from


@pytest.mark.parametrize(("behind", "expected"), [(1000, 1000), (0, 0), (None, None)])
def test_upstream_steps_are_the_policy_s_and_the_log_s(
    tmp_path: Path, behind: int | None, expected: int | None
) -> None:
    dataset = random_log(tmp_path / "log", upstream_env_steps=behind)
    assert dataset.upstream_env_steps == (None if expected is None else expected + dataset.num_steps)


def test_provenance_says_how_to_make_it_again(tmp_path: Path) -> None:
    info = random_log(tmp_path / "log", epsilon=0.1).info
    assert info.env == "CartPole-v1"
    assert info.env_definition == CARTPOLE.definition
    assert info.provenance == {
        "source": "collected",
        "behaviour_policy": {"policy": "random"},
        "seed": 0,
        "epsilon": 0.1,
        "steps": 500,
    }


# Going on


def test_an_interrupted_one_goes_on_without_playing_again(tmp_path: Path) -> None:
    def run(policy: Leaning, path: Path, stop: Callable[[], bool] | None = None) -> Dataset:
        return collect(
            policy,
            CARTPOLE,
            path,
            seed=0,
            episodes=30,
            num_envs=4,
            provenance={},
            upstream_env_steps=None,
            stop=stop,
        )

    ended = iter([False] * 9 + [True])
    with pytest.raises(Interrupted):
        run(Leaning(), tmp_path / "log", stop=lambda: next(ended))
    policy = Leaning()
    dataset = run(policy, tmp_path / "log")
    assert sorted(policy.begun) == seeding.episode_seeds(0, "collect", 20, start=10).tolist()
    assert dataset.hash == run(Leaning(), tmp_path / "at once").hash


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_collect import random_log
kill = lambda done, total: done > 250 and os.kill(os.getpid(), signal.SIGKILL)
random_log(Path(sys.argv[1]), progress=kill)
"""


@pytest.mark.slow
def test_a_killed_one_ends_up_the_same(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "log"), here], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(InputError, match="unfinished"):
        load(tmp_path / "log")
    assert random_log(tmp_path / "log").hash == random_log(tmp_path / "at once").hash


def test_a_finished_one_is_left_alone(tmp_path: Path) -> None:
    first = random_log(tmp_path / "log")
    made = (tmp_path / "log/dataset.json").stat().st_mtime_ns
    assert random_log(tmp_path / "log").hash == first.hash
    assert (tmp_path / "log/dataset.json").stat().st_mtime_ns == made


CHANGES = [
    ({"seed": 1}, "seed 0 not 1"),
    ({"epsilon": 0.2}, "epsilon 0.0 not 0.2"),
    ({"steps": 400}, "steps 500 not 400"),
    ({"provenance": {"policy": "ppo"}}, "behaviour_policy .*random.* not .*ppo"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_and_named(
    tmp_path: Path, change: dict[str, Any], message: str, finished: bool
) -> None:
    if finished:
        random_log(tmp_path / "log")
    else:
        with pytest.raises(Interrupted):
            random_log(tmp_path / "log", stop=lambda: True)
    with pytest.raises(InputError, match=message):
        random_log(tmp_path / "log", **change)


# Wrong input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": None}, "either a number of episodes or a number of steps"),
        ({"episodes": 3}, "either a number of episodes or a number of steps"),
        ({"steps": 0}, "0 episodes or steps to collect: must be at least one"),
        ({"steps": None, "episodes": -1}, "-1 episodes or steps to collect: must be at least one"),
        ({"num_envs": 0}, "num_envs 0: at least one environment is needed"),
        ({"epsilon": 1.5}, "between 0 and 1"),
    ],
)
def test_wrong_sizes_are_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        random_log(tmp_path / "log", **wrong)
    assert not (tmp_path / "log").exists()


def test_progress_counts_what_was_asked_for(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    random_log(tmp_path / "log", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (500, 500)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
