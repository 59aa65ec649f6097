"""What holds for every algorithm of both registries, online and offline, whatever it is.

A new algorithm is held to it as soon as it has its line in the registry and a card that names it.
"""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.utils.flop_counter import FlopCounterMode

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import ANY_ACTIONS, Task
from rlformer.agents.learners import LEARNERS, learner
from rlformer.agents.offline.algorithms import ALGORITHMS as OFFLINE
from rlformer.agents.online import state as states
from rlformer.agents.online.algorithms import ALGORITHMS as ONLINE
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.build import RUN_KEYS, build
from rlformer.agents.online.checks import check_values
from rlformer.agents.online.learner import SB3Learner
from rlformer.agents.online.policy import actor_of
from rlformer.agents.online.zips import export_zip, read_zip
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.extras import missing_extra
from rlformer.core.records import Cost, EnvSpec
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make, spaces_of
from rlformer.envs.rollout import RandomPolicy
from rlformer.runs import checkpoints
from rlformer.runs.record import RunRecord
from tests.support.make_training import Log, match, play, played, same, weights

REGISTRIES: Mapping[str, Mapping[str, Algorithm]] = {"sb3": ONLINE, "offline": OFFLINE}  # by the learner of their cards
CARDS = [card for card in agent_cards.agents().values() if card.learner in REGISTRIES]

# What makes a training small, for the keys that a card has; and what an on-policy card calls `n_steps`.
SMALL: Mapping[str, Any] = {
    "hidden": [8], "lstm_hidden_size": 8, "width": 8, "layers": 2, "heads": 2, "memory_length": 3,
    "num_envs": 2, "batch_size": 16, "learning_rate": 1e-2,
    "steps": 96, "n_epochs": 2, "buffer_size": 500, "learning_starts": 32, "train_freq": 1,
    "normalize_observations": True, "exploration_fraction": 0.5, "n_quantiles": 5,
    # What stops by itself, before so many tries, would cost less than is counted.
    "cg_max_steps": 2, "line_search_max_iter": 1,
    "n_delta": 2, "n_top": 1, "zero_policy": False,
}  # fmt: skip
ROLLOUT = 16
# Alone, so that every step counts, and without steps that ask no network.
COUNTED = {"num_envs": 1, "steps": 64, "exploration_initial_eps": 0.0, "exploration_final_eps": 0.0}


@dataclass(frozen=True)
class Case:
    """An algorithm in a kind of actions that it claims to act in."""

    learner: str
    algorithm: Algorithm
    kind: str

    @property
    def acts_by_interaction(self) -> bool:
        return LEARNERS[self.learner].steps_env

    def values(self, **changed: Any) -> dict[str, Any]:
        """Those of its card, small."""
        card = next(c for c in CARDS if c.defaults["algorithm"] == self.algorithm.name)
        small = {**SMALL, **changed}
        small |= {"gradient_steps": 1} if self.acts_by_interaction else {"gradient_steps": 20}
        small |= {} if "buffer_size" in card.defaults else {"n_steps": ROLLOUT}
        if self.acts_by_interaction and self.algorithm.ranges["num_envs"].high == 1:
            del small["num_envs"]  # it plays alone
        return {key: small.get(key, value) for key, value in card.defaults.items()}

    def world(self, kind: str | None = None, **changed: Any) -> EnvSpec:
        """Where it acts, which says what it allows where the algorithm has to know."""
        return match(kind or self.kind, **changed, **({"masked": True} if self.algorithm.masked else {}))

    def task(self, kind: str | None = None, env: EnvSpec | None = None, **changed: Any) -> Task:
        env, values = env or self.world(kind), self.values(**changed)
        if self.acts_by_interaction:
            return Task(env=env, dataset=None, hyperparameters=values, seed=0)
        dataset = played(env, RandomPolicy(spaces_of(env).actions), 10)
        return Task(env=None, dataset=dataset, hyperparameters=values, seed=0)

    def fit(self, task: Task, log: Log) -> SB3Learner:
        fresh: Any = learner(self.learner).load()()
        fresh.fit(task, log)
        assert isinstance(fresh, SB3Learner)
        return fresh


CASES = [
    pytest.param(Case(name, algorithm, kind), id=f"{algorithm.name}-{kind}")
    for name, registry in REGISTRIES.items()
    for algorithm in registry.values()
    for kind in sorted(algorithm.action_kinds)
]
ALONE = [  # each once, where the kind of actions makes no difference
    pytest.param(Case(name, algorithm, max(algorithm.action_kinds)), id=algorithm.name)
    for name, registry in REGISTRIES.items()
    for algorithm in registry.values()
]


@pytest.mark.parametrize("name", REGISTRIES)
def test_the_algorithms_of_the_cards_are_those_of_the_registry(name: str) -> None:
    assert {card.defaults["algorithm"] for card in CARDS if card.learner == name} == set(REGISTRIES[name])
    assert all(key == algorithm.name for key, algorithm in REGISTRIES[name].items())
    assert all(algorithm.action_kinds <= ANY_ACTIONS for algorithm in REGISTRIES[name].values())


