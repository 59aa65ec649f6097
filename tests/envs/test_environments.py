"""Any supported Gymnasium space in canonical form; the others refused in one line; the wrappers of cards."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from rlformer.core.errors import InputError, MissingExtra
from rlformer.core.records import EnvSpec
from rlformer.envs import unknown
from rlformer.envs.make import make, spaces_of
from rlformer.envs.vector import Environments
from rlformer.envs.wrappers import WRAPPERS

TWO = spaces.Discrete(2)
IMAGE, GREY = spaces.Box(0, 255, (8, 8, 3), np.uint8), spaces.Box(0, 255, (8, 8), np.uint8)


class Echo(gym.Env[Any, Any]):
    """Shows random observations, keeps the action it received last, and pays a random number each step."""

    def __init__(self, observation: spaces.Space[Any] = TWO, action: spaces.Space[Any] = TWO) -> None:
        self.observation_space, self.action_space = observation, action
        self.received: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space, f"{action!r} is not in {self.action_space}"
        self.received = action
        return self.observation_space.sample(), float(self.np_random.normal()), False, False, {}


class NeedsBox2D(gym.Env[Any, Any]):
    """An environment whose library is absent."""

    def __init__(self) -> None:
        raise gym.error.DependencyNotInstalled("Box2D is not installed, run `pip install swig box2d`")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register("Echo-v0", Echo)
    gym.register("NeedsBox2D-v0", NeedsBox2D)
    yield
    del gym.registry["Echo-v0"], gym.registry["NeedsBox2D-v0"]


def echo(**options: Any) -> EnvSpec:
    wrappers = options.pop("wrappers", ())
    return EnvSpec("echo", "Echo-v0", options, wrappers)


# -- observations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "size", "dtype"),
    [
        (spaces.Discrete(3), 3, "uint8"),  # one-hot
        (spaces.Discrete(3, start=-1), 3, "uint8"),
        (spaces.MultiDiscrete([2, 3]), 5, "uint8"),
        (spaces.MultiBinary((2, 2)), 4, "uint8"),
        (spaces.Box(-1, 1, (), np.float32), 1, "float32"),
        (spaces.Box(-1, 1, (4,), np.float64), 4, "float64"),
        (spaces.Box(-1, 1, (4,), np.float16), 4, "float16"),
        (spaces.Box(-np.inf, np.inf, (4,), np.float32), 4, "float32"),
        (spaces.Box(0, 200, (2, 3), np.int16), 6, "int16"),
        (spaces.Box(0, 200, (2,), np.uint8), 2, "uint8"),
        (spaces.Box(0, 1, (2,), np.bool_), 2, "uint8"),
        (spaces.Dict(b=spaces.Discrete(3), a=spaces.Box(0, 1, (2,))), 5, "float32"),
        (spaces.Dict(b=spaces.Discrete(3), a=spaces.Box(0, 9, (2,), np.uint8)), 5, "uint8"),
        (spaces.Dict(b=spaces.Box(0, 1, (2,), np.float64), a=spaces.Box(0, 9, (2,), np.uint8)), 4, "float64"),
        (spaces.Tuple([spaces.Discrete(2), spaces.Dict(x=spaces.MultiBinary(2))]), 4, "uint8"),
    ],
    ids=str,
)
def test_observations_are_flat_vectors_in_their_own_dtype(space: spaces.Space[Any], size: int, dtype: str) -> None:
    """From the environment to what `Environments` hands on, each equal to Gymnasium's own flattening."""
    spec = echo(observation=space)
    env, many = make(spec), Environments(spec, 2)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.shape == observation.shape == (size,)
    assert env.observation_space.dtype == observation.dtype == np.dtype(dtype)
    assert observation in env.observation_space
    assert env.step(0)[0].dtype == np.dtype(dtype)
    first = many.reset(np.array([1]), np.array([0]))
    assert many.spaces == spaces_of(spec)
    assert (first.dtype, first.shape) == (np.dtype(dtype), (1, size))
    assert many.step(np.array([1]), np.array([0]))[0].dtype == np.dtype(dtype)
    space.seed(0)
    np.testing.assert_array_equal(first[0], spaces.flatten(space, space.sample()))


