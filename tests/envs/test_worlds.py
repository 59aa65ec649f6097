"""Every closed form against exact enumeration; the environments as Gymnasium wants them; one at a time as many.

Enumeration: play all coins and all actions of a small instance, each episode with its probability; count
P(action | context, returns-to-go) among them; play that against all coins again.
"""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make as make_environment
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.envs.worlds.bits import DenseBits
from rlformer.envs.worlds.diagnostic import RETURN, Diagnostic, State
from rlformer.envs.worlds.registration import MODULES
from rlformer.envs.worlds.stitch import Stitch
from rlformer.envs.worlds.tmaze import PassiveTMaze

SMALL: list[tuple[str, dict[str, Any]]] = [
    ("KeyDoor", {"length": 0, "choices": 1}),
    ("KeyDoor", {"length": 1, "choices": 2}),
    ("KeyDoor", {"length": 1, "choices": 3}),
    ("KeyDoor", {"length": 1, "choices": 3, "show_key": True}),
    ("KeyDoor", {"length": 2, "choices": 2}),
    ("KeyToDoor", {"side": 2, "steps": 2, "distractor": 0}),
    ("KeyToDoor", {"side": 2, "steps": 2, "distractor": 1}),
    ("PassiveTMaze", {"length": 0}),
    ("PassiveTMaze", {"length": 1}),
    ("PassiveTMaze", {"length": 3}),
    ("Gamble", {}),
    ("Bandit", {}),
    ("Bandit", {"means": (0.5, 0.2, 1.0), "behaviour": (0.2, 0.5, 0.3)}),
    ("Bandit", {"means": (0.5, 0.25, 0.0), "behaviour": (0.2, 0.4, 0.4)}),  # a tie for the greedy
    ("Umbrella", {"length": 1}),
    ("Umbrella", {"length": 2}),
    ("Umbrella", {"length": 4}),
    ("Stitch", {}),
    ("DenseBits", {"bits": 1}),
    ("DenseBits", {"bits": 4}),
    ("DenseBits", {"bits": 4, "epsilon": 0.3}),
    ("Lock", {"bits": 1}),
    ("Lock", {"bits": 4}),
    ("Lock", {"bits": 4, "epsilon": 0.3}),
    ("Lock", {"bits": 4, "epsilon": 0.8}),
    ("DeepSea", {"size": 1}),
    ("DeepSea", {"size": 2, "code": 2}),
    ("DeepSea", {"size": 4}),
]


def make(name: str, **kwargs: Any) -> Diagnostic:
    module = importlib.import_module(f"rlformer.envs.worlds.{MODULES[name]}")
    environment = getattr(module, name)(**kwargs)
    assert isinstance(environment, Diagnostic)
    return environment


small = pytest.mark.parametrize(
    ("name", "kwargs"), SMALL, ids=[f"{name}({','.join(map(str, kw.values()))})" for name, kw in SMALL]
)
every = pytest.mark.parametrize("name", MODULES)


# -- enumeration -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A running or ended episode, with its probability."""

    probability: float
    observations: tuple[tuple[float, ...], ...]
    actions: tuple[int, ...] = ()
    rewards: tuple[float, ...] = ()
    over: bool = False

    @property
    def time(self) -> int:
        return len(self.actions)

    @property
    def episode_return(self) -> float:
        return round(sum(self.rewards), 9)


Behave = Callable[[Node], Array]  # to probabilities (A,)


