"""A trained policy taken out: the loop that a user writes, without the environment, and what is misused."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import rlformer
from rlformer import api
from rlformer.agents import cards as agent_cards
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.errors import InputError
from rlformer.envs import cards as env_cards
from rlformer.runs.directory import RunDirectory
from tests.support.make_exports import WORLD, play_single, small
from tests.support.make_runs import reseal

pytestmark = pytest.mark.slow  # each needs a run

AGENTS = {
    "CartPole-v1": ("ppo", "bc", "dt", "dt-lstm", "dt-stream", "dt-paper", "cql", "recurrent-ppo"),
    "{module}:World-category-v0": ("bc", "rvs", "dt", "cql", "ppo", "dqn"),
    "{module}:World-integers-v0": ("bc", "dt", "td3-bc", "sac"),
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The name of a user's module, importable while this file's tests run."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "world_to_leave.py").write_text(WORLD)
    sys.path.insert(0, str(folder))
    importlib.import_module("world_to_leave")
    yield "world_to_leave"
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def runs(module: str, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """A run of each agent, by environment and agent."""
    root, made = tmp_path_factory.mktemp("runs"), {}
    for template, agents in AGENTS.items():
        name = template.format(module=module)
        env = env_cards.environment(name)
        log = api.collect("random", env=name, out=root / "logs" / env.name.replace(":", "-"), episodes=12)
        for agent in agents:
            needs = learner_kind(agent_cards.agent(agent).learner).needs
            made[name, agent] = small(agent, env, root, log if "log" in needs else None)
    return made


@pytest.fixture(scope="module")
def dt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A return-conditioned run on CartPole."""
    root = tmp_path_factory.mktemp("dt")
    log = api.collect("random", env="CartPole-v1", out=root / "log", episodes=12)
    return small("dt", env_cards.environment("CartPole-v1"), root, log)


@pytest.fixture(scope="module")
def ppo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a memory on CartPole."""
    return small("ppo", env_cards.environment("CartPole-v1"), tmp_path_factory.mktemp("ppo"), None)


def test_the_loop_of_a_user_gives_exactly_the_returns_that_evaluate_reports(runs: dict[tuple[str, str], Path]) -> None:
    for (name, agent), run in runs.items():
        _, (result,) = api.evaluate([run], episodes=3)
        policy, env = rlformer.load(run), gym.make(name)
        played = [play_single(policy, env, int(seed)) for seed in result.seeds]
        assert played == result.returns.tolist(), (name, agent)


def test_with_another_target_and_with_sampled_actions_too(runs: dict[tuple[str, str], Path]) -> None:
    run, env = runs["CartPole-v1", "dt"], gym.make("CartPole-v1")
    for options, asked in (({"target_return": 15.0}, {"target_return": 15.0}), ({"target_return": "median"},) * 2):
        _, (result,) = api.evaluate([run], episodes=3, **options)
        policy = rlformer.load(run)
        assert [play_single(policy, env, int(s), **asked) for s in result.seeds] == result.returns.tolist()
    for agent in ("dt", "ppo"):
        run = runs["CartPole-v1", agent]
        _, (result,) = api.evaluate([run], episodes=3, sample=True)
        policy = rlformer.load(run, sample=True)
        played = [play_single(policy, env, int(seed)) for seed in result.seeds]
        assert played == result.returns.tolist(), agent


def test_what_its_card_says_is_how_a_policy_is_evaluated_and_deployed(
    dt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = api.collect("random", env="CartPole-v1", out=tmp_path / "log", episodes=12)
    run = small("dt", env_cards.environment("CartPole-v1"), tmp_path, log, action_selection="sampled")
    stored, env = RunDirectory.open(run).evaluations(), gym.make("CartPole-v1")
    ways = {name: result.action_selection for name, result in stored.items() if not name.startswith("target-")}
    assert ways == {"final": "sampled", "test": "sampled", "fresh": "sampled", "other": "greedy"}
    for policy, name in ((rlformer.load(run), "final"), (rlformer.load(run, sample=False), "other")):
        expected = stored[name]
        assert [play_single(policy, env, int(seed)) for seed in expected.seeds] == expected.returns.tolist()
    _, (usual,) = api.evaluate([run], episodes=2)
    _, (greedy,) = api.evaluate([run], episodes=2, sample=False)
    assert (usual.action_selection, greedy.action_selection) == ("sampled", "greedy")
    assert np.array_equal(usual.returns, stored["final"].returns)
    monkeypatch.chdir(tmp_path)
    names = [str(api.collect(run, episodes=2, sample=way).path) for way in (None, True, False)]
    assert [("-sampled-" in name, "-greedy-" in name) for name in names] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    spec = RunDirectory.open(run).spec
    assert RunDirectory.open(dt).spec.hash != spec.hash


def test_real_actions_without_a_spread_are_not_sampled(tmp_path: Path) -> None:
    log = api.collect("random", env="Pendulum-v1", out=tmp_path / "log", episodes=4)
    with pytest.raises(InputError, match="action_selection: sampled needs a distribution"):
        small("bc", env_cards.environment("Pendulum-v1"), tmp_path, log, action_selection="sampled")


def test_a_run_acts_where_its_environments_module_is_not(runs: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    """In another process and folder; the observation is written by hand."""
    code = """