@pytest.mark.parametrize(
    ("space", "parts"),
    [
        (spaces.Box(-1, 1, (2, 3)), [("observation", "vector", (6,), "float32")]),
        (spaces.Discrete(3), [("observation", "category", (3,), "uint8")]),
        (spaces.MultiDiscrete([2, 3]), [("0", "category", (2,), "uint8"), ("1", "category", (3,), "uint8")]),
        (
            spaces.Dict({"b": spaces.MultiBinary(2), "a": spaces.Box(0, 1, (1,), np.float64)}),  # by name
            [("a", "vector", (1,), "float64"), ("b", "vector", (2,), "uint8")],
        ),
        (
            spaces.Dict(b=spaces.Discrete(2), a=spaces.Dict(y=spaces.Box(0, 9, (2,), np.uint8))),  # as given
            [("b", "category", (2,), "uint8"), ("a.y", "vector", (2,), "uint8")],
        ),
        (
            spaces.Tuple([spaces.Discrete(2), spaces.Dict(x=spaces.MultiDiscrete([2, 2]))]),
            [(name, "category", (2,), "uint8") for name in ("0", "1.x.0", "1.x.1")],
        ),
    ],
    ids=str,
)  # fmt: skip
def test_parts_have_names_and_stand_in_gymnasiums_order(
    space: spaces.Space[Any], parts: list[tuple[str, str, tuple[int, ...], str]]
) -> None:
    found = spaces_of(echo(observation=space)).observation.parts
    assert [(part.name, part.kind, part.shape, part.dtype) for part in found] == parts
    assert all((part.peak, part.frames) == (1.0, 1) for part in found)


def test_a_category_is_seen_one_hot() -> None:
    env = make(echo(observation=spaces.Discrete(3, start=5)))
    seen = np.array([env.reset(seed=seed)[0] for seed in range(20)])
    expected = [spaces.Discrete(3, start=5, seed=seed).sample() - 5 for seed in range(20)]
    np.testing.assert_array_equal(seen, np.eye(3)[expected])
    assert len(set(expected)) == 3