def enumerate_episodes(environment: Diagnostic, behave: Behave) -> list[Node]:
    """All episodes of positive probability, started in all ways."""
    width = len(environment.coins)
    tosses = np.array(list(itertools.product([False, True], repeat=width))).reshape(2**width, width)
    chances = np.where(tosses, environment.coins, 1 - environment.coins).prod(axis=1)
    tosses, chances = tosses[chances > 0], chances[chances > 0]
    state = environment.begin(tosses)
    first = environment.features(state)
    nodes = [Node(p, (tuple(o.tolist()),)) for p, o in zip(chances, first, strict=True)]
    ended: list[Node] = []
    while nodes:
        rows, actions, ahead = [], [], []
        for row, node in enumerate(nodes):
            for action, probability in enumerate(behave(node)):
                if node.probability * probability > 0:
                    rows.append(row)
                    actions.append(action)
                    ahead.append(node.probability * probability)
        state = State(*(getattr(state, field)[rows] for field in ("time", "memory", "coins", "over")))
        state, rewards = environment.successor(state, np.array(actions))
        seen = environment.features(state)
        after = [
            Node(
                ahead[i],
                (*nodes[row].observations, tuple(seen[i].tolist())),
                (*nodes[row].actions, actions[i]),
                (*nodes[row].rewards, float(rewards[i])),
                bool(state.over[i]),
            )
            for i, row in enumerate(rows)
        ]
        ended += [node for node in after if node.over]
        running = np.array([not node.over for node in after])
        nodes = [node for node in after if not node.over]
        state = State(*(getattr(state, field)[running] for field in ("time", "memory", "coins", "over")))
    assert sum(node.probability for node in ended) == pytest.approx(1.0, abs=1e-12)
    return ended


def expected_return(environment: Diagnostic, behave: Behave) -> float:
    return sum(node.probability * node.episode_return for node in enumerate_episodes(environment, behave))


def behaviour(environment: Diagnostic, which: str) -> Behave:
    probabilities = getattr(environment, which)
    return lambda node: probabilities(np.array(node.observations[:1]), np.array(node.observations[-1:]))[0]


def uniform(environment: Diagnostic) -> Behave:
    count = len(environment.action_names)
    return lambda node: np.full(count, 1 / count)


def log_episodes(name: str, kwargs: dict[str, Any], which: str = "log") -> list[Node]:
    environment = make(name, **kwargs)
    log = make(name, **{**kwargs, **environment.log_kwargs}) if which == "log" else environment
    return enumerate_episodes(log, behaviour(log, which))


Key = tuple[Any, ...]


def window(node: Node, time: int, target: float | None, context: int | None) -> Key:
    """What a policy sees at a time of an episode: observations, actions and, unless cloning, returns-to-go."""
    start = 0 if context is None else max(0, time + 1 - context)
    to_go = () if target is None else [round(target - sum(node.rewards[:t]), 9) + 0.0 for t in range(start, time + 1)]
    return node.observations[start : time + 1], node.actions[start:time], tuple(to_go)


def imitate(episodes: list[Node], actions: int, context: int | None, conditioned: bool) -> dict[Key, Array]:
    """P(action | window) for every window that occurs in the episodes."""
    counts: dict[Key, Array] = defaultdict(lambda: np.zeros(actions))
    for node in episodes:
        for time, action in enumerate(node.actions):
            key = window(node, time, node.episode_return if conditioned else None, context)
            counts[key][action] += node.probability
    return {key: count / count.sum() for key, count in counts.items()}


def greedy(probabilities: Array) -> Array:
    best = np.isclose(probabilities, probabilities.max(), rtol=1e-9)
    return best / best.sum()


def imitation_earns(
    environment: Diagnostic, episodes: list[Node], target: float | None, context: int | None, is_greedy: bool
) -> float:
    """Raises KeyError where an action makes a difference and the log does not cover the context."""
    policy = imitate(episodes, len(environment.action_names), context, conditioned=target is not None)

    def behave(node: Node) -> Array:
        key = window(node, node.time, target, context)
        if key not in policy and node.time not in environment.decisions:
            return uniform(environment)(node)
        probabilities = policy[key]
        return greedy(probabilities) if is_greedy else probabilities

    return expected_return(environment, behave)


CONTEXTS = (1, 2, 3, None)