import json, sys
import rlformer
seen = {"place": [0.5, -1.0], "mode": 2, "grid": ([[1, 2], [3, 4]], [0, 1])}
given = {}
for name, path in json.loads(sys.argv[1]).items():
    policy = rlformer.load(path)
    policy.reset(seed=0)
    given[name] = [type(policy(seen)).__name__, str(policy.action_space)]
assert not [name for name in sys.modules if "world" in name and "rlformer" not in name], sys.modules
print(json.dumps(given))
"""
    paths = {f"{name} {agent}": str(run) for (name, agent), run in runs.items() if "World" in name}
    done = subprocess.run([sys.executable, "-c", code, json.dumps(paths)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    assert given.keys() == paths.keys()
    for name, (kind, space) in given.items():
        assert (kind, space) == (
            ("int", "Discrete(3, start=4)") if "category" in name else ("ndarray", "Box(-2, 2, (2,), int64)")
        ), name


def test_a_run_from_before_spaces_were_stored_asks_its_environment(runs: dict[tuple[str, str], Path]) -> None:
    for agent in ("ppo", "bc"):
        run = runs["world_to_leave:World-category-v0", agent]
        (run / "checkpoints" / "best" / "spaces.json").unlink()
        reseal(RunDirectory(run))
        policy = rlformer.load(run)
        assert policy.action_space == gym.spaces.Discrete(3, start=4)
        assert "place" in policy.observation_space.spaces  # type: ignore[attr-defined]


def test_an_episode_begins_with_reset(dt: Path) -> None:
    policy = rlformer.load(dt)
    with pytest.raises(InputError, match="no episode has begun"):
        policy(np.zeros(4, np.float32))


def test_what_was_earned_has_to_be_said_where_a_return_is_counted_down(dt: Path, ppo: Path) -> None:
    policy = rlformer.load(dt)
    policy.reset()
    assert policy(np.zeros(4)) in (0, 1)
    with pytest.raises(InputError, match="counts down the return"):
        policy(np.zeros(4))
    for wrong in (np.nan, "1", np.zeros(2), [1, 2]):
        with pytest.raises(InputError, match="not a finite number"):
            policy(np.zeros(4), wrong)
    assert policy(np.zeros(4), np.ones(1)) in (0, 1)
    policy.reset()
    with pytest.raises(InputError, match="before any action"):
        policy(np.zeros(4), 1.0)
    assert policy(np.zeros(4), 0.0) in (0, 1)  # as a loop's variable may begin
    other = rlformer.load(ppo)
    other.reset()
    assert {type(other(np.zeros(4))), type(other(np.zeros(4)))} == {int}


def test_a_wrong_target_or_seed_is_refused(dt: Path, ppo: Path) -> None:
    policy = rlformer.load(dt)
    for wrong, match in ((np.nan, "not a finite number"), ("best", "does not record the 'best'"), ([1, 2], "number")):
        with pytest.raises(InputError, match=match):
            policy.reset(wrong)  # type: ignore[arg-type]
    for seed in (-1, 0.5, "a"):
        with pytest.raises(InputError, match="expected a whole number"):
            policy.reset(seed=seed)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="has no target return"):
        rlformer.load(ppo).reset(target_return=3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rlformer.load(ppo).reset()


def test_without_a_target_a_checkpoint_that_says_none_is_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.DecisionTransformerConfig(
        state_dim=4,
        act_dim=2,
        hidden_size=8,
        n_layer=1,
        n_head=1,
        n_inner=None,
        max_ep_len=20,
        activation_function="relu",
    )
    transformers.DecisionTransformerModel(config).save_pretrained(tmp_path)
    policy = rlformer.load(tmp_path)
    with pytest.raises(InputError, match=r"does not record a target return: use policy.reset\(target_return=R\)"):
        policy.reset()
    policy.reset(target_return=10)
    assert policy(np.zeros(4)).shape == (2,)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(3), np.zeros((1, 4)), np.zeros((2, 4)), np.full(4, np.nan), None, "observation", {"a": 1}, [[0, 0], [0]]],
    ids=str,
)
def test_an_observation_that_is_none_of_the_space_is_one_line(ppo: Path, wrong: Any) -> None:
    policy = rlformer.load(ppo)
    policy.reset()
    with pytest.raises(InputError, match="observation") as caught:
        policy(wrong)
    assert "\n" not in str(caught.value)


def test_side_by_side_misuse_is_found(dt: Path, ppo: Path) -> None:
    policy, seen = rlformer.load(dt), np.zeros((2, 4), np.float32)
    acted = policy.act(seen)  # a first step needs nothing before it
    with pytest.raises(InputError, match=r"begin.* at the start of each episode"):
        policy.observe(acted, np.ones(2))
    policy.begin(np.arange(2), np.arange(2))
    with pytest.raises(InputError, match="before observe"):
        policy.observe(acted, np.ones(2))
    policy.act(seen)
    with pytest.raises(InputError, match=r"observe.* after each act"):
        policy.act(seen)
    for rewards in (np.ones(3), np.full(2, np.nan), np.array([None, None])):
        with pytest.raises(InputError, match="reward"):
            policy.observe(acted, rewards)
    policy.observe(acted, np.ones(2))
    with pytest.raises(InputError, match=r"act takes observations \(N, \*\(4,\)\), got \(4,\).*policy\(observation\)"):
        policy.act(np.zeros(4))
    with pytest.raises(InputError, match="a seed for each slot"):
        policy.begin(np.arange(2), np.arange(3))
    with pytest.raises(InputError, match="it samples its actions"):
        rlformer.load(ppo, sample=True).act(seen)
    free = rlformer.load(ppo)
    assert np.array_equal(free.act(seen), free.act(seen))


def test_the_environments_card_is_not_needed_but_checked(ppo: Path) -> None:
    with pytest.raises(InputError, match="was trained for"):
        rlformer.load(ppo, env="Acrobot-v1")
    assert rlformer.load(ppo.parent).name == str(ppo.parent)  # the only seed in it
    random = rlformer.load("random", env="CartPole-v1")
    random.reset(seed=3)
    first = [random(np.zeros(4)) for _ in range(20)]
    random.reset(seed=3)
    assert first == [random(np.zeros(4)) for _ in range(20)]
    assert set(first) == {0, 1}


def test_of_a_log_alone_the_canonical_form_is_known(tmp_path: Path) -> None:
    """Nobody has the environment; the policy acts in the log's own numbers."""
    from tests.support.make_sequences import SPACES, log

    run = api.train("bc", env="none", dataset=log(SPACES["box"]), root=tmp_path, overrides=["gradient_steps=2"])
    policy = rlformer.load(run)
    policy.reset()
    assert policy.action_space.contains(policy(np.zeros(3, np.float32)))
