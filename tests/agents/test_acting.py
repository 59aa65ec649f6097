"""Models as policies. That acting is the forward pass, of every backbone, is in contracts/test_backbones.py."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.training.parameters import FlatParameters
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.envs.make import spaces_of
from rlformer.evaluator.measure.evaluation import evaluate
from tests.support.make_sequences import MODELS, OBSERVATION_SIZE, SPACES, model

CARTPOLE = EnvSpec("CartPole-v1", "CartPole-v1", wrappers=({"kind": "time_limit", "steps": 40},))


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("sample", [False, True])
def test_actions_lie_in_the_space_and_have_its_type(space: str, sample: bool) -> None:
    spec = SPACES[space]
    policy = SequencePolicy(model(spec, context_length=3), sample=sample)
    actions = policy.act(np.random.default_rng(0).standard_normal((5, OBSERVATION_SIZE)))
    assert actions.shape == (5, *spec.shape)
    assert actions.dtype == spec.dtype
    assert spec.contains(actions).all()


def test_observations_that_would_be_cut_to_integers_are_refused() -> None:
    built = TrajectoryModel(Architecture(ObservationSpec.vector(3, "uint8"), SPACES["discrete"], context_length=2))
    policy = SequencePolicy(built)
    policy.act(np.full((2, 3), 200, np.uint8))
    with pytest.raises(InputError, match="observations are float64, the model was trained on uint8"):
        policy.act(np.full((2, 3), 0.5))


def play(policy: Policy, observations: Array) -> Array:
    """One step that pays 1 everywhere; its actions."""
    actions = policy.act(observations)
    policy.observe(actions, np.ones(len(actions)))
    return actions


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])  # the kernels of products, and so their rounding, depend on them too
@pytest.mark.parametrize(
    "values",
    [
        {"width": 64, "context_length": 10, "timestep_encoding": "window"},
        {"width": 64, "context_length": 10, "layers": 1},
        {"width": 128, "heads": 1, "context_length": 20, "layers": 3, "timestep_encoding": "episode"},
        {"width": 64, "context_length": 20, "attention_band": 10, "tokens": "step", "timestep_encoding": "none"},
    ],
    ids=["small", "one layer", "paper", "streaming"],
)
def test_nor_do_actions_at_the_sizes_that_are_used(values: dict[str, int], threads: int) -> None:
    built = model(SPACES["box-single"], **values)
    observations = np.random.default_rng(0).standard_normal((24, 20, OBSERVATION_SIZE)).astype(np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        alone, some, many = [
            np.stack([play(policy, rows[:count])[0] for rows in observations])
            for count, policy in ((count, SequencePolicy(built, 1.0)) for count in (1, 9, 20))
        ]
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(some, alone)
    np.testing.assert_array_equal(many, alone)


def test_weights_may_change_and_move_while_a_policy_acts_with_them() -> None:
    built = model(SPACES["box"], context_length=4, tokens="step")
    observations = np.random.default_rng(0).standard_normal((6, 3, OBSERVATION_SIZE)).astype(np.float32)

    def begun(policy: SequencePolicy) -> SequencePolicy:
        for rows in observations[:-1]:
            policy.act(rows)
            policy.observe(np.zeros((3, 2), np.float32), np.ones(3))
        return policy

    policy = begun(SequencePolicy(built, 1.0))
    copied = copy.deepcopy(policy)
    for acting in (policy, copied):
        before = acting.act(observations[-1])
        FlatParameters(acting.model).values.mul_(0.5)  # puts them into one vector, as a training does
        after = acting.act(observations[-1])
        np.testing.assert_array_equal(after, begun(SequencePolicy(acting.model, 1.0)).act(observations[-1]))
        assert not np.array_equal(after, before)


def test_other_episodes_follow_their_seeds_and_not_their_slots() -> None:
    spaces = spaces_of(CARTPOLE)
    torch.manual_seed(0)
    known = {"width": 16, "layers": 2, "heads": 2, **MODELS["transformer-return-step"]}
    built = TrajectoryModel(Architecture(spaces.observation, spaces.actions, **known))
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    seeds = np.array([3, 5, 5, 3])
    result = evaluate(SequencePolicy(built, 20.0, sample=True), CARTPOLE, seeds, name="dt", num_envs=4)
    assert result.returns[0] == result.returns[3]
    assert result.returns[1] == result.returns[2]


def test_long_episodes_keep_drawing_fresh_numbers() -> None:
    built = model(SPACES["discrete"], conditioning="none", context_length=1)
    for parameter in built.parameters():
        torch.nn.init.zeros_(parameter)  # uniform over the three actions
    policy = SequencePolicy(built, sample=True)
    policy.begin(np.arange(2), np.array([1, 2]), None)
    played = []
    for _ in range(600):
        played.append(policy.act(np.zeros((2, OBSERVATION_SIZE))))
        policy.observe(played[-1], np.zeros(2))
    first, second = np.stack(played).T
    assert np.bincount(first) / 600 == pytest.approx(1 / 3, abs=0.07)
    assert (first[:300] != first[300:]).any()
    assert (first != second).any()


def test_a_policy_acts_without_an_episode_being_begun() -> None:
    built = model(SPACES["discrete"], context_length=3)
    observations = np.random.default_rng(0).standard_normal((20, OBSERVATION_SIZE))
    expected, by_default = SequencePolicy(built), SequencePolicy(built, target_return=2.5)
    expected.begin(np.arange(20), np.arange(20), np.full(20, 2.5))
    np.testing.assert_array_equal(by_default.act(observations[:3]), expected.act(observations)[:3])
    np.testing.assert_array_equal(by_default.act(observations), expected.act(observations))  # more slots on demand
    other = SequencePolicy(built, target_return=-40.0).act(observations)
    assert (other != by_default.act(observations)).any()


def test_slots_that_come_later_leave_the_others_as_they_are() -> None:
    built, rng = model(SPACES["box"], context_length=3), np.random.default_rng(0)
    few, many = SequencePolicy(built, 1.0), SequencePolicy(built, 1.0)
    few.begin(np.arange(2), np.arange(2), None)
    many.begin(np.arange(20), np.arange(20), None)

    for _ in range(4):
        observations = rng.standard_normal((20, OBSERVATION_SIZE)).astype(np.float32)
        play(few, observations[:2])
        play(many, observations)
    few.begin(np.arange(2, 20), np.arange(2, 20), None)
    many.begin(np.arange(2, 20), np.arange(2, 20), None)
    np.testing.assert_array_equal(few.act(observations), many.act(observations))


def test_the_target_given_at_the_beginning_overrides_the_policys_own() -> None:
    built = model(SPACES["box"], context_length=3)
    observations = np.ones((2, OBSERVATION_SIZE))
    policy = SequencePolicy(built, target_return=1.0)
    policy.begin(np.arange(2), np.arange(2), None)
    own = policy.act(observations)
    policy.begin(np.arange(2), np.arange(2), np.array([1.0, 9.0]))
    given = policy.act(observations)
    np.testing.assert_array_equal(given[0], own[0])
    assert np.abs(given[1] - own[1]).max() > 1e-3