@pytest.mark.slow
@small
@pytest.mark.parametrize("context", CONTEXTS)
def test_return_conditioned_imitation(name: str, kwargs: dict[str, Any], context: int | None) -> None:
    """Sampled and greedy, for every return that the log can earn; where it cannot, InputError and no coverage."""
    environment, episodes = make(name, **kwargs), log_episodes(name, kwargs)
    for target in {node.episode_return for node in episodes}:
        for is_greedy in (False, True):
            if environment.share(target) == 0.0:
                with pytest.raises(InputError, match="never earns"):
                    environment.rcsl(target, greedy=is_greedy, context=context)
                with pytest.raises(KeyError):
                    imitation_earns(environment, episodes, target, context, is_greedy)
            else:
                predicted = environment.rcsl(target, greedy=is_greedy, context=context)
                exact = imitation_earns(environment, episodes, target, context, is_greedy)
                assert predicted == pytest.approx(exact, abs=1e-12), (target, is_greedy)


@small
def test_share_of_the_log(name: str, kwargs: dict[str, Any]) -> None:
    """Among the episodes that begin as an evaluation does."""
    environment, episodes = make(name, **kwargs), log_episodes(name, kwargs)
    starts = {node.observations[0] for node in enumerate_episodes(environment, uniform(environment))}
    like = [node for node in episodes if node.observations[0] in starts]
    total = sum(node.probability for node in like)
    for target in {node.episode_return for node in episodes} | {0.123, 0.5, 77.0}:
        exact = sum(node.probability for node in like if node.episode_return == target) / total
        assert environment.share(target) == pytest.approx(exact, abs=1e-12), target
        assert environment.coverage(target, 3) == pytest.approx(1 - (1 - exact) ** 3, abs=1e-12)


@pytest.mark.slow
@small
@pytest.mark.parametrize("context", CONTEXTS)
def test_cloning(name: str, kwargs: dict[str, Any], context: int | None) -> None:
    environment, episodes = make(name, **kwargs), log_episodes(name, kwargs)
    exact = imitation_earns(environment, episodes, None, context, False)
    assert environment.cloning(context) == pytest.approx(exact, abs=1e-12)


@small
def test_uniform_actions(name: str, kwargs: dict[str, Any]) -> None:
    environment = make(name, **kwargs)
    exact = expected_return(environment, uniform(environment))
    assert environment.random_return() == pytest.approx(exact, abs=1e-12)


@pytest.mark.slow
@small
def test_the_expert_is_optimal(name: str, kwargs: dict[str, Any]) -> None:
    """It earns what is called the optimum, and nothing that remembers the whole history earns more."""
    environment = make(name, **kwargs)
    assert expected_return(environment, behaviour(environment, "expert")) == pytest.approx(environment.optimum())
    assert best_with_memory(environment) == pytest.approx(environment.optimum(), abs=1e-12)


@small
def test_the_best_without_memory(name: str, kwargs: dict[str, Any]) -> None:
    """Over all deterministic maps from the current observation to an action."""
    environment = make(name, **kwargs)
    episodes = enumerate_episodes(environment, uniform(environment))
    seen = sorted({o for node in episodes for o in node.observations[:-1]})
    count = len(environment.action_names)
    if count ** len(seen) > 2**11:
        pytest.skip("too many policies to try")
    plans = [dict(zip(seen, plan, strict=True)) for plan in itertools.product(np.eye(count), repeat=len(seen))]
    best = max(expected_return(environment, lambda node, p=plan: p[node.observations[-1]]) for plan in plans)
    assert environment.optimum(context=1) == pytest.approx(best, abs=1e-12)


def best_with_memory(environment: Diagnostic) -> float:
    """The most that any policy of observations and actions so far can earn, by expectimax over what it may believe."""
    episodes = enumerate_episodes(environment, uniform(environment))
    count = len(environment.action_names)
    # Uniform actions carry probability count^-T; what is left is chance's.
    paths = [(node, node.probability * count**node.time) for node in episodes]

    def value(paths: list[tuple[Node, float]], time: int) -> float:
        """Of the episodes that share a history of `time` steps, what is still to come, times their probability."""
        running = [(node, p) for node, p in paths if node.time > time]
        if not running:
            return 0.0
        options = []
        for action in range(count):
            taken = [(node, p) for node, p in running if node.actions[time] == action]
            # An episode of T steps stands for all later actions: 1 / count^(T - time - 1) of it pays this reward.
            paid = sum(p * node.rewards[time] / count ** (node.time - time - 1) for node, p in taken)
            after: dict[Any, list[tuple[Node, float]]] = defaultdict(list)
            for node, p in taken:
                after[node.observations[time + 1]].append((node, p))
            options.append(paid + sum(value(group, time + 1) for group in after.values()))
        return max(options)

    starts: dict[Any, list[tuple[Node, float]]] = defaultdict(list)
    for node, p in paths:
        starts[node.observations[0]].append((node, p))
    return sum(value(group, 0) for group in starts.values())