@pytest.mark.parametrize(
    ("space", "named"),
    [
        (spaces.Box(-1, 1, (8, 8, 3)), "image observations (8, 8, 3) float32 from -1 to 1"),
        (spaces.Box(0, 255, (8, 8, 3), np.float32), "real numbers of an image must be from 0 to 1"),
        (spaces.Box(0, 1000, (8, 8, 3), np.int64), "whole numbers of an image must be from 0 to 255"),
        (spaces.Dict(camera=spaces.Box(-1, 1, (8, 8, 3)), speed=spaces.Box(0, 1, (1,))), "from -1 to 1"),
        (spaces.Dict(camera=IMAGE, mission=spaces.Text(5)), "Text observations are not supported: 'mission'"),
        (spaces.Text(5), "Text"),
        (spaces.Tuple([TWO, spaces.Text(5)]), "Text"),
        (spaces.Graph(spaces.Box(0, 1, (2,)), TWO), "Graph"),
        (spaces.Dict(trace=spaces.Sequence(TWO)), "Sequence"),
        (spaces.Dict({}), "without any numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_other_observations_are_refused_in_one_line(space: spaces.Space[Any], named: str) -> None:
    with pytest.raises(InputError) as error:
        make(echo(observation=space))
    assert named in str(error.value)
    assert "environment 'echo'" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_that_looks_like_an_image_is_flattened_where_a_card_says_so() -> None:
    with pytest.raises(InputError, match='kind = "flatten"'):
        make(echo(observation=spaces.Box(-1, 1, (8, 8, 3))))
    assert make(echo(observation=GREY)).observation_space.shape == (1, 8, 8)
    assert make(echo(observation=GREY, wrappers=({"kind": "flatten"},))).observation_space.shape == (64,)


# -- actions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "canonical", "action", "received"),
    [
        (TWO, TWO, 1, 1),
        (spaces.Discrete(3, start=5), spaces.Discrete(3), 2, 7),
        (spaces.MultiDiscrete([2, 3]), spaces.MultiDiscrete([2, 3]), [1, 2], [1, 2]),
        (spaces.MultiDiscrete([2, 3], start=[1, 5]), spaces.MultiDiscrete([2, 3]), [1, 2], [2, 7]),
        (spaces.MultiDiscrete([[2], [3]]), spaces.MultiDiscrete([2, 3]), [0, 2], [[0], [2]]),
        (spaces.MultiBinary(3), spaces.MultiBinary(3), [1, 0, 1], [1, 0, 1]),
        (spaces.MultiBinary((2, 2)), spaces.MultiBinary(4), [1, 0, 1, 1], [[1, 0], [1, 1]]),
        (spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (2,)), [0.5, -1.0], [0.5, -1.0]),
        (spaces.Box(-1, 1, (1, 2), np.float64), spaces.Box(-1, 1, (2,)), [0.5, -1.0], [[0.5, -1.0]]),
        (spaces.Box(-1, 1, ()), spaces.Box(-1, 1, (1,)), [0.5], 0.5),
        (spaces.Box(-0.1, 0.1, (2,), np.float64), spaces.Box(-0.1, 0.1, (2,)), [0.1, -5.0], [0.1, -0.1]),
        (spaces.Box(-2, 2, (3,), np.int64), spaces.Box(-2.5, 2.5, (3,)), [1.6, 2.5, -9.0], [2, 2, -2]),
        (spaces.Box(0, 1, (2,), np.bool_), spaces.Box(-0.5, 1.5, (2,)), [0.7, 0.2], [True, False]),
        (spaces.Box(0, 255, (1,), np.uint8), spaces.Box(-0.5, 255.5, (1,)), [-1.0], [0]),
    ],
    ids=str,
)  # fmt: skip
def test_actions_are_translated_back(
    space: spaces.Space[Any], canonical: spaces.Space[Any], action: Any, received: Any
) -> None:
    """Echo itself checks that what it receives lies in its space."""
    env = make(echo(action=space))
    assert env.action_space == canonical
    env.reset(seed=0)
    env.step(np.asarray(action, canonical.dtype) if canonical.shape else action)
    np.testing.assert_array_equal(env.unwrapped.received, received)  # type: ignore[attr-defined]
    assert np.shape(env.unwrapped.received) == space.shape  # type: ignore[attr-defined]


@pytest.mark.parametrize("space", [spaces.Tuple([TWO, TWO]), spaces.Dict(a=TWO), spaces.Text(3)], ids=str)
def test_other_actions_are_refused_in_one_line(space: spaces.Space[Any]) -> None:
    with pytest.raises(InputError, match=r"^environment 'echo': action space \w+ is not supported; valid: .*Box$"):
        make(echo(action=space))


# -- finding it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CartPol-v1", "unknown environment 'CartPol-v1'; did you mean 'CartPole-v1'?"),
        ("cartpole-v1", "unknown environment 'cartpole-v1'; did you mean 'CartPole-v1'?"),
        ("CartPole", "unknown environment 'CartPole'; did you mean 'CartPole-v1'?"),
        ("json:CartPole", "unknown environment 'json:CartPole'; did you mean 'json:CartPole-v1'?"),
        ("no_such:Env-v0", "environment 'no_such:Env-v0': no module 'no_such' here or installed"),
        ("json.no_such:Env-v0", "environment 'json.no_such:Env-v0': no module 'json.no_such' here or installed"),
        (":X-v0", "environment ':X-v0': '' is not a module name; such an id is module:Name-v0"),
        ("..:X-v0", "environment '..:X-v0': '..' is not a module name; such an id is module:Name-v0"),
        ("a:b:X-v0", "environment 'a:b:X-v0': 'a:b' is not a module name; such an id is module:Name-v0"),
    ],
)  # fmt: skip
def test_an_unknown_environment(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        make(EnvSpec(name, name))
    assert str(error.value) == message


def test_where_nothing_is_near_the_cards_are_listed_and_not_all_of_gymnasium() -> None:
    with pytest.raises(
        InputError, match=r"'zzz'; valid: ALE/Breakout-v5, .*Acrobot-v1, .*KeyDoor, .*, or any Gymnasium id$"
    ) as error:
        make(EnvSpec("zzz", "zzz"))
    assert "FrozenLake8x8-v1" not in str(error.value)


MODULE = """
import gymnasium as gym
{extra}
gym.register("Mine-v0", lambda size=2: gym.make("CartPole-v1").unwrapped)
"""


@pytest.fixture
def own_module(workspace: Path) -> Iterator[str]:
    """The name of a module that the current folder may hold; whatever importing it left behind goes again."""
    path = sys.path.copy()
    yield "my_environments"
    sys.path[:] = path
    sys.modules.pop("my_environments", None)
    gym.registry.pop("Mine-v0", None)


def test_a_module_in_the_current_folder(workspace: Path, own_module: str) -> None:
    (workspace / f"{own_module}.py").write_text(MODULE.format(extra=""))
    assert make(EnvSpec("mine", f"{own_module}:Mine-v0")).observation_space.shape == (4,)


def test_a_module_whose_import_is_missing(workspace: Path, own_module: str) -> None:
    (workspace / f"{own_module}.py").write_text(MODULE.format(extra="import no_such_simulator"))
    with pytest.raises(InputError, match=f"module '{own_module}' needs 'no_such_simulator', not installed"):
        make(EnvSpec("mine", f"{own_module}:Mine-v0"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [("def (", "SyntaxError: .*line 3"), ("1 / 0", "ZeroDivisionError"), ("raise SystemExit(3)", "SystemExit: 3")],
)
def test_a_module_that_cannot_be_imported(workspace: Path, own_module: str, line: str, reason: str) -> None:
    (workspace / f"{own_module}.py").write_text(MODULE.format(extra=line))
    with pytest.raises(InputError, match=rf"^environment '.*': importing {own_module}: {reason}.*$"):
        make(EnvSpec("mine", f"{own_module}:Mine-v0"))


def test_the_current_folder_comes_behind_every_library(workspace: Path, own_module: str) -> None:
    """A file here that is called as a library, which some module imports later, does not take its place."""
    before = sys.path.copy()
    for known in ("json:CartPole-v1", "rlformer:rlformer/KeyDoor-v0"):
        make(EnvSpec("known", known))
    assert sys.path == before
    (workspace / f"{own_module}.py").write_text(MODULE.format(extra=""))
    make(EnvSpec("mine", f"{own_module}:Mine-v0"))
    assert sys.path == [*before, str(workspace)]


def test_wrong_keywords(workspace: Path, own_module: str) -> None:
    (workspace / f"{own_module}.py").write_text(MODULE.format(extra=""))
    with pytest.raises(InputError, match=r"environment 'mine' with keywords \{'sise': 3\}: .*'sise'"):
        make(EnvSpec("mine", f"{own_module}:Mine-v0", {"sise": 3}))


def test_a_missing_library_names_the_extra_that_brings_it() -> None:
    with pytest.raises(MissingExtra, match=r"^lander needs the extra 'box2d': pip install 'rlformer\[box2d\]'$"):
        make(EnvSpec("lander", "NeedsBox2D-v0", extra="box2d"))
    with pytest.raises(InputError, match=r"^environment 'lander': Box2D is not installed, run .*$"):
        make(EnvSpec("lander", "NeedsBox2D-v0"))


# -- many side by side -------------------------------------------------------------------------------


def test_slots_are_reset_and_stepped_apart() -> None:
    """Only the slots named are touched, and a seed gives the same episode in every slot."""
    many, one = Environments(EnvSpec("c", "CartPole-v1"), 3), make(EnvSpec("c", "CartPole-v1"))
    first = many.reset(np.array([2, 0]), np.array([7, 8]))
    np.testing.assert_array_equal(first, [one.reset(seed=8)[0], one.reset(seed=7)[0]][::-1])
    observation, reward, *_ = one.step(1)  # the episode of seed 7
    for slot in (2, 0):
        many.reset(np.array([slot]), np.array([7]))
        stepped = many.step(np.array([slot]), np.array([1]))
        np.testing.assert_array_equal(stepped[0], [observation])
        assert [column.tolist() for column in stepped[1:]] == [[reward], [False], [False]]
    many.close()


# -- wrappers ----------------------------------------------------------------------------------------

VECTOR = spaces.Box(-1, 1, (3,))
TABLES: dict[str, dict[str, Any]] = {
    "observation_noise": {"kind": "observation_noise", "std": 0.5},
    "delayed_reward": {"kind": "delayed_reward"},
    "distractors": {"kind": "distractors", "count": 4},
    "time_limit": {"kind": "time_limit", "steps": 5},
    "sticky_action": {"kind": "sticky_action", "repeat_action_probability": 0.25},
    "time_feature": {"kind": "time_feature", "steps": 4},
    "scaled_observation": {"kind": "scaled_observation", "factor": 10.0},
}
OF_ACTIONS = {"action_bounds"}


def episode(env: gym.Env[Any, Any], seed: int | None, actions: list[Any]) -> tuple[np.ndarray, list[float]]:
    """Observations (T+1, D) and rewards of one episode, until it ends or the actions run out."""
    observations, rewards = [env.reset(seed=seed)[0]], []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(observation)
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return np.array(observations), rewards


@pytest.mark.parametrize("kind", TABLES)
def test_a_seed_repeats_the_episode(kind: str) -> None:
    env = make(echo(observation=VECTOR, wrappers=(TABLES[kind],)))
    first, other, again = (episode(env, seed, [0, 1, 1, 0]) for seed in (7, 8, 7))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("kind", ["observation_noise", "distractors"])
def test_what_the_environment_draws_stays_what_it_was(kind: str) -> None:
    """The noise has a stream of its own: with and without it the same seeds are the same episodes."""
    bare, wrapped = make(echo(observation=VECTOR)), make(echo(observation=VECTOR, wrappers=(TABLES[kind],)))
    assert episode(bare, 3, [0, 1, 1, 0])[1] == episode(wrapped, 3, [0, 1, 1, 0])[1]


@pytest.mark.parametrize("kind", TABLES)
def test_unseeded_episodes_go_on_with_their_streams(kind: str) -> None:
    env = make(echo(observation=VECTOR, wrappers=(TABLES[kind],)))
    runs = [[episode(env, seed, [0, 1])[0] for seed in (5, None)] for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0][0], runs[0][1])


def test_a_scaled_observation_is_so_many_times_as_large_and_so_are_its_bounds() -> None:
    bare, scaled = (
        make(echo(observation=VECTOR)),
        make(echo(observation=VECTOR, wrappers=(TABLES["scaled_observation"],))),
    )
    first, other = (episode(env, 3, [0, 1, 1, 0])[0] for env in (bare, scaled))
    np.testing.assert_allclose(other, 10 * first, rtol=1e-6)
    assert (scaled.observation_space.high == 10 * bare.observation_space.high).all()


def test_every_wrapper_has_a_test_here() -> None:
    elsewhere = {"atari", "frame_stack", "minigrid"}  # in test_atari and test_minigrid
    assert {*TABLES, *OF_ACTIONS, "flatten", *elsewhere} == set(WRAPPERS)


@pytest.mark.parametrize(("own", "noisy"), [(np.float32, np.float32), (np.float64, np.float64), (np.uint8, np.float32)])
def test_noise_and_distractors_make_floating_point_numbers(own: Any, noisy: Any) -> None:
    for kind in ("observation_noise", "distractors"):
        env = make(echo(observation=spaces.Box(0, 100, (3,), own), wrappers=(TABLES[kind],)))
        assert env.reset(seed=0)[0].dtype == env.observation_space.dtype == noisy


def test_observation_noise() -> None:
    wrapped = make(echo(observation=VECTOR, wrappers=(TABLES["observation_noise"],)))
    actions = [0] * 2000
    noise = episode(wrapped, 0, actions)[0] - episode(make(echo(observation=VECTOR)), 0, actions)[0]
    assert noise.shape == (2001, 3)
    assert noise.mean() == pytest.approx(0.0, abs=0.03)
    assert noise.std() == pytest.approx(0.5, abs=0.02)


def test_delayed_reward_pays_the_sum_at_the_end() -> None:
    limit = TABLES["time_limit"]
    _, usual = episode(make(echo(observation=VECTOR, wrappers=(limit,))), 0, [0] * 9)
    _, delayed = episode(make(echo(observation=VECTOR, wrappers=(limit, TABLES["delayed_reward"]))), 0, [0] * 9)
    assert len(usual) == 5
    assert delayed == [0.0, 0.0, 0.0, 0.0, pytest.approx(sum(usual))]


def test_delayed_reward_keeps_nothing_for_the_next_episode() -> None:
    env = make(echo(observation=VECTOR, wrappers=(TABLES["time_limit"], TABLES["delayed_reward"])))
    expected = episode(env, 1, [0] * 5)
    episode(env, 2, [0] * 3)  # left before its end
    assert episode(env, 1, [0] * 5)[1] == expected[1]


def test_a_time_limit_outside_would_keep_the_reward_back() -> None:
    with pytest.raises(InputError, match="'time_limit' must come before 'delayed_reward'"):
        make(echo(observation=VECTOR, wrappers=(TABLES["delayed_reward"], TABLES["time_limit"])))


BOUNDS = {"kind": "action_bounds", "low": -0.5, "high": 2.5}


@pytest.mark.parametrize(
    ("space", "low", "high", "executed"),
    [
        (spaces.Box(-np.inf, np.inf, (2,)), -0.5, 2.5, [2.5, -0.5]),
        (spaces.Box(-1e6, 1.0, (2,), np.float64), -0.5, 1.0, [1.0, -0.5]),
        (spaces.Box(-100, 100, (1, 2), np.int32), 0.0, 2.0, [[2, 0]]),
    ],
    ids=str,
)
def test_action_bounds_narrow_a_box(space: spaces.Box, low: float, high: float, executed: list[Any]) -> None:
    spec = echo(action=space, wrappers=(BOUNDS,))
    env, actions = make(spec), spaces_of(spec).actions
    assert (actions.low, actions.high) == ((low, low), (high, high))
    env.reset(seed=0)
    env.step(actions.clip(np.array([7.0, -7.0], np.float32)))
    assert env.unwrapped.received.tolist() == executed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("space", "reason"), [(TWO, "needs a Box of actions"), (spaces.Box(3, 4, (1,)), "is between -0.5 and 2.5")]
)
def test_what_action_bounds_cannot_narrow(space: spaces.Space[Any], reason: str) -> None:
    with pytest.raises(InputError, match=f"wrapper 'action_bounds'.*{reason}"):
        make(echo(action=space, wrappers=(BOUNDS,)))