def test_the_registries_are_read_without_the_libraries() -> None:
    """Cards are checked, and helps are written, before anything is trained."""
    code = "import sys, rlformer.agents.learners; print(*{name.partition('.')[0] for name in sys.modules})"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "rlformer" in modules
    assert not {"torch", "stable_baselines3", "sb3_contrib"} & set(modules)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_cards_keys_are_the_algorithms_arguments_and_its_values_can_be_used(card: agent_cards.AgentCard) -> None:
    algorithm = REGISTRIES[card.learner][card.defaults["algorithm"]]
    accepted = {
        name
        for kind in algorithm.load().__mro__[:2]  # one of ours hands the arguments on to the class it is made from
        for name in inspect.signature(kind.__init__).parameters
    }
    run_keys = RUN_KEYS if LEARNERS[card.learner].steps_env else RUN_KEYS | {"gradient_steps", "log_steps"}
    assert set(card.defaults) - run_keys - set(algorithm.network_keys) <= accepted
    network = algorithm.load().policy_aliases[algorithm.policy]
    assert set(algorithm.network_keys) <= set(inspect.signature(network).parameters) & set(card.defaults)
    for env in (None, *card.presets):
        assert check_values(card.values_for(env), REGISTRIES[card.learner]) is algorithm


@pytest.mark.slow
@pytest.mark.parametrize("card", [c for c in CARDS if LEARNERS[c.learner].steps_env], ids=lambda card: card.name)
def test_a_presets_values_can_be_built(card: agent_cards.AgentCard) -> None:
    algorithm = REGISTRIES[card.learner][card.defaults["algorithm"]]
    for preset in card.presets:
        values, env = card.values_for(preset), env_cards.environment(preset)
        if missing_extra(env.extra):
            continue
        made = DummyVecEnv([lambda env=env: make(env) for _ in range(values["num_envs"])])  # type: ignore[misc]
        assert isinstance(build(algorithm, values, made, seed=0), algorithm.load())
        made.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_acts_in_what_it_claims_whatever_the_number_of_environments(case: Case, tmp_path: Path) -> None:
    trained = case.fit(case.task(), Log(tmp_path))
    assert isinstance(trained.model, case.algorithm.load())
    assert trained.num_parameters > 0
    env = case.world()
    actions, observations = spaces_of(env).actions, np.random.default_rng(0).random((7, 2), np.float32)
    for sample in (False, True):
        policy = trained.policy(sample)
        policy.begin(np.arange(7), np.arange(7), None)
        assert actions.contains(policy.act(observations)).all()
        alone = play(policy, env, 10, num_envs=1)
        for num_envs in (3, 10):
            np.testing.assert_array_equal(play(policy, env, 10, num_envs).returns, alone.returns)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_its_greedy_action_is_the_one_stable_baselines3_predicts(case: Case, tmp_path: Path) -> None:
    trained = case.fit(case.task(), Log(tmp_path))
    model: Any = trained.model
    count, policy = 500, trained.policy()  # actions that another rule chooses are alike in most of them
    observations = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
    policy.begin(np.arange(count), np.arange(count), None)
    normalized = model.get_vec_normalize_env().normalize_obs(observations)
    expected, _ = model.predict(normalized, episode_start=np.ones(count, bool), deterministic=True)
    np.testing.assert_allclose(policy.act(observations), expected, atol=1e-5)