def test_figures_of_the_literature() -> None:
    """The numbers one would quote, so that a change of rules cannot go unnoticed."""
    gamble, bandit = make("Gamble"), make("Bandit", means=(0.3, 0.7), behaviour=(0.9, 0.1))
    assert (gamble.optimum(), gamble.rcsl(5)) == (1.0, -5.0)
    assert gamble.rcsl(1) == pytest.approx(-1 / 6)
    assert gamble.rcsl(1, greedy=True) == 1.0
    assert bandit.rcsl(1) == pytest.approx(0.13 / 0.34)
    assert (bandit.rcsl(1, greedy=True), bandit.optimum()) == (0.3, 0.7)
    key_door, maze, umbrella = make("KeyDoor", choices=6), make("PassiveTMaze", length=5), make("Umbrella", length=5)
    assert (key_door.rcsl(1, context=1), key_door.share(1), key_door.cloning()) == (1.0, 1 / 12, 1 / 12)
    assert (maze.rcsl(1, context=6), maze.rcsl(1, context=5), maze.optimum(context=5)) == (1.0, 0.5, 0.5)
    assert (umbrella.rcsl(1), umbrella.rcsl(3, greedy=True), umbrella.share(5)) == (0.2, 1.0, 2**-5)
    assert (make("Stitch").rcsl(0.5), make("Stitch").optimum()) == (0.5, 1.0)
    assert make("Lock", bits=5).share(1) == make("DeepSea", size=5).share(0.99) == 2**-5
    assert make("DeepSea", size=5).optimum() == 0.99


def test_key_to_door_succeeds_at_random_as_often_as_in_the_paper() -> None:
    """3.1 % (Chen et al. 2021), by the closed form and by 4,000 random walks."""
    assert make("KeyToDoor").share(1) == pytest.approx(0.031, abs=0.003)
    walks = gym.make_vec("rlformer:rlformer/KeyToDoor-v0", 4000)
    walks.reset(seed=0)
    rng, total, over = np.random.default_rng(0), np.zeros(4000), np.zeros(4000, bool)
    for _ in range(24):
        _, rewards, ended, _, _ = walks.step(rng.integers(4, size=4000))
        total += np.where(over, 0.0, rewards)
        over |= ended
        walks.reset(options={"reset_mask": ended}) if ended.any() else None
    assert over.all()
    assert total.mean() == pytest.approx(0.031, abs=0.009)  # three standard errors


def test_the_best_of_a_log_of_bits() -> None:
    """Against all logs of a small instance, and the bound of Gaussian tails, which is close from below."""
    bits = DenseBits(bits=3)
    binomial = [bits.share(g) for g in range(4)]
    exact = sum(np.prod([binomial[g] for g in draws]) * max(draws) for draws in itertools.product(range(4), repeat=3))
    assert bits.expected_best(3) == pytest.approx(exact, abs=1e-12)
    for size, episodes in ((20, 100), (100, 1000)):
        best, bound = DenseBits(bits=size).expected_best(episodes), size / 2 + np.sqrt(size * np.log(episodes) / 2)
        assert 0.9 * bound < best < bound < size


# -- truth for explanations --------------------------------------------------------------------------


