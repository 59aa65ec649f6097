"""One loop plays every policy: a seed decides an episode, whatever else is played beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs import endings
from rlformer.envs.rollout import EpsilonPolicy, RandomPolicy, rollout
from rlformer.envs.vector import Environments


class Count(gym.Env[Any, Any]):
    """Counts its steps up to a random length, where it ends or is cut off; pays the action it receives."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,))  # seed of the episode, steps taken, steps in all
    action_space: spaces.Space[Any] = spaces.Box(-1, 1, (1,))

    def __init__(self, longest: int = 9, broken: str = "") -> None:
        self.longest, self.broken = longest, broken

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.time, self.length = 0, int(self.np_random.integers(1, self.longest + 1))
        self.kept = np.zeros(1), np.zeros(1)
        return self._observation(), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        assert self.time < self.length, "stepped after its end"
        assert action in self.action_space
        np.testing.assert_array_equal(*self.kept)  # what it was given last time is its own
        self.kept = action, action.copy()
        self.time += 1
        over = self.time == self.length
        return (
            self._observation(),
            np.inf if self.broken == "reward" and self.time == 2 else float(action[0]),
            over and self.length % 2 == 0,
            over and self.length % 2 == 1,
            {},
        )

    def _observation(self) -> Array:
        strange = {"first": self.time == 0, "observation": self.time == 2}.get(self.broken, False)
        return np.array([self.np_random_seed, np.nan if strange else self.time, self.length], np.float32)


class Proportional:
    """An unclipped action made of the observation, a draw from the episode's stream and the last reward."""

    def __init__(self) -> None:
        self.begun: list[tuple[list[int], list[int], list[float] | None]] = []
        self._streams: dict[int, np.random.Generator] = {}
        self._last = np.zeros(64)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        targets = None if target_returns is None else target_returns.tolist()
        self.begun.append((slots.tolist(), seeds.tolist(), targets))
        self._last[slots] = 0.0
        for slot, seed in zip(slots, seeds, strict=True):
            self._streams[slot] = np.random.default_rng(seed)

    def act(self, observations: Array) -> Array:
        noise = np.array([self._streams[i].normal() if i in self._streams else 0.0 for i in range(len(observations))])
        self._size = len(observations)
        return (0.3 * observations[:, 1] + noise + self._last[: self._size]).astype(np.float32)[:, None]

    def observe(self, actions: Array, rewards: Array) -> None:
        assert len(actions) == len(rewards) == self._size
        self._last[: self._size] = rewards


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register("Count-v0", Count)
    yield
    del gym.registry["Count-v0"]


def play(
    seeds: list[int], num_envs: int, policy: Policy | None = None, *, longest: int = 9, broken: str = "", **options: Any
) -> dict[int, Episode]:
    environments = Environments(EnvSpec("count", "Count-v0", {"longest": longest, "broken": broken}), num_envs)
    try:
        return dict(rollout(environments, policy or Proportional(), np.array(seeds), **options))
    finally:
        environments.close()


SEEDS = [11, 3, 8, 1000, 5, 42, 7]


def test_one_episode_for_each_seed() -> None:
    episodes = play(SEEDS, 3)
    assert sorted(episodes) == list(range(len(SEEDS)))
    for i, episode in episodes.items():
        length = len(episode)
        assert episode.seed == SEEDS[i]
        expected = [[SEEDS[i], time, length] for time in range(length + 1)]  # the final observation included
        np.testing.assert_array_equal(episode.observations, expected)
        assert (episode.terminated, episode.truncated) == (length % 2 == 0, length % 2 == 1)
        assert episode.actions.shape == (length, 1)
        assert episode.rewards.shape == (length,)


@pytest.mark.parametrize("num_envs", [1, 2, 5, 7, 16])
def test_how_many_run_side_by_side_changes_nothing(num_envs: int) -> None:
    """16: more slots than seeds."""
    for i, episode in play(SEEDS, num_envs).items():
        alone = play([SEEDS[i]], 1)[0]
        np.testing.assert_array_equal(episode.observations, alone.observations)
        np.testing.assert_array_equal(episode.actions, alone.actions)
        np.testing.assert_array_equal(episode.rewards, alone.rewards)