def test_time_limit_truncates() -> None:
    env = make(echo(observation=VECTOR, wrappers=(TABLES["time_limit"],)))
    for _ in range(2):
        env.reset(seed=0)
        ends = [env.step(0)[2:4] for _ in range(5)]
        assert ends == [(False, False)] * 4 + [(False, True)]


@pytest.mark.parametrize(("registered", "steps", "length"), [(3, 5, 5), (5, 3, 3), (None, 4, 4)])
def test_a_cards_time_limit_holds_whatever_limit_the_environment_is_registered_with(
    registered: int | None, steps: int, length: int
) -> None:
    gym.register("Limited-v0", Echo, max_episode_steps=registered)
    try:
        env = make(EnvSpec("L", "Limited-v0", {"observation": VECTOR}, ({"kind": "time_limit", "steps": steps},)))
        assert len(episode(env, 0, [0] * 9)[1]) == length
        assert env.spec is not None
        assert env.spec.max_episode_steps == length  # where a log without ends is cut
    finally:
        del gym.registry["Limited-v0"]


def test_time_feature_is_the_share_of_an_episode_that_is_left() -> None:
    env = make(echo(observation=VECTOR, wrappers=(TABLES["time_feature"],)))
    for _ in range(2):
        observations, _ = episode(env, 0, [0] * 4)
        assert observations[:, 3].tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
        assert all(observation in env.observation_space for observation in observations)
    for space in (spaces.Discrete(3), spaces.Box(0, 9, (3,), np.uint8)):
        with pytest.raises(InputError, match="'time_feature' needs a vector of floating-point numbers"):
            make(echo(observation=space, wrappers=(TABLES["time_feature"],)))