@pytest.mark.slow
@small
@pytest.mark.parametrize("which", ["log", "expert"])
def test_the_groups_that_matter(name: str, kwargs: dict[str, Any], which: str) -> None:
    """A group matters where two contexts that differ in nothing else have different actions in the log.

    In the expert's log the return tells no more than the time does, so that it is imitated without.
    """
    environment, episodes = make(name, **kwargs), log_episodes(name, kwargs, which)
    if environment.horizon == 1 and name in ("DenseBits", "Lock", "DeepSea"):
        pytest.skip("one step only: no other position to compare with")
    names = environment.feature_names
    columns = {group: [names.index(f) for f in features] for group, features in environment.groups.items()}
    found = set()
    for context in (1, None):
        policy = imitate(episodes, len(environment.action_names), context, conditioned=which == "log")
        for group in (*columns, RETURN):
            alike: dict[Key, list[Array]] = defaultdict(list)
            for (observations, actions, to_go), probabilities in policy.items():
                kept = [[v for i, v in enumerate(o) if i not in columns.get(group, [])] for o in observations]
                rest = (str(kept), actions, None if group == RETURN else to_go)
                alike[rest].append(probabilities)
            if any(np.ptp(group_of, axis=0).max() > 1e-9 for group_of in map(np.array, alike.values())):
                found.add(group)
    if name == "KeyToDoor":  # two steps in a room are too few for the same cell with and without the key
        assert {"cell"} <= found <= environment.truth(which)
        return
    assert found == environment.truth(which)


@pytest.mark.slow
@small
def test_actions_make_a_difference_at_the_decisions_only(name: str, kwargs: dict[str, Any]) -> None:
    """Among uniform episodes with the same history, the return says something about the action there alone."""
    environment = make(name, **kwargs)
    episodes = enumerate_episodes(environment, uniform(environment))
    apart = {
        time
        for time in range(environment.horizon)
        if any(
            np.ptp([imitated[key] for key in keys], axis=0).max() > 1e-9
            for imitated, keys in by_history(episodes, len(environment.action_names), time)
        )
    }
    assert apart == set(environment.decisions)


def by_history(episodes: list[Node], actions: int, time: int) -> Iterator[tuple[dict[Key, Array], list[Key]]]:
    """The contexts at a time, grouped so that only the return differs."""
    running = [node for node in episodes if node.time > time]
    counts: dict[Key, Array] = defaultdict(lambda: np.zeros(actions))
    groups: dict[Key, set[Key]] = defaultdict(set)
    for node in running:
        observations, before, _ = window(node, time, None, None)
        key = (observations, before, node.rewards[:time], node.episode_return)
        counts[key][node.actions[time]] += node.probability
        groups[key[:-1]].add(key)
    imitated = {key: count / count.sum() for key, count in counts.items()}
    for keys in groups.values():
        yield imitated, sorted(keys)


# -- Gymnasium -----------------------------------------------------------------------------------------


@every
def test_gymnasium_finds_nothing_to_complain_about(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(f"rlformer:rlformer/{name}-v0").unwrapped)