def test_no_seeds_no_episodes() -> None:
    assert play([], 4) == {}


def test_actions_are_stored_as_executed() -> None:
    """The policy asks for more than the bounds allow; Count pays what it received."""
    episodes = play(list(range(30)), 4).values()
    actions = np.concatenate([episode.actions[:, 0] for episode in episodes])
    assert np.abs(actions).max() == 1.0
    assert (np.abs(actions) < 1.0).any()
    for episode in episodes:
        np.testing.assert_array_equal(episode.rewards, episode.actions[:, 0].astype(np.float64))


def test_episodes_are_yielded_as_they_end_and_kept_apart() -> None:
    """What was yielded is the caller's: later episodes in the same slot do not overwrite it."""
    kept = [(i, episode, episode.observations.copy()) for i, episode in play(SEEDS, 2).items()]
    assert [i for i, *_ in kept] != sorted(i for i, *_ in kept), "lengths differ, so that the order does"
    for _, episode, copy in kept:
        np.testing.assert_array_equal(episode.observations, copy)


@pytest.mark.slow
def test_long_episodes_outgrow_the_buffers() -> None:
    episodes = play(SEEDS, 3, longest=1500)
    assert max(len(episode) for episode in episodes.values()) > 600
    for i, episode in episodes.items():
        np.testing.assert_array_equal(episode.observations[:, 1], np.arange(len(episode) + 1))
        np.testing.assert_array_equal(episode.actions, play([SEEDS[i]], 1, longest=1500)[0].actions)


def test_observations_can_be_left_out() -> None:
    whole, without = play(SEEDS, 3), play(SEEDS, 3, keep_observations=False)
    for i in whole:
        assert len(without[i].observations) == 0
        np.testing.assert_array_equal(without[i].rewards, whole[i].rewards)


def test_every_episode_begins_with_its_seed_and_target() -> None:
    policy = Proportional()
    play(SEEDS, 2, policy, target_returns=np.arange(7.0))
    begun = [
        (seed, target) for _, seeds, targets in policy.begun for seed, target in zip(seeds, targets or (), strict=True)
    ]
    assert begun == list(zip(SEEDS, range(7), strict=True))


def test_a_policy_is_asked_for_nothing_where_there_is_no_target() -> None:
    policy = Proportional()
    play(SEEDS, 2, policy)
    assert [targets for _, _, targets in policy.begun] == [None] * len(policy.begun)


# -- environments that go wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("keep_observations", [True, False])
@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("first", "the first observation has NaN or infinity in it"),
        ("observation", "step 1: the observation has NaN or infinity in it"),
        ("reward", "step 1: the reward is inf"),
    ],
)
def test_what_is_not_finite_is_told_where_it_is(broken: str, what: str, keep_observations: bool) -> None:
    """It goes wrong at the second step of every episode; steps count from 0, as rows of a log do."""
    with pytest.raises(InputError) as error:
        play([8], 2, broken=broken, keep_observations=keep_observations)
    assert str(error.value) == f"environment 'count', episode of seed 8: {what}"


class Diverged(Proportional):
    """A policy whose parameters became NaN."""

    def act(self, observations: Array) -> Array:
        return np.full_like(super().act(observations), np.nan)


def test_a_policy_that_diverged_is_not_the_environments_fault() -> None:
    environments = Environments(EnvSpec("pendulum", "Pendulum-v1"), 1)
    with pytest.raises(InputError, match="seed 3: step 0: the policy's action has NaN or infinity in it"):
        dict(rollout(environments, Diverged(), np.array([3])))


