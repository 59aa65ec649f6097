"""A user's environment is held to Gymnasium's interface: a breach is one line, with environment, seed and step."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.agents.online.recording import Recorder, Tally
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs import endings, probe
from rlformer.envs.make import make
from rlformer.envs.play import play
from rlformer.envs.rollout import RandomPolicy
from rlformer.envs.vector import Environments

HERE = Path(__file__).name
VECTOR = spaces.Box(-10, 10, (2,), np.float32)
PLACED = spaces.Dict({"place": spaces.Box(-1, 1, (2,)), "side": spaces.Discrete(2, start=1)})
GOOD = {"place": np.zeros(2, np.float32), "side": 1}


class User(gym.Env[Any, Any]):
    """Three steps of ones; the rest of what it does is given.

    shown: the observations; later: from the second step on; step: what that makes of the five values; reset: makes the
    info; info: of the steps.
    """

    action_space: spaces.Space[Any] = spaces.Discrete(2)

    def __init__(
        self,
        observation_space: spaces.Space[Any] = VECTOR,
        shown: Any = None,
        later: Any = None,
        step: Callable[..., Any] | None = None,
        reset: Callable[..., Any] | None = None,
        info: Any = None,
    ) -> None:
        self.observation_space = observation_space
        self._first = np.zeros(2, np.float32) if shown is None else shown
        self._later = self._first if later is None else later
        self._own_step, self._own_reset, self._info = step, reset, info

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.time = 0
        return self._first, {} if self._own_reset is None else self._own_reset()

    def step(self, action: Any) -> Any:
        self.time += 1
        result = self._later if self.time > 1 else self._first, 1.0, self.time == 3, False, self._info or {}
        return result if self._own_step is None or self.time == 1 else self._own_step(*result)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register("User-v0", User)
    yield
    del gym.registry["User-v0"]


def user(**options: Any) -> EnvSpec:
    return EnvSpec("mine", "User-v0", options)


def said(spec: EnvSpec) -> str:
    """What playing one episode of seed 5 is refused with."""
    with pytest.raises(InputError) as error:
        play(RandomPolicy(make(spec).action_space and Environments(spec, 1).actions), spec, np.array([5]))
    assert "\n" not in str(error.value)
    return str(error.value)


class Bare(User):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=seed)[0]


class NoSeed(User):
    def reset(self) -> Any:
        return super().reset()


class NoSpace(gym.Env[Any, Any]):
    action_space = spaces.Discrete(2)


class Fails(User):
    def __init__(self) -> None:
        raise RuntimeError("no\nlicence")


class Needs(User):
    def __init__(self, map: str) -> None:
        super().__init__()


def acts(space: spaces.Space[Any]) -> User:
    env = User()
    env.action_space = space
    return env


def crossed() -> spaces.Box:
    """Whose second bounds were exchanged afterwards."""
    space = spaces.Box(-1, 1, (2,), np.float32)
    space.low[1], space.high[1] = 1, -1
    return space


def registered_as(kind: Callable[[], Any]) -> EnvSpec:
    gym.register("Other-v0", kind)
    return EnvSpec("mine", "Other-v0")


@pytest.fixture
def other() -> Iterator[None]:
    yield
    del gym.registry["Other-v0"]


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Bare, "episode of seed 5: reset must return (observation, info), and returned an array of shape (2,)"),
        (NoSeed, "episode of seed 5: reset takes no seed; right is def reset(self, *, seed=None, options=None) ("),
        (NoSpace, "observation_space must be one of gymnasium.spaces; it has none"),
        (Fails, "making it: RuntimeError: no licence ("),
        (
            Needs,
            "__init__() missing 1 required positional argument: 'map'; the table kwargs of its card holds its keywords",
        ),
        (lambda: User(spaces.Discrete(10**9)), "an observation of 1,000,000,000 numbers (a category counts as many"),
        (lambda: User(spaces.Box(-1, 1, (0,))), "observations without any numbers are not supported"),
        (lambda: acts(spaces.Discrete(10**9)), "1,000,000,000 actions to choose from are too many; at most 100,000"),
        (lambda: acts(spaces.Box(-1, 1, (0,))), "actions without any numbers are not supported"),
        (lambda: acts(crossed()), "action[1] has no value: its least is 1, its greatest -1"),
    ],
)
def test_an_environment_of_another_interface(kind: Callable[[], Any], words: str) -> None:
    assert words in said(registered_as(kind))


class Four(User):
    def step(self, action: Any) -> Any:
        return super().step(action)[:4]


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Bare, "episode of seed 5: reset must return (observation, info), and "),
        (Four, "step 0: step must return five values (observation, reward, terminated, truncated, info) ("),
    ],
)
def test_a_wrapper_of_its_own_does_not_hide_what_an_environment_returns(kind: type, words: str) -> None:
    assert words in said(registered_as(lambda: gym.wrappers.FlattenObservation(kind())))


@pytest.mark.parametrize(
    ("space", "shown", "words"),
    [
        (VECTOR, np.float32(0.5), "observation has shape (), where the space has (2,)"),
        (VECTOR, np.zeros(1, np.float32), "observation has shape (1,), where the space has (2,)"),
        (VECTOR, np.zeros((1, 2), np.float32), "observation has shape (1, 2), where the space has (2,)"),
        (VECTOR, ["a", "b"], "observation has dtype <U1, where the space has float32"),
        (VECTOR, [None, 1.0], "observation has dtype object, where the space has float32"),
        (spaces.Box(0, 9, (2,), np.uint8), np.array([0.5, 1]), "has dtype float64, where the space has uint8"),
        (spaces.Box(0, 9, (2,), np.uint8), np.array([-1, 1]), "has -1 in it, which uint8 does not hold"),
        (spaces.Discrete(4), -1, "observation is -1, outside of its categories 0 to 3"),
        (spaces.Discrete(4), 4, "observation is 4, outside of its categories 0 to 3"),
        (spaces.Discrete(4, start=2), np.int64(1), "observation is 1, outside of its categories 2 to 5"),
        (spaces.Discrete(4), 1.0, "observation is float64 '1.0', where the space is one whole number"),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 3]), "observation has 3 in it, outside of its categories"),
        (spaces.MultiDiscrete([2, 3]), np.array([-1, 0]), "observation has -1 in it, outside of its categories"),
        (spaces.MultiBinary(2), np.array([0, 2]), "observation has 2 in it, outside of its categories"),
        (PLACED, {"place": GOOD["place"]}, "has the keys 'place', where the space has 'place', 'side'"),
        (PLACED, {**GOOD, "more": 1}, "has the keys 'place', 'side', 'more', where the space has 'place', 'side'"),
        (PLACED, GOOD["place"], "is a ndarray, where the space is a Dict"),
        (PLACED, {**GOOD, "side": 0}, "has a part 'side' that is 0, outside of its categories 1 to 2"),
        (PLACED, {**GOOD, "place": np.zeros(3)}, "has a part 'place' that has shape (3,), where the space has (2,)"),
        (spaces.Tuple([VECTOR, VECTOR]), (np.zeros(2),), "has 1 items, where the space has 2"),
    ],
    ids=str,
)
def test_an_observation_that_is_none_of_its_space(space: spaces.Space[Any], shown: Any, words: str) -> None:
    """At reset, and at a later step: there it must not be broadcast, cut or wrapped either."""
    at_first = said(user(observation_space=space, shown=shown))
    assert at_first.startswith("environment 'mine', episode of seed 5: the first observation ")
    assert words in at_first
    space.seed(0)
    later = said(user(observation_space=space, shown=space.sample(), later=shown))
    assert later.startswith("environment 'mine', episode of seed 5: step 1: the observation ")
    assert words in later


class Mute(Exception):
    """Fails to tell itself."""

    def __str__(self) -> str:
        raise KeyError("message")


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda o, r, te, tr, i: (o, r, te, i), "step must return five values (observation, reward, terminated, "),
        (lambda o, r, te, tr, i: o, "step must return five values"),
        (lambda o, r, te, tr, i: (o, None, te, tr, i), "a reward must be one number, and is None"),
        (lambda o, r, te, tr, i: (o, "1", te, tr, i), "a reward must be one number, and is '1'"),
        (
            lambda o, r, te, tr, i: (o, np.ones(2), te, tr, i),
            "a reward must be one number, and is an array of shape (2",
        ),
        (lambda o, r, te, tr, i: (o, r, "no", tr, i), "terminated must be True or False, and is 'no'"),
        (lambda o, r, te, tr, i: (o, r, te, None, i), "truncated must be True or False, and is None"),
        (lambda o, r, te, tr, i: (o, r, 2, tr, i), "terminated must be True or False, and is 2"),
        (lambda o, r, te, tr, i: (o, te, r, tr, i), "terminated must be True or False, and is 1.0"),
        (lambda o, r, te, tr, i: (o, r, te, tr, None), "info must be a dict, and is None"),
        (lambda o, r, te, tr, i: (o, np.nan, te, tr, i), "the reward is nan"),
        (lambda o, r, te, tr, i: (o, -1e300, te, tr, i), "the reward -1e+300 is too large for float32"),
        (lambda o, r, te, tr, i: 1 / 0, f"ZeroDivisionError: division by zero (tests/envs/{HERE}:"),
        (lambda o, r, te, tr, i: exec("raise SystemExit('gone')"), "SystemExit: gone ("),
        (lambda o, r, te, tr, i: exec("raise GeneratorExit"), "GeneratorExit ("),
        (lambda o, r, te, tr, i: _raise(Mute()), "Mute: (its message fails too: KeyError) ("),
    ],
)
def test_what_a_step_may_not_return_or_raise(step: Callable[..., Any], words: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert said(user(step=step)).startswith(f"environment 'mine', episode of seed 5: step 1: {words}")


@pytest.mark.parametrize(
    "reward", [np.array([1.0]), np.array(1.0), np.float32(1), np.int64(1), 1, True, [1.0]], ids=repr
)
@pytest.mark.parametrize("flag", [False, np.bool_(False), 0, np.array([False])], ids=repr)
def test_what_is_one_number_and_one_flag_is_taken(reward: Any, flag: Any) -> None:
    env = make(user(step=lambda o, r, te, tr, i: (o, reward, flag, flag, i)))
    env.reset(seed=0)
    env.step(0)
    assert env.step(0)[1:] == (1.0, False, False, {})


def test_lists_are_observations_too() -> None:
    assert make(user(shown=[0, 1])).reset(seed=0)[0].tolist() == [0.0, 1.0]


def test_observations_are_copies() -> None:
    state = np.zeros(2, np.float32)
    env = make(user(shown=state))
    first, _ = env.reset(seed=0)
    second, *_ = env.step(0)
    state += 1
    assert first.tolist() == second.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("info", "kept"),
    [
        ({"lock": threading.Lock()}, {}),
        ({"is_success": np.array([True])}, {"is_success": True}),
        ({"success": 0.0, "other": 1}, {"is_success": False}),
        ({"is_success": None}, {}),
        ({"success": "yes"}, {}),
    ],
    ids=["a lock", "an array", "success", "unknown", "words"],
)
def test_infos_are_dropped_but_for_success(info: dict[str, Any], kept: dict[str, Any]) -> None:
    env = make(user(info=info))
    env.reset(seed=0)
    assert env.step(0)[4] == kept


def test_action_masks_reach_whoever_steps() -> None:
    mask = np.array([1, 0], np.int8)
    env = Recorder(make(user(info={"action_mask": mask}, observation_space=VECTOR)), "mine", Tally(0), keep=False)
    env.reset()
    kept = env.step(0)[4]["action_mask"]
    assert kept.tolist() == [1, 0]
    assert kept is not mask


@pytest.mark.parametrize("key", ["action_mask", "is_success"])
def test_an_info_that_makes_no_array_is_told(key: str) -> None:
    env = make(user(info={key: [[1, 0], [1]]}))
    env.reset(seed=3)
    with pytest.raises(InputError, match=r"seed 3: step 0: the (action_mask|success) in its info makes"):
        env.step(0)


def test_a_success_before_the_last_step_is_none() -> None:
    spec = user(info={"is_success": True}, step=lambda o, r, te, tr, i: (o, r, te, tr, {} if te else i))
    played = play(RandomPolicy(Environments(spec, 1).actions), spec, np.arange(2), keep=True)
    assert [episode.success for episode in played.episodes] == [None, None]


def masks_of(spec: EnvSpec) -> Any:
    environments = Environments(spec, 1)
    environments.remember_masks()
    environments.reset(np.array([0]), np.array([0]))
    environments.step(np.array([0]), np.array([0]))
    return environments.masks(np.array([0])).tolist()


def test_a_mask_that_allows_nothing_is_told() -> None:
    assert masks_of(user(info={"action_mask": [0, 1]})) == [[False, True]]
    with pytest.raises(InputError, match=r"action mask allows no action"):
        masks_of(user(info={"action_mask": [0, 0]}))


def test_what_goes_wrong_in_action_masks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(User, "action_masks", lambda self: 1 / 0, raising=False)
    with pytest.raises(InputError, match=rf"action_masks: ZeroDivisionError: .* \({HERE}:\d+\)|{HERE}"):
        masks_of(user())


def test_success_is_what_the_last_step_tells() -> None:
    spec = user(info={"is_success": False}, step=lambda o, r, te, tr, i: (o, r, te, tr, {"is_success": te}))
    played = play(RandomPolicy(Environments(spec, 1).actions), spec, np.arange(3), num_envs=2, keep=True)
    assert played.successes is not None
    assert played.successes.tolist() == [True, True, True]
    assert [episode.success for episode in played.episodes] == [True, True, True]
    silent = user()
    assert play(RandomPolicy(Environments(silent, 1).actions), silent, np.arange(3)).successes is None


def test_what_an_environment_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    class Loud(User):
        def __init__(self) -> None:
            print("constructed")
            super().__init__(reset=lambda: print("reset") or {}, step=lambda *result: print("step") or result)

        def close(self) -> None:
            print("closed")

    gym.register("Loud-v0", Loud)
    spec = EnvSpec("loud", "Loud-v0")
    play(RandomPolicy(Environments(spec, 1).actions), spec, np.arange(1))
    del gym.registry["Loud-v0"]
    out, err = capsys.readouterr()
    assert out == ""
    assert {"constructed", "reset", "step", "closed"} <= set(err.split())


def test_what_closing_raises_does_not_hide_why_it_is_closed() -> None:
    class Stuck(User):
        def close(self) -> None:
            raise OSError("port busy")

    gym.register("Stuck-v0", Stuck)
    spec = EnvSpec("stuck", "Stuck-v0", {"step": lambda *result: 1 / 0})
    with pytest.raises(InputError, match="step 1: ZeroDivisionError"):
        play(RandomPolicy(Environments(spec, 1).actions), spec, np.arange(1))
    with pytest.raises(InputError, match="environment 'stuck': close: OSError: port busy"):
        make(spec).close()
    del gym.registry["Stuck-v0"]


# -- before anything is trained ----------------------------------------------------------------------


class Chance(User):
    """Ignores its seed, at the reset or at its steps."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return self._drawn("reset"), {}

    def step(self, action: Any) -> Any:
        return (self._drawn("step"), *super().step(action)[1:])

    def _drawn(self, where: str) -> Any:
        rng = np.random.default_rng() if where == self._where else self.np_random
        return rng.normal(size=2).astype(np.float32)