@pytest.mark.slow
@small
def test_observations_lie_in_their_space_and_are_named(name: str, kwargs: dict[str, Any]) -> None:
    environment = make(name, **kwargs)
    assert environment.observation_space.shape == (len(environment.feature_names),)
    assert len(set(environment.feature_names)) == len(environment.feature_names)
    assert len(set(environment.action_names)) == environment.action_space.n  # type: ignore[attr-defined]
    for node in enumerate_episodes(environment, uniform(environment)):
        assert node.time <= environment.horizon
        for observation in node.observations:
            assert environment.observation_space.contains(np.array(observation, np.float32))


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("KeyDoor", {"length": -1}),
        ("KeyDoor", {"choices": 0}),
        ("PassiveTMaze", {"length": -1}),
        ("Bandit", {"means": (0.5, 1.2)}),
        ("Bandit", {"means": (0.5, 0.2, 0.1)}),
        ("Bandit", {"behaviour": (0.5, 0.2)}),
        ("Umbrella", {"length": 0}),
        ("Stitch", {"start_in_b": 2.0}),
        ("DenseBits", {"bits": 0}),
        ("Lock", {"bits": 0}),
        ("Lock", {"epsilon": 1.5}),
        ("DeepSea", {"size": 0}),
        ("DeepSea", {"render_mode": "human"}),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(name: str, kwargs: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        make(name, **kwargs)
    assert "\n" not in str(error.value)


def test_steps_that_cannot_be_taken() -> None:
    maze = PassiveTMaze(length=0)
    with pytest.raises(gym.error.ResetNeeded):
        maze.step(0)
    maze.reset(seed=0)
    with pytest.raises(InputError, match="actions are 0 to 1, got 2"):
        maze.step(2)
    maze.step(1)
    with pytest.raises(gym.error.ResetNeeded):
        maze.step(0)


def test_the_t_maze_shows_its_cue_once() -> None:
    """From the second step on, what is seen does not depend on the cue, and the cue is fair."""
    maze = PassiveTMaze(length=4)
    episodes = {node.observations for node in enumerate_episodes(maze, uniform(maze))}
    starts = {observations[0] for observations in episodes}
    assert len(starts) == 2
    assert len({np.array(observations[1:]).tobytes() for observations in episodes}) == 1  # not even by a -0
    cues = [maze.reset(seed=seed)[0][0] for seed in range(400)]
    assert np.mean(cues) == pytest.approx(0.0, abs=0.15)


def test_the_key_is_hidden() -> None:
    hidden, shown = make("KeyDoor", length=2), make("KeyDoor", length=2, show_key=True)
    assert len({node.observations for node in enumerate_episodes(hidden, uniform(hidden))}) == 1
    assert len({node.observations for node in enumerate_episodes(shown, uniform(shown))}) == 2


@every
def test_pictures(name: str) -> None:
    """Both render modes show the same tiles, and every step changes them."""
    text, image = (gym.make(f"rlformer:rlformer/{name}-v0", render_mode=mode) for mode in ("ansi", "rgb_array"))
    drawn, painted, over = [], [], False
    for env in (text, image):
        env.reset(seed=3)
    while True:
        rows = str(text.render()).split("\n")
        pixels = np.asarray(image.render())
        assert pixels.dtype == np.uint8
        assert pixels.shape == (32 * len(rows), 32 * len(rows[0]), 3)
        drawn.append(rows)
        painted.append(pixels.tobytes())
        if over:
            break
        over = text.step(1)[2]
        image.step(1)
    assert len({str(rows) for rows in drawn}) == len(set(painted)) >= 2


REGISTERS = """
import importlib.util, sys
{first}
{second}
env = gymnasium.make("rlformer:rlformer/PassiveTMaze-v0", length=3)
assert env.unwrapped.length == 3
assert gymnasium.__spec__.loader is gymnasium.__loader__
assert gymnasium.__loader__.get_source("gymnasium")
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("rlformer")]
print(*sorted(m for m in sys.modules if m.startswith("rlformer.envs.worlds.")))
"""


PROBE = "assert importlib.util.find_spec('gymnasium')"  # as one asks whether it is installed, without importing it


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        ("import rlformer", "import gymnasium"),
        ("import gymnasium", "import rlformer"),
        ("import gymnasium", ""),
        (f"import rlformer; {PROBE}", "import gymnasium"),
    ],
    ids=" then ".join,
)
def test_gymnasium_knows_the_names_whichever_is_imported_first(order: tuple[str, str]) -> None:
    """And imports the environment that was asked for, not the others."""
    command = [sys.executable, "-W", "error", "-c", REGISTERS.format(first=order[0], second=order[1])]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "rlformer.envs.worlds.tmaze" in modules
    assert "rlformer.envs.worlds.deep_sea" not in modules


# -- many at once --------------------------------------------------------------------------------------


def both(name: str, num_envs: int, **kwargs: Any) -> tuple[Any, Any]:
    """The native vector environment, and Gymnasium's over single ones."""
    place = f"rlformer:rlformer/{name}-v0"
    disabled = {"autoreset_mode": AutoresetMode.DISABLED}
    single = gym.make_vec(place, num_envs, "sync", vector_kwargs=disabled, **kwargs)
    return gym.make_vec(place, num_envs, **kwargs), single


