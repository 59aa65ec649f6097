"""Every space that Gymnasium can describe: whatever is observed has its form, whatever is done lies inside."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from rlformer.core.spaces import Array
from rlformer.data.loaders.base import canonical_actions
from rlformer.envs.observed import taking
from rlformer.envs.spaces import CanonicalObservations, action_space, action_spec, observation_spec, translation

quick = settings(max_examples=60, derandomize=True, deadline=None)
SHAPES = st.sampled_from([(), (1,), (3,), (2, 2), (1, 3)])
REALS = st.sampled_from([np.float16, np.float32, np.float64])
INTEGERS = st.sampled_from([np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64])
STARTS = st.integers(-5, 5)


@st.composite
def real_boxes(draw: st.DrawFn) -> spaces.Box:
    """Bounds of every size, some of them infinite, some without a float32 of their own."""
    shape, dtype = draw(SHAPES), draw(REALS)
    low, width = draw(st.sampled_from([-0.1, 0.0, -2.0, 1e3, -1e4])), draw(st.sampled_from([0.3, 1.0, 7.0, 5e4]))
    size = int(np.prod(shape))
    least = np.where(draw(st.lists(st.booleans(), min_size=size, max_size=size)), -np.inf, low).reshape(shape)
    most = np.where(draw(st.lists(st.booleans(), min_size=size, max_size=size)), np.inf, low + width).reshape(shape)
    return spaces.Box(least.astype(dtype), most.astype(dtype), dtype=dtype)


@st.composite
def integer_boxes(draw: st.DrawFn) -> spaces.Box:
    dtype = draw(INTEGERS)
    info = np.iinfo(dtype)
    low = draw(st.sampled_from([0, max(int(info.min), -2), int(info.min)]))
    high = draw(st.sampled_from([3, 100, int(info.max)]))
    return spaces.Box(low, high, draw(SHAPES), dtype)


CATEGORIES = st.one_of(
    st.builds(lambda n, start: spaces.Discrete(n, start=start), st.integers(1, 6), STARTS),
    st.builds(
        lambda sizes, start: spaces.MultiDiscrete(sizes, start=[start] * len(sizes)),
        st.lists(st.integers(1, 5), min_size=1, max_size=4),
        STARTS,
    ),
    st.sampled_from([spaces.MultiDiscrete([[2, 3], [4, 2]]), spaces.MultiDiscrete([2, 3], dtype=np.int8)]),
    st.sampled_from([spaces.MultiBinary(3), spaces.MultiBinary((2, 2))]),
)
FLAT = st.one_of(real_boxes(), integer_boxes(), CATEGORIES)
ACTIONS = FLAT
NESTED = st.recursive(
    FLAT,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3).map(spaces.Dict),
        st.lists(inner, min_size=1, max_size=3).map(spaces.Tuple),
    ),
    max_leaves=5,
).filter(lambda space: not _has_image(space))


def _has_image(space: spaces.Space[Any]) -> bool:
    if isinstance(space, spaces.Dict):
        return any(map(_has_image, space.spaces.values()))
    if isinstance(space, spaces.Tuple):
        return any(map(_has_image, space.spaces))
    return isinstance(space, spaces.Box) and len(space.shape) == 2 and space.dtype == np.uint8


class Show(gym.Env[Any, Any]):
    """Shows samples of a space."""

    action_space = spaces.Discrete(2)

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space = space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}


def same(a: Any, b: Any) -> bool:
    """Whether two observations of one space are equal."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(np.array_equal(a, b))


@quick
@given(NESTED, st.integers(0, 1000))
def test_every_observation_has_the_declared_shape_and_dtype(space: spaces.Space[Any], seed: int) -> None:
    spec, shown = observation_spec(space), CanonicalObservations(Show(space))
    observation, _ = shown.reset(seed=seed)
    assert observation.shape == (spec.size,) == shown.observation_space.shape
    assert observation.dtype == spec.dtype == shown.observation_space.dtype
    space.seed(seed)
    np.testing.assert_array_equal(observation, np.asarray(spaces.flatten(space, space.sample()), spec.dtype))
    for part, at in spec.slices.items():
        kind = next(own.kind for own in spec.parts if own.name == part)
        assert kind != "category" or observation[at].sum() == 1  # one-hot