@pytest.mark.parametrize("case", ALONE)
def test_it_refuses_other_actions_in_one_line(case: Case, tmp_path: Path) -> None:
    for kind in sorted(ANY_ACTIONS - case.algorithm.action_kinds):
        with pytest.raises(InputError, match=r" needs a .* action space, Match-.* has .*; agents that fit: ") as caught:
            case.fit(case.task(kind), Log(tmp_path))
        assert "\n" not in str(caught.value)
        named = str(caught.value).partition("agents that fit: ")[2].split(", ")
        for name in named:
            card = agent_cards.agent(name)
            assert kind in LEARNERS[card.learner].action_kinds(card.defaults)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_saved_agent_acts_the_same(case: Case, tmp_path: Path) -> None:
    task, env = case.task(), case.world()
    trained = case.fit(task, Log(tmp_path / "run"))
    trained.save(tmp_path / "saved")  # type: ignore[attr-defined]
    loaded = learner(case.learner).load().load(tmp_path / "saved", task.env, task.hyperparameters)
    assert loaded.num_parameters == trained.num_parameters
    for sample in (False, True):
        a, b = (play(each.policy(sample), env, 5) for each in (trained, loaded))
        np.testing.assert_array_equal(a.returns, b.returns)
    described = json.loads((tmp_path / "saved" / "model.json").read_text())
    (tmp_path / "saved" / "model.json").write_text(json.dumps({**described, "algorithm": "another"}))
    with pytest.raises(InputError, match=f"holds a another, not a {case.algorithm.name}"):
        learner(case.learner).load().load(tmp_path / "saved", task.env, task.hyperparameters)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_costs_what_torch_counts(case: Case, tmp_path: Path) -> None:
    """Where torch's counter sees: of an LSTM it sees nothing."""
    # An end that is no cut: what stable-baselines3 bootstraps from cut episodes is left out of the formulas.
    world = case.world(terminates=True)
    task, spaces = case.task(env=world, **COUNTED), spaces_of(world)
    fresh: Any = learner(case.learner).load()()
    costs: list[Cost] = []
    with FlopCounterMode(display=False) as counter:
        costs.append(fresh.fit(task, Log(tmp_path)))
    record = RunRecord("E", "a", 0, "", cost=costs[0])
    found = LEARNERS[case.learner].flops(task.hyperparameters, spaces, record)
    actor = actor_of(case.algorithm, fresh.model)
    with torch.inference_mode(), FlopCounterMode(display=False) as of_actions:
        actor(torch.zeros(8, 2), None)
    seen = {"training": counter.get_total_flops(), "action": of_actions.get_total_flops() / 8}
    if any(isinstance(module, torch.nn.RNNBase) for module in fresh.model.policy.modules()):
        assert all(found[part] > seen[part] > 0 for part in seen)
    else:
        assert found == pytest.approx(seen, rel=1e-12)  # sums in another order


@pytest.mark.slow
@pytest.mark.parametrize("case", ALONE)
def test_a_checkpoint_holds_all_that_decides(case: Case, tmp_path: Path) -> None:
    """Restored into another training's model it is captured again, and no counter of the model is another."""
    task = case.task(normalize_rewards=True)
    trained, other = case.fit(task, Log(tmp_path / "a")), case.fit(case.task(steps=1), Log(tmp_path / "b"))
    arrays, state = states.capture(case.algorithm, trained.model, replay=case.acts_by_interaction)
    checkpoints.save(tmp_path / "c", arrays, state)
    found = checkpoints.load(tmp_path / "c")
    assert found is not None
    states.restore(case.algorithm, other.model, *found[:2])
    again, state_again = states.capture(case.algorithm, other.model, replay=case.acts_by_interaction)
    cut = {"replay.timeouts"}  # episodes that were running end there
    assert same({k: v for k, v in arrays.items() if k not in cut}, {k: v for k, v in again.items() if k not in cut})
    assert json.dumps(state, sort_keys=True) == json.dumps(state_again, sort_keys=True)
    assert counters(trained.model) == counters(other.model)


def counters(model: Any) -> dict[str, float]:
    """The numbers that a model keeps, but for those of one call of `learn`."""
    passing = ("start_time", "_total_timesteps", "_num_timesteps_at_start", "_episode_num")
    numbers = {key: value for key, value in vars(model).items() if isinstance(value, (int, float))}
    return {key: value for key, value in numbers.items() if key not in passing}


@pytest.mark.slow
@pytest.mark.parametrize("case", ALONE)
def test_a_stopped_training_goes_on_as_its_checkpoint_says(case: Case, tmp_path: Path) -> None:
    """On a log as if it had never stopped; environments begin new episodes, in every continuation the same."""
    task, ends = case.task(learning_rate={"start": 1e-2, "end": 0.0}), []
    log = Log(tmp_path / "stopped", stop_after=30 if case.acts_by_interaction else 12)
    with pytest.raises(Interrupted):
        case.fit(task, log)
    for name in ("a", "b"):
        shutil.copytree(tmp_path / "stopped", tmp_path / name)
        torch.rand(len(ends))  # another state of the global stream
        ends.append(weights(case.fit(task, Log(tmp_path / name))))
    if not case.acts_by_interaction:
        ends.append(weights(case.fit(task, Log(tmp_path / "whole"))))
    assert all(same(end, ends[0]) for end in ends)


@pytest.mark.slow
@pytest.mark.parametrize("case", [p for p in CASES if p.values[0].acts_by_interaction])  # type: ignore[attr-defined]
def test_its_zip_is_recognised(case: Case, tmp_path: Path) -> None:
    trained, env = case.fit(case.task(), Log(tmp_path)), case.world()
    export_zip(trained, tmp_path / "agent.zip")  # type: ignore[arg-type]
    back = read_zip(tmp_path / "agent.zip", trust=True, env=env).policy
    np.testing.assert_array_equal(play(back, env, 5).returns, play(trained.policy(), env, 5).returns)


def test_every_online_algorithm_has_zips() -> None:
    """They are classes of stable-baselines3 and sb3-contrib, of which others publish agents."""
    # A zip of DDPG names the policy of TD3 with one critic, and is read so.
    assert {name for name, algorithm in ONLINE.items() if not algorithm.zip_module} == {"DDPG"}