@pytest.mark.parametrize(
    ("space", "actions", "copies"),
    [
        (spaces.Discrete(3), [2, 0], [[0, 0, 0], [0, 0, 1], [1, 0, 0]]),
        (spaces.Discrete(3, start=5), [2, 0], [[0, 0, 0], [0, 0, 1], [1, 0, 0]]),
        (
            spaces.MultiDiscrete([2, 3], start=[4, 1]),
            [[1, 0], [0, 2]],
            [[0, 0, 0, 0, 0], [0, 1, 1, 0, 0], [1, 0, 0, 0, 1]],
        ),
        (spaces.MultiBinary(2), [[1, 0], [1, 1]], [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 1]]),
        (spaces.Box(2, 4, (1, 2)), [[2.5, 3.0], [4.0, 2.0]], [[0, 0], [2.5, 3.0], [4.0, 2.0]]),
    ],
    ids=str,
)
def test_distractors(space: spaces.Space[Any], actions: list[Any], copies: list[list[float]]) -> None:
    """Behind the observation stand random signs, then the last action: one-hot, or the numbers of a Box."""
    options = {"observation": VECTOR, "action": space}
    env = make(echo(**options, wrappers=(TABLES["distractors"],)))
    taken = [np.asarray(a, env.action_space.dtype) if env.action_space.shape else a for a in actions]
    observations, _ = episode(env, 4, taken)
    np.testing.assert_array_equal(observations[:, :3], episode(make(echo(**options)), 4, taken)[0])
    np.testing.assert_array_equal(np.abs(observations[:, 3:7]), 1.0)
    np.testing.assert_array_equal(observations[:, 7:], copies)
    assert all(observation in env.observation_space for observation in observations)