@quick
@given(NESTED, st.integers(0, 1000))
def test_what_is_checked_is_a_copy_and_nothing_else(space: spaces.Space[Any], seed: int) -> None:
    space.seed(seed)
    sample = space.sample()
    taken = taking(space)(sample)
    assert same(taken, sample)
    assert space.contains(taken)
    if isinstance(sample, np.ndarray):
        assert not np.shares_memory(taken, sample)


@quick
@given(ACTIONS, st.integers(0, 1000))
def test_every_canonical_action_is_executed_inside_the_space_and_logged_as_executed(
    space: spaces.Space[Any], seed: int
) -> None:
    """Drawn at random, and far outside: what the environment gets is contained, and encodes to what the log holds."""
    spec, translate = action_spec(space), translation(space)
    rng = np.random.default_rng(seed)
    wanted = spec.sample(rng, 20)
    if spec.kind == "box":
        wild = rng.normal(0.0, 3.0, wanted.shape) * np.array([1e-3, 1.0, 1e6, 1e30])[rng.integers(0, 4, wanted.shape)]
        wanted = np.concatenate([wanted, wild.astype(np.float32)])
    logged = spec.clip(wanted).astype(spec.dtype)
    assert spec.contains(logged).all()
    for action in logged:
        executed = translate(action)
        assert space.contains(executed), (action, executed)
        np.testing.assert_array_equal(canonical_actions(space, np.asarray(executed)[None])[0], action)
        again = spec.clip(action)
        np.testing.assert_array_equal(again, action)


@quick
@given(ACTIONS, st.integers(0, 1000))
def test_random_actions_lie_in_the_canonical_space(space: spaces.Space[Any], seed: int) -> None:
    spec = action_spec(space)
    drawn = spec.sample(np.random.default_rng(seed), 30)
    assert drawn.shape == (30, *spec.shape)
    assert drawn.dtype == spec.dtype
    assert spec.contains(drawn).all()
    canonical = action_space(spec)
    assert all(canonical.contains(action) for action in drawn)


def shares(values: Array) -> dict[float, float]:
    levels, counts = np.unique(values, return_counts=True)
    return dict(zip(levels.tolist(), (counts / len(values)).tolist(), strict=True))


def test_every_integer_has_the_same_chance_both_ends_among_them() -> None:
    spec = action_spec(spaces.Box(-2, 2, (1,), np.int64))
    found = shares(spec.sample(np.random.default_rng(0), 20_000)[:, 0])
    assert found.keys() == {-2.0, -1.0, 0.0, 1.0, 2.0}
    np.testing.assert_allclose(list(found.values()), 0.2, atol=0.02)


def test_what_explores_the_canonical_space_reaches_every_integer_alike() -> None:
    """As stable-baselines3 draws its first actions: uniform over the canonical box, rounded where they are executed."""
    spec = action_spec(spaces.Box(-2, 2, (1,), np.int64))
    canonical = action_space(spec)
    canonical.seed(0)
    found = shares(np.array([spec.clip(canonical.sample()) for _ in range(5_000)])[:, 0])
    assert found.keys() == {-2.0, -1.0, 0.0, 1.0, 2.0}
    np.testing.assert_allclose(list(found.values()), 0.2, atol=0.03)


def test_random_actions_are_distributed_as_gymnasiums_own() -> None:
    """Bounded, bounded below, bounded above, and free."""
    low, high = np.array([-1, 2, -np.inf, -np.inf]), np.array([3, np.inf, 1, np.inf])
    space = spaces.Box(low.astype(np.float32), high.astype(np.float32))
    space.seed(0)
    own = np.array([space.sample() for _ in range(4_000)])
    ours = action_spec(space).sample(np.random.default_rng(0), 4_000)
    quantiles = [0.1, 0.25, 0.5, 0.75, 0.9]
    np.testing.assert_allclose(np.quantile(ours, quantiles, axis=0), np.quantile(own, quantiles, axis=0), atol=0.15)


def test_a_bounded_box_of_float32_draws_as_ever() -> None:
    spec = action_spec(spaces.Box(-2, 2, (3,), np.float32))
    expected = np.random.default_rng(3).uniform([-2.0] * 3, [2.0] * 3, (7, 3)).astype(np.float32)
    np.testing.assert_array_equal(spec.sample(np.random.default_rng(3), 7), expected)
