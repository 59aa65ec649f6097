"""Effects are those of the deployed policy: at the states of its own episodes, at the return that it is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlformer.agents.cards import resolve
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, Window
from rlformer.core.spaces import Array
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make, spaces_of
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.explain.case import Case
from rlformer.explain.groups import RETURN, shared
from rlformer.explain.material import Material
from rlformer.explain.memory import masked
from rlformer.explain.parts import Effects, Explanation
from rlformer.explain.parts.effects import PART as EFFECTS
from rlformer.explain.states import LogStates
from rlformer.explain.subject import subject_of
from rlformer.explain.truth import with_distractors
from rlformer.studies import experiment, explain_runs
from tests.support.make_sequences import SPACES, log

CARTPOLE = env_cards.environment("CartPole-v1")
FEW = experiment.Protocol(episodes=20, curve_episodes=2, target_episodes=2, other_episodes=2)


def test_returns_to_go_in_deployment_are_the_target_minus_the_rewards_so_far() -> None:
    episodes = log(SPACES["discrete"], (5, 3))
    states = LogStates(episodes, 2, target_return=7.0).at(np.array([0, 0]), np.array([1, 2]))
    before = np.concatenate([[0.0], np.cumsum(episodes[0].rewards)])
    np.testing.assert_allclose(states.returns_to_go, 7.0 - before[[[0, 1], [1, 2]]], rtol=1e-5)


class Asked:
    """Plays by the pole's angle. What it is explained by looks at the return that is left alone: at least half of
    what was asked for, or less.
    """

    context_length, reads_returns, stochastic, networks = 1, True, True, ()

    def __init__(self, env: EnvSpec, half: float) -> None:
        self.actions, self._half = spaces_of(env).actions, half

    def scores(self, window: Window) -> torch.Tensor:
        last = window.mask.long().sum(dim=1) - 1
        left = window.returns_to_go[torch.arange(len(last)), last]
        return torch.stack([self._half - left, left - self._half], dim=1)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """It remembers nothing."""

    def act(self, observations: Array) -> Array:
        return (observations[:, 2] > 0).astype(np.int64)

    def observe(self, actions: Array, rewards: Array) -> None:
        """It counts nothing."""


def effects_of(case: Case) -> Effects:
    made: Effects = EFFECTS.make(Material(case), Explanation())
    return made


def collected(policy: Policy, env: EnvSpec, path: Path, episodes: int) -> Dataset:
    return collect(policy, env, path, seed=0, episodes=episodes, provenance={}, upstream_env_steps=0)


@pytest.mark.slow
def test_what_a_log_varies_and_deployment_does_not_has_an_effect_at_the_log_alone(tmp_path: Path) -> None:
    """On CartPole the return that is left is the target minus the time, in all episodes of a policy."""
    policy: Any = Asked(CARTPOLE, 20.0)
    logged = collected(policy, CARTPOLE, tmp_path / "log", 60)
    found = effects_of(Case(policy, {"agent": "asked"}, CARTPOLE, 40.0, log=logged))
    place = found.groups.index(RETURN)
    assert found.log is not None
    assert found.own.varies[place] == found.own.effects[place] == 0.0
    assert found.log.varies[place] > 0.9
    assert found.log.effects[place] > 0.1
    assert found.target_return == 40.0
    assert found.own.episodes >= 30
    assert found.log.episodes == 60


def test_a_policy_that_draws_its_actions_where_it_is_deployed_draws_them_when_it_is_masked() -> None:
    """The scores are even: greedily it plays one action, drawn it plays both."""
    even: Any = Asked(CARTPOLE, 0.0)
    dataset = log(even.actions, (4, 4))
    subject = subject_of(even, dataset)
    groups = shared({"all": (0, 1, 2)}, 1, subject.codec.width, False, True)
    played = []
    for sampled in (False, True):
        donors = LogStates(dataset, 1, target_return=0.0)
        policy = masked(subject, groups, donors, 0.0, np.zeros((64, 3), bool), 0, sampled)
        policy.begin(np.arange(64), np.arange(64), None)
        played.append(set(policy.act(np.zeros((64, 3), np.float32)).tolist()))
    assert played == [{0}, {0, 1}]


@pytest.mark.slow
def test_without_a_log_nothing_stands_beside_deployment(tmp_path: Path) -> None:
    policy: Any = Asked(CARTPOLE, 20.0)
    found = effects_of(Case(policy, {"agent": "asked"}, CARTPOLE, 40.0))
    assert found.log is None
    assert found.policy.episodes == found.own.episodes  # it is scored by the episodes that are there


@pytest.mark.slow
def test_a_transformer_that_opens_the_door_relies_on_the_phase_alone_and_is_torn_at_returns_of_zero(
    tmp_path: Path,
) -> None:
    """At the log's returns-to-go, most of them 0, the uniform log's actions tie: what breaks the tie is anything."""
    env = replace(env_cards.environment("KeyDoor"), kwargs={"length": 2, "choices": 4})
    env = with_distractors(env, 4)
    base: Any = make(env).unwrapped
    dataset = collected(BehaviourPolicy(base), env, tmp_path / "log", 1500)
    small = ["context_length=4", "width=32", "layers=1", "gradient_steps=1000", "patience=0"]
    small += ["learning_rate=2e-3", "dropout=0.0", "validate_every=1000"]
    spec = resolve(env, "dt", small, (log_input(dataset),))
    run = experiment.train(spec, 0, tmp_path, dataset=dataset, protocol=FEW)
    found = explain_runs.explain(explain_runs.open_run(run.path, dataset=dataset), only=["effects"]).need(Effects)
    assert found.policy.score == 1.0
    assert found.own.reliance == pytest.approx(1.0, abs=0.02)
    assert found.log is not None
    assert found.log.reliance is not None
    assert found.log.reliance < 0.7