def test_an_environment_that_ignores_its_seed_is_found_out() -> None:
    gym.register("Chance-v0", Chance)
    found = {where: probe.probe(EnvSpec("c", "Chance-v0", {"where": where})) for where in ("", "reset", "step")}
    assert {where: each.seed_obeyed for where, each in found.items()} == {"": True, "reset": False, "step": False}
    assert found["reset"].notes == (probe.IGNORES_SEED,)
    assert not probe.obeys_seed(EnvSpec("c", "Chance-v0", {"where": "reset"}))
    del gym.registry["Chance-v0"]


def test_a_slow_environment_is_waited_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told as endless where an episode took 10,000 steps by then; what is slower yet is left to who plays it."""
    made = []

    def step(o: Any, r: Any, te: Any, tr: Any, i: Any) -> Any:
        made.append(1)
        return o, r, False, False, i

    def clock(seconds: float) -> None:
        times = itertools.count(0.0, seconds)
        monkeypatch.setattr(probe.time, "perf_counter", lambda: next(times))

    clock(0.1)  # a step
    probe.probe(user(step=step))
    assert len(made) < 200
    for seconds in (4e-4, 1.9e-3):
        clock(seconds)
        with pytest.raises(InputError, match=r"no episode ended after 1\d,\d\d\d steps: give a time limit"):
            probe.probe(user(step=step))


def test_a_slow_environment_that_obeys_its_seed_is_not_said_to_ignore_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10_000))
    monkeypatch.setattr(probe.time, "perf_counter", lambda: 0.6 * next(calls) ** 1.5)  # slower with every step
    assert probe.obeys_seed(user(step=lambda o, r, te, tr, i: (o, r, False, te, i)), 16)


def test_a_short_episode_of_unbounded_actions_obeys_its_seed() -> None:
    class Pays(User):
        """What is done, within three steps."""

        action_space = spaces.Box(np.float32([0, -np.inf]), np.float32([np.inf, 1]))

        def step(self, action: Any) -> Any:
            observation, _, *rest = super().step(action)
            return observation, float(action[1]), *rest

    gym.register("Pays-v0", Pays)
    assert probe.probe(EnvSpec("mine", "Pays-v0")).seed_obeyed
    del gym.registry["Pays-v0"]


def test_a_machine_that_becomes_busy_is_no_ignored_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slows(User):
        clock = 0.0

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            Slows.clock += 10.0  # more than a question may take, from the second episode on
            return super().reset(seed=seed)

    gym.register("Slows-v0", Slows)
    monkeypatch.setattr(probe.time, "perf_counter", lambda: max(0.0, Slows.clock - 10.0))
    made = make(EnvSpec("mine", "Slows-v0"))
    assert probe._obeys_seed(made, 3)
    del gym.registry["Slows-v0"]


def test_observations_beyond_their_bounds_are_told_and_taken() -> None:
    found = probe.probe(user(shown=np.array([0, 50], np.float32)))
    assert found.notes == ("observations leave the bounds of their space: number 1 is 50, its bounds are -10 and 10",)


def test_what_never_ends_is_not_trained_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "_TOGETHER", 2_000)
    monkeypatch.setattr(endings, "AT_FIRST", 1_000)
    endless = user(step=lambda o, r, te, tr, i: (o, r, False, False, i))
    with pytest.raises(InputError, match="environment 'mine': no episode ended after 2,000 steps: give a time limit"):
        probe.probe(endless)
    recorded = Recorder(make(endless), "mine", Tally(0), keep=False, num=2)
    recorded.reset()
    for _ in range(999):
        recorded.step(0)
    with pytest.raises(InputError, match="environment 'mine': no episode ended after 1,000 steps: give a time limit"):
        recorded.step(0)
    probe.probe(EnvSpec("mine", "User-v0", endless.kwargs, ({"kind": "time_limit", "steps": 5_000},)))
