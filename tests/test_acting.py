"""A model acts step by step as it was trained on whole windows, however many environments run side by side."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.training.parameters import FlatParameters
from rlformer.agents.sequence.trajectory import Architecture, TrajectoryModel
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, Window
from rlformer.core.spaces import Array
from rlformer.envs.make import make
from rlformer.envs.spaces import action_spec
from rlformer.evaluator.measure.evaluation import evaluate
from tests.make_sequences import MODELS, OBSERVATION_SIZE, SPACES, model

CARTPOLE = EnvSpec("CartPole-v1", "CartPole-v1", wrappers=({"kind": "time_limit", "steps": 40},))
PENDULUM = EnvSpec("Pendulum-v1", "Pendulum-v1", wrappers=({"kind": "time_limit", "steps": 15},))


class History:
    """One slot's running episode, as plain lists."""

    def __init__(self, asked: float) -> None:
        self.owed = asked
        self.observations: list[Array] = []
        self.actions: list[Array] = []
        self.returns_to_go: list[float] = []

    def window(self, context_length: int, no_action: Array) -> tuple[Window, int]:
        """The last steps with nothing behind them, and which of them is the current one."""
        now = len(self.observations)
        steps = range(max(0, now - context_length), now)
        actions = [*self.actions, no_action]  # the current one is not known yet
        window = Window(
            torch.from_numpy(np.stack([self.observations[t] for t in steps]))[None],
            torch.from_numpy(np.stack([actions[t] for t in steps]))[None],
            torch.tensor([[self.returns_to_go[t] for t in steps]], dtype=torch.float32),
            torch.tensor([list(steps)]),
            torch.ones(1, len(steps), dtype=torch.bool),
        )
        return window, len(steps) - 1


@pytest.mark.parametrize("num_envs", [1, 3, 8, 16])
@pytest.mark.parametrize("name", MODELS)
def test_acting_step_by_step_is_the_teacher_forced_forward_pass(name: str, num_envs: int) -> None:
    """Random episodes in every slot, which end at different times and begin again while others go on."""
    spec = SPACES["box"]
    built = model(spec, **MODELS[name])
    policy, rng = SequencePolicy(built), np.random.default_rng(num_envs)
    seen = 14 if built.architecture.streams else built.architecture.context_length  # a banded one goes on for ever
    histories = [History(0.0) for _ in range(num_envs)]
    fresh = np.arange(num_envs)
    for _ in range(14):
        if len(fresh):
            asked = rng.normal(0, 5, len(fresh))
            policy.begin(fresh, fresh, asked)
            for slot, target in zip(fresh.tolist(), asked.tolist(), strict=True):
                histories[slot] = History(target)
        observations = rng.standard_normal((num_envs, OBSERVATION_SIZE)).astype(np.float32)
        actions = policy.act(observations)
        for slot, history in enumerate(histories):
            history.observations.append(observations[slot])
            history.returns_to_go.append(history.owed)
            window, last = history.window(seen, np.zeros(spec.shape, np.float32))
            with torch.no_grad():
                expected = built.codec.greedy(built(window)[0, last])
            np.testing.assert_allclose(actions[slot], expected, atol=1e-5, rtol=1e-5)
        executed, rewards = spec.sample(rng, num_envs), rng.standard_normal(num_envs)  # not what was chosen
        policy.observe(executed, rewards)
        for slot, history in enumerate(histories):
            history.actions.append(executed[slot])
            history.owed -= rewards[slot]
        fresh = np.flatnonzero(rng.random(num_envs) < 0.2)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("sample", [False, True])
def test_actions_lie_in_the_space_and_have_its_type(space: str, sample: bool) -> None:
    spec = SPACES[space]
    policy = SequencePolicy(model(spec, context_length=3), sample=sample)
    actions = policy.act(np.random.default_rng(0).standard_normal((5, OBSERVATION_SIZE)))
    assert actions.shape == (5, *spec.shape)
    assert actions.dtype == spec.dtype
    assert spec.contains(actions).all()


def play(policy: Policy, observations: Array) -> Array:
    """One step that pays 1 everywhere; its actions."""
    actions = policy.act(observations)
    policy.observe(actions, np.ones(len(actions)))
    return actions


def for_environment(env: EnvSpec, name: str) -> TrajectoryModel:
    """A random model that reads the environment's observations."""
    probe = make(env)
    shape, spec = probe.observation_space.shape, action_spec(probe.action_space)
    probe.close()
    torch.manual_seed(0)
    architecture = Architecture(shape[0], spec, **{"width": 16, "layers": 2, "heads": 2, **MODELS[name]})
    built = TrajectoryModel(architecture)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


@pytest.mark.parametrize("env", [CARTPOLE, PENDULUM], ids=lambda env: env.name)
@pytest.mark.parametrize("sample", [False, True], ids=["greedy", "sampled"])
@pytest.mark.parametrize("name", [n for n in MODELS if "return" in n])
def test_returns_do_not_depend_on_how_many_environments_run(name: str, sample: bool, env: EnvSpec) -> None:
    built, seeds = for_environment(env, name), np.arange(100, 116)
    results = [
        evaluate(SequencePolicy(built, 20.0, sample), env, seeds, name=name, num_envs=count)
        for count in (1, 3, 8, 11, 16)
    ]
    assert len(set(results[0].returns.tolist())) > 1  # the episodes differ
    for other in results[1:]:
        np.testing.assert_array_equal(other.returns, results[0].returns)
        np.testing.assert_array_equal(other.lengths, results[0].lengths)


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
    observations = np.random.default_rng(0).standard_normal((24, 9, OBSERVATION_SIZE)).astype(np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        alone, together = [
            [play(policy, rows[:count])[0] for rows in observations]
            for count, policy in ((1, SequencePolicy(built, 1.0)), (9, SequencePolicy(built, 1.0)))
        ]
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(alone, together)


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


def test_sampled_episodes_follow_their_seeds_and_not_their_slots() -> None:
    built = for_environment(CARTPOLE, "transformer-return-step")
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
