"""Actions that an environment forbids are taken by none of our policies, greedy or sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.online.actors import Bits, Categories, MaskedCategories, Seeing
from rlformer.agents.online.algorithms import ALGORITHMS
from rlformer.agents.online.algorithms.ppo_trxl.acting import Remembering
from rlformer.agents.online.algorithms.ppo_trxl.network import GatedTransformerXL
from rlformer.agents.online.learner import OnlineLearner
from rlformer.agents.online.policy import policy_of
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.data.folder import load as load_dataset
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.masks import obeying
from rlformer.envs.play import play
from rlformer.envs.rollout import EpsilonPolicy, RandomPolicy
from rlformer.envs.vector import Environments
from rlformer.studies import experiment, explain_runs
from rlformer.studies.diagnose.play import NativeEnvironments
from tests.support.make_sequences import model
from tests.support.make_training import Log


class Strict(gym.Env[Any, Any]):
    """Of four actions some are allowed; it ends in an error where another is taken."""

    def __init__(self, by: str = "info") -> None:
        self.observation_space, self.action_space = spaces.Box(-9.0, 9.0, (3,), np.float32), spaces.Discrete(4)
        if by == "method":
            self.action_masks = lambda: self._allowed
        self._by = by

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._left = 12
        return self._next()

    def step(self, action: Any) -> Any:
        assert self._allowed[int(action)]
        self._left -= 1
        observation, info = self._next()
        return observation, 1.0, False, self._left == 0, info

    def _next(self) -> Any:
        self._allowed = self.np_random.random(4) < 0.4
        self._allowed[self.np_random.integers(4)] = True
        info = {"action_mask": self._allowed.astype(np.int8)} if self._by == "info" else {}
        return self.np_random.normal(size=3).astype(np.float32), info


gym.register("Strict-v0", Strict)
FOUR = ActionSpec("discrete", nvec=(4,))


def of_stable_baselines(kind: Any, sample: bool) -> Policy:
    made = kind("MlpPolicy", Strict(), seed=0, **({"buffer_size": 1} if kind is DQN else {}))
    made.exploration_final_eps = 0.5
    return policy_of(ALGORITHMS[kind.__name__], made, sample)


def recurrent(sample: bool) -> Policy:
    from sb3_contrib import RecurrentPPO

    return policy_of(ALGORITHMS["RecurrentPPO"], RecurrentPPO("MlpLstmPolicy", Strict(), seed=0), sample)


POLICIES: dict[str, Callable[[bool], Policy]] = {
    "random": lambda sample: RandomPolicy(FOUR),
    "epsilon": lambda sample: EpsilonPolicy(of_stable_baselines(PPO, sample), FOUR, 0.5),
    "ppo": lambda sample: of_stable_baselines(PPO, sample),
    "dqn": lambda sample: of_stable_baselines(DQN, sample),
    "recurrent-ppo": recurrent,
    "dt": lambda sample: SequencePolicy(model(FOUR), 1.0, sample),
}


@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_takes_a_forbidden_action(name: str, sample: bool) -> None:
    for by, num_envs in (("info", 1), ("method", 3)):
        played = play(
            POLICIES[name](sample), EnvSpec("Strict", "Strict-v0", {"by": by}), np.arange(8), num_envs=num_envs
        )
        assert played.returns.tolist() == [12.0] * 8


def test_what_is_drawn_again_is_uniform_among_what_is_allowed() -> None:
    rng = np.random.default_rng(0)
    masks = np.tile([True, False, True, True, False, True], (9000, 1))
    drawn = rng.integers(0, (4, 2), (9000, 2))
    found = obeying(drawn, masks, (4, 2), dict.fromkeys(range(9000), rng))
    counts = np.bincount(found[:, 0], minlength=4)
    assert counts[1] == 0
    assert np.abs(counts[[0, 2, 3]] / 9000 - 1 / 3).max() < 0.02
    assert found[:, 1].tolist() == [1] * 9000


def test_bits_obey_each_for_itself() -> None:
    actor = Bits(torch.nn.Linear(2, 3), ActionSpec("multibinary", nvec=(2, 2, 2)))
    masks = torch.tensor([[True, False, False, True, True, True]])
    actor.allow(masks)
    for _ in range(20):
        (bits,) = actor(torch.randn(1, 2), torch.rand(1, 3)).tolist()
        assert bits[:2] == [0, 1]


class Kept(torch.nn.Module):
    """A reader that changes nothing."""

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return observations


@pytest.mark.parametrize("needs", [False, True])
def test_an_actor_before_another_one_hands_on_what_is_allowed(needs: bool) -> None:
    """Of images, and behind a Transformer that remembers."""
    inner = (MaskedCategories if needs else Categories)(torch.nn.Linear(2, 3), ActionSpec("discrete", nvec=(3,)))
    trunk = GatedTransformerXL(2, 2, 1, 1, 2)
    masks = torch.tensor([[False, True, False]] * 40)
    for actor in (Seeing(Kept(), (2,), inner), Remembering(trunk, inner)):
        assert actor.needs_masks is needs
        actor.allow(masks)
        for noise in (None, torch.rand(40, actor.draws)):
            assert set(actor(torch.randn(40, 2), noise).flatten().tolist()) == {1}


def test_a_policy_acts_freely_again_where_nobody_forbids_anything() -> None:
    """Masks of one world are not kept for the next."""
    policy = RandomPolicy(FOUR)
    play(policy, EnvSpec("Strict", "Strict-v0", {"by": "info"}), np.arange(2))
    policy.begin(np.arange(200), np.arange(200), None)
    assert set(policy.act(np.zeros((200, 3))).tolist()) == {0, 1, 2, 3}


def test_taxi_says_what_it_allows_and_random_play_wastes_no_step() -> None:
    """Each forbidden step would leave the taxi where it is."""
    taxi = env_cards.environment("Taxi-v4")
    played = play(RandomPolicy(ActionSpec("discrete", nvec=(6,))), taxi, np.arange(2), keep=True)
    for episode in played.episodes:
        states = episode.observations.reshape(len(episode.observations), -1)
        moved = (states[1:] != states[:-1]).any(axis=1)
        assert moved[episode.actions < 4].all()


def test_worlds_that_are_stepped_all_at_once_allow_everything() -> None:
    """They hold no environment of Gymnasium that could say anything."""
    bandit = env_cards.environment("Bandit")
    policy = RandomPolicy(spaces_of(bandit).actions)
    played, at_once = (
        play(policy, bandit, np.arange(8), environments=kind) for kind in (Environments, NativeEnvironments)
    )
    assert played.lengths.tolist() == at_once.lengths.tolist() == [1] * 8


def masked_task(env: EnvSpec, *overrides: str) -> Task:
    small = ("num_envs=2", "n_steps=16", "batch_size=16", "n_epochs=1", *overrides)
    return Task(env=env, dataset=None, hyperparameters=resolve(env, "maskable-ppo", small).values, seed=0)


@pytest.mark.parametrize("by", ["info", "method"])
def test_maskable_ppo_obeys_while_it_learns_and_when_it_is_loaded(by: str, tmp_path: Path) -> None:
    """The world ends in an error where a forbidden action is taken; ppo runs into it."""
    env = EnvSpec("Strict", "Strict-v0", {"by": by})
    task, learner = masked_task(env, "steps=64"), OnlineLearner()
    learner.fit(task, Log(tmp_path))
    learner.save(tmp_path / "saved")
    loaded = OnlineLearner.load(tmp_path / "saved", env, task.hyperparameters)
    for sample in (False, True):
        assert play(loaded.policy(sample), env, np.arange(4)).returns.tolist() == [12.0] * 4
    free = resolve(env, "ppo", ("num_envs=2", "n_steps=16", "batch_size=16", "n_epochs=1", "steps=64")).values
    with pytest.raises(InputError, match="AssertionError"):
        OnlineLearner().fit(replace(task, hyperparameters=free), Log(tmp_path / "ppo"))


def test_maskable_ppo_is_refused_before_training_where_nobody_says_what_is_allowed(tmp_path: Path) -> None:
    env = env_cards.environment("CartPole-v1")
    with pytest.raises(InputError, match="environment 'CartPole-v1': the policy needs the allowed actions, but"):
        OnlineLearner.check(env, masked_task(env).hyperparameters)


@pytest.mark.slow
def test_maskable_ppo_wastes_no_step_of_taxi(tmp_path: Path) -> None:
    """A forbidden step leaves the taxi where it is: its log would hold states that repeat."""
    env = env_cards.environment("Taxi-v4")
    task = replace(masked_task(env, "steps=800"), log_trajectories=tmp_path / "log")
    OnlineLearner().fit(task, Log(tmp_path))
    log = load_dataset(tmp_path / "log")
    assert len(log) > 0
    for episode in log:
        states = np.asarray(episode.observations).reshape(len(episode.observations), -1)
        assert (states[1:] != states[:-1]).any(axis=1).all()


@pytest.mark.slow
def test_a_run_that_needs_masks_is_measured_and_not_explained(tmp_path: Path) -> None:
    env = EnvSpec("Strict", "Strict-v0")
    spec = resolve(env, "maskable-ppo", ("num_envs=2", "n_steps=16", "batch_size=16", "n_epochs=1", "steps=64"))
    run = experiment.train(spec, 0, tmp_path)
    assert run.evaluations()["final"].mean == 12.0
    with pytest.raises(InputError, match="uses action masks of the environment, which explanations do not support"):
        explain_runs.open_run(run.path)