def assert_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    for a, b in zip(one, other, strict=True):
        if isinstance(a, dict):
            assert a == b == {}
        else:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


@pytest.mark.slow
@every
@pytest.mark.parametrize("seed", [5, [3, 1, 4, 1, 5], [None, 7, None, None, 7]], ids=str)
def test_equal_to_gymnasiums_own_step_for_step(name: str, seed: Any) -> None:
    """Ended episodes go on from their own streams, those that the second list seeds anew from that seed."""
    kwargs = {"start_in_b": 0.5} if name == "Stitch" else {}
    native, single = both(name, 5, **kwargs)
    assert type(native).__name__ == f"{name}Vector"
    for attribute in ("single_observation_space", "single_action_space", "observation_space", "action_space"):
        assert getattr(native, attribute) == getattr(single, attribute)
    rng = np.random.default_rng(0)
    assert_same(native.reset(seed=11), single.reset(seed=11))
    assert_same(native.reset(seed=seed), single.reset(seed=seed))
    assert native.np_random_seed == single.np_random_seed
    episodes = 0
    while episodes < 40:
        actions = rng.integers(native.single_action_space.n, size=5)
        stepped = native.step(actions)
        assert_same(stepped, single.step(actions))
        if (mask := stepped[2]).any():
            again = [int(s) if s < 20 else None for s in rng.integers(40, size=5)]
            options = {"reset_mask": mask}
            assert_same(native.reset(seed=again, options=options), single.reset(seed=again, options=dict(options)))
            episodes += mask.sum()
    states = [[g.bit_generator.state["state"] for g in env.np_random] for env in (native, single)]
    assert states[0] == states[1]


def test_every_episode_has_a_stream_of_its_own() -> None:
    """What one sub-environment is reset to does not depend on how many there are, or on when the others are reset."""
    few, many = (gym.make_vec("rlformer:rlformer/PassiveTMaze-v0", n, length=0) for n in (1, 64))
    seeds = list(range(64))
    first, _ = many.reset(seed=seeds)
    alone = np.concatenate([few.reset(seed=[seed])[0] for seed in seeds])
    np.testing.assert_array_equal(first, alone)
    assert 16 < (first[:, 0] > 0).sum() < 48


def test_resets_that_do_not_fit() -> None:
    native, _ = both("PassiveTMaze", 3)
    with pytest.raises(gym.error.ResetNeeded):
        native.step(np.zeros(3, int))
    with pytest.raises(ValueError, match="2 seeds for 3 environments"):
        native.reset(seed=[1, 2])
    with pytest.raises(TypeError, match="reset_mask"):
        native.reset(options={"reset_mask": [True, False, False]})
    with pytest.raises(ValueError, match="reset_mask"):
        native.reset(options={"reset_mask": np.zeros(3, bool)})
    native.reset(seed=0)
    with pytest.raises(InputError, match="3 actions of 0 to 1"):
        native.step(np.array([0, 2, 0]))
    with pytest.raises(InputError, match="3 actions of 0 to 1"):
        native.step(np.zeros(2, int))


def test_many_render_as_each_would() -> None:
    native, single = both("PassiveTMaze", 2, length=2, render_mode="ansi")
    for env in (native, single):
        env.reset(seed=[1, 2])
        env.step(np.array([0, 1]))
    assert native.render() == single.render()


# -- logs ------------------------------------------------------------------------------------------------


def play(name: str, which: Any, episodes: int, num_envs: int = 16, **kwargs: Any) -> tuple[Array, list[Array]]:
    """Returns (E,) and each episode's actions, in the order of the seeds."""
    spec = EnvSpec(name, f"rlformer:rlformer/{name}-v0", kwargs)
    policy = BehaviourPolicy(make(name, **kwargs), which)
    played = dict(rollout(Environments(spec, num_envs), policy, np.arange(episodes) + 1000))
    ordered = [played[i] for i in range(episodes)]
    return np.array([episode.episode_return for episode in ordered]), [episode.actions for episode in ordered]