def test_an_episode_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends at the most steps is not, nor are those that other slots play after it."""
    lengths = {seed: len(play([seed], 1, longest=600)[0]) for seed in SEEDS}
    longest = max(lengths, key=lengths.__getitem__)
    assert lengths[longest] > 256
    monkeypatch.setattr(endings, "_UNLIMITED", lengths[longest])
    assert len(play([longest, *SEEDS], 2, longest=600)) == 1 + len(SEEDS)
    monkeypatch.setattr(endings, "_UNLIMITED", lengths[longest] - 1)
    with pytest.raises(InputError, match=rf"seed {longest}: no end within {lengths[longest] - 1} steps: .*time_limit"):
        play(SEEDS, 3, longest=600)


def test_where_no_episode_ends_that_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing cuts Count off; a time limit, however long, does, and then everybody waits for it."""
    monkeypatch.setattr(endings, "AT_FIRST", 50)
    monkeypatch.setattr(endings, "_TOGETHER", 200)
    rooms = {1: 200, 2: 200, 4: 200, 8: 400}  # environments side by side, and the steps of all of them together
    for num, steps in rooms.items():
        with pytest.raises(
            InputError, match=rf"environment 'count': no episode ended after {steps} steps: give a time"
        ):
            play([2**20] * num, num, longest=10**9)
    spec = EnvSpec("count", "Count-v0", {"longest": 10**9}, ({"kind": "time_limit", "steps": 300},))
    environments = Environments(spec, 2)
    assert environments.time_limit == 300
    lengths = [len(episode) for _, episode in rollout(environments, RandomPolicy(environments.actions), np.arange(2))]
    assert lengths == [300, 300]


@pytest.mark.parametrize(
    ("limit", "num", "ended", "steps"),
    [
        (None, 1, False, 100_000),
        (None, 64, False, 10_000),
        (None, 64, True, 100_000),
        (500, 64, False, 1_000_000),
        (3_000_000, 1, False, 3_000_000),
    ],
)
def test_how_long_an_episode_may_go_on(limit: int | None, num: int, ended: bool, steps: int) -> None:
    assert endings.most_steps(limit, num, ended) == steps


# -- policies that need no learning ------------------------------------------------------------------


class Zero:
    """Always the first action of three."""

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None: ...
    def act(self, observations: Array) -> Array:
        return np.zeros(len(observations), np.int64)

    def observe(self, actions: Array, rewards: Array) -> None: ...


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_is_the_rate_of_uniform_actions(epsilon: float) -> None:
    policy = EpsilonPolicy(Zero(), ActionSpec("discrete", (3,)), epsilon)
    policy.begin(np.arange(50), np.arange(50), None)
    actions = np.stack([policy.act(np.zeros((50, 1))) for _ in range(400)])
    rates = np.bincount(actions.ravel(), minlength=3) / actions.size
    np.testing.assert_allclose(rates, [1 - epsilon * 2 / 3, epsilon / 3, epsilon / 3], atol=0.01)


def test_epsilon_draws_from_the_episodes_own_stream() -> None:
    spec = ActionSpec("discrete", (3,))
    together, alone = EpsilonPolicy(Zero(), spec, 0.5), EpsilonPolicy(Zero(), spec, 0.5)
    together.begin(np.arange(3), np.array([4, 5, 6]), None)
    alone.begin(np.array([0]), np.array([5]), None)
    side_by_side = [together.act(np.zeros((3, 1)))[1] for _ in range(50)]
    assert side_by_side == [alone.act(np.zeros((1, 1)))[0] for _ in range(50)]
    assert len(set(side_by_side)) == 3


@pytest.mark.parametrize(
    "spec",
    [
        ActionSpec("discrete", (3,)),
        ActionSpec("multidiscrete", (2, 3)),
        ActionSpec("multibinary", (2, 2, 2)),
        ActionSpec("box", (), (-1.0, 0.0), (1.0, np.inf)),
    ],
    ids=lambda spec: spec.kind,
)
def test_random_actions_lie_in_their_space_and_repeat_by_seed(spec: ActionSpec) -> None:
    def draw() -> Array:
        policy = RandomPolicy(spec)
        policy.begin(np.arange(4), np.array([1, 2, 1, 3]), None)
        return np.stack([policy.act(np.zeros((4, 1))) for _ in range(100)])  # (100, 4, *act)

    actions = draw()
    assert actions.shape == (100, 4, *spec.shape)
    assert actions.dtype == spec.dtype
    assert spec.contains(actions.reshape(400, *spec.shape)).all()
    np.testing.assert_array_equal(actions, draw())
    np.testing.assert_array_equal(actions[:, 0], actions[:, 2])  # the same seed
    assert not np.array_equal(actions[:, 0], actions[:, 1])