def test_distractors_are_fair_coins_and_independent() -> None:
    env = make(echo(observation=VECTOR, wrappers=(TABLES["distractors"],)))
    coins = np.concatenate([episode(env, seed, [0] * 9)[0][:, 3:7] for seed in range(200)])  # (2000, 4)
    np.testing.assert_allclose(coins.T @ coins / len(coins), np.eye(4), atol=0.08)
    np.testing.assert_allclose(coins.mean(axis=0), 0.0, atol=0.08)


@pytest.mark.parametrize("kind", ["distractors", "observation_noise"])
@pytest.mark.parametrize("space", [TWO, spaces.Box(-1, 1, (2, 2)), spaces.Dict(a=TWO)], ids=str)
def test_wrappers_of_vectors_refuse_anything_else(kind: str, space: spaces.Space[Any]) -> None:
    with pytest.raises(InputError, match=f"wrapper '{kind}' needs a vector observation.*flatten"):
        make(echo(observation=space, wrappers=(TABLES[kind],)))
    flat = make(echo(observation=space, wrappers=({"kind": "flatten"}, TABLES[kind])))
    assert flat.reset(seed=0)[0] in flat.observation_space


@pytest.mark.parametrize("action", [spaces.Discrete(3, start=1), spaces.Box(-1, 1, (2,))], ids=str)
def test_distractors_pass_gymnasiums_check(action: spaces.Space[Any]) -> None:
    env = WRAPPERS["distractors"].wrap(Echo(VECTOR, action), count=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # It asks for unwrapped environments, and for a spec that only registered ones have.
        warnings.filterwarnings("ignore", message=".*different from the unwrapped version.*")
        warnings.filterwarnings("ignore", message=".*due to the environment not having a spec.*")
        check_env(env)


def test_the_copied_action_is_the_one_executed() -> None:
    """Real actions are clipped into the bounds, as `rollout` does before it executes them."""
    env = make(EnvSpec("p", "Pendulum-v1", wrappers=(TABLES["distractors"],)))
    env.reset(seed=0)
    observation = env.step(np.array([5.0], np.float32))[0]
    assert observation[-1] == 2.0
    assert observation in env.observation_space


def test_ids_of_a_module_are_told_whoever_imported_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(gym.Env[Any, Any]):
        pass

    gym.register("Zebra-v0", Own)
    try:
        monkeypatch.setattr(unknown, "_BEFORE", frozenset(gym.registry))  # as if imported before rlformer was
        error = unknown.unknown_environment(f"{__name__}:Qqqqq-v0", [], gym.registry)
        assert "Zebra-v0" in str(error)
    finally:
        gym.registry.pop("Zebra-v0")