@pytest.mark.slow
@every
@pytest.mark.parametrize("which", ["log", "expert"])
def test_the_behaviours_as_policies(name: str, which: str) -> None:
    """The expert earns the optimum, and the log what cloning it does, within four standard errors."""
    environment = make(name)
    returns, _ = play(name, which, 600, **environment.log_kwargs if which == "log" else {})
    expected = environment.optimum() if which == "expert" else environment.cloning(context=1)
    assert returns.mean() == pytest.approx(expected, abs=4 * returns.std() / np.sqrt(600) + 1e-9)


def test_the_log_of_stitch_holds_three_kinds_of_episodes() -> None:
    returns, actions = play("Stitch", "log", 3000, **Stitch.log_kwargs)
    kinds = {0.5: (0,), 0.0: (1, 0)}
    for earned, taken in zip(returns, actions, strict=True):
        assert tuple(taken) == kinds.get(earned) or (earned == 1.0 and taken[1] == 1)
    shares = [(returns == earned).mean() for earned in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.04)


def test_a_log_does_not_depend_on_how_many_are_played_side_by_side() -> None:
    for name in ("PassiveTMaze", "KeyDoor"):
        alone, together = (play(name, "log", 20, num_envs) for num_envs in (1, 7))
        np.testing.assert_array_equal(alone[0], together[0])
        np.testing.assert_array_equal(np.stack(alone[1]), np.stack(together[1]))


# -- cards -----------------------------------------------------------------------------------------------


@every
def test_its_card_says_what_the_environment_says(name: str) -> None:
    card = env_cards.environments()[name]
    environment = make_environment(card).unwrapped
    assert isinstance(environment, Diagnostic)
    assert card.id == f"rlformer:rlformer/{name}-v0"
    assert card.random_score == pytest.approx(environment.random_return(), abs=1e-12)
    assert card.reference_score == pytest.approx(environment.optimum(), abs=1e-12)
    assert card.random_source == card.reference_source == "closed form"
    assert card.feature_names == environment.feature_names
    assert card.action_names == environment.action_names
    if card.solved_threshold is not None:
        returns, _ = play(name, "expert", 50, **card.kwargs)
        assert (returns >= card.solved_threshold).all()


# -- what has to be remembered -----------------------------------------------------------------------


@small
def test_what_has_to_be_remembered_is_shown_at_one_step_and_needed_at_a_later_one(
    name: str, kwargs: dict[str, Any]
) -> None:
    environment = make(name, **kwargs)
    latent = environment.latent
    if latent is None:
        return
    assert 0 <= latent.shown < latent.decided < environment.horizon
    assert latent.decided in environment.decisions
    seen: dict[int, set[Key]] = defaultdict(set)
    paid: dict[tuple[int, int], set[float]] = defaultdict(set)
    for node in enumerate_episodes(environment, uniform(environment)):
        at = np.array([node.observations[latent.shown]]), np.array([node.actions[latent.shown]])
        value = int(latent.read(*at)[0])
        others = [o for t, o in enumerate(node.observations[: latent.decided + 1]) if t != latent.shown]
        if latent.made_by is not None:
            others.append(node.observations[latent.shown])
        seen[value].add((tuple(others), node.rewards[: latent.decided]))
        paid[value, node.actions[latent.decided]].add(node.episode_return)
    assert set(seen) == set(range(len(latent.values)))
    assert len(set(map(frozenset, seen.values()))) == 1  # nothing else tells the values apart
    assert all(len(of) == 1 for of in seen.values())  # nor does anything depend on the actions between
    pays = [tuple(paid[value, action] for action in range(len(environment.action_names))) for value in seen]
    assert all(one != other for one, other in itertools.pairwise(pays))


def test_the_worlds_that_ask_for_memory_say_what_of() -> None:
    known = {name for name, kwargs in SMALL if make(name, **kwargs).latent}
    assert known == {"PassiveTMaze", "KeyDoor"}
