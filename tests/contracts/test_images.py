"""What holds for every algorithm that sees images, of both registries, whatever the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.torch_layers import NatureCNN
from torch.utils.flop_counter import FlopCounterMode

from rlformer.agents import cards as agent_cards
from rlformer.agents import convolutions
from rlformer.agents.base import Task
from rlformer.agents.learners import LEARNERS, learner
from rlformer.agents.offline.algorithms import ALGORITHMS as OFFLINE
from rlformer.agents.online.algorithms import ALGORITHMS as ONLINE
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.extractors import PartsExtractor
from rlformer.agents.online.images import layers_of
from rlformer.agents.online.policy import actor_of
from rlformer.agents.online.zips import export_zip, read_zip
from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EnvSpec, Window
from rlformer.envs.make import spaces_of
from rlformer.envs.rollout import RandomPolicy
from rlformer.envs.vector import Environments
from rlformer.runs.record import RunRecord
from tests.support.make_images import SHAPES, bright
from tests.support.make_training import Log, match, play, played

REGISTRIES = {"sb3": ONLINE, "offline": OFFLINE}
CARDS = [card for card in agent_cards.agents().values() if card.learner in REGISTRIES]
SMALL = {
    "hidden": [8], "lstm_hidden_size": 8, "num_envs": 1, "batch_size": 16, "steps": 64, "n_epochs": 1,
    "buffer_size": 200, "learning_starts": 32, "train_freq": 4, "n_quantiles": 5,
    "exploration_initial_eps": 0.0, "exploration_final_eps": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """An algorithm that sees, in a kind of world."""

    learner: str
    algorithm: Algorithm
    kind: str

    def world(self, **kwargs: Any) -> EnvSpec:
        """Where it acts, which says what it allows where the algorithm has to know."""
        return bright(self.kind, **kwargs, **({"masked": True} if self.algorithm.masked else {}))

    def task(self, **kwargs: Any) -> Task:
        card = next(c for c in CARDS if c.defaults["algorithm"] == self.algorithm.name)
        online = LEARNERS[self.learner].steps_env
        small = {**SMALL, "gradient_steps": 1 if online else 6}
        small |= {} if "buffer_size" in card.defaults else {"n_steps": 16}
        values = {key: small.get(key, value) for key, value in card.defaults.items()}
        env = self.world(**kwargs)
        log = None if online else played(env, RandomPolicy(spaces_of(env).actions), 8)
        return Task(env=env if online else None, dataset=log, hyperparameters=values, seed=0)


CASES = [
    pytest.param(Case(name, algorithm, kind), id=f"{algorithm.name}-{kind}")
    for name, registry in REGISTRIES.items()
    for algorithm in registry.values()
    if algorithm.counts_of_images is not None
    for kind in SHAPES
]
BLIND = [
    pytest.param(name, algorithm, id=algorithm.name)
    for name, registry in REGISTRIES.items()
    for algorithm in registry.values()
    if algorithm.counts_of_images is None
]


def test_ppo_and_dqn_see_online_and_cql_in_a_log() -> None:
    seeing = {algorithm.name for registry in REGISTRIES.values() for algorithm in registry.values()} - {
        algorithm.values[1].name  # type: ignore[attr-defined]
        for algorithm in BLIND
    }
    assert {"PPO", "DQN", "CQL", "RecurrentPPO"} <= seeing


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_costs_what_torch_counts_and_acts_as_it_was_trained(case: Case, tmp_path: Path) -> None:
    task = case.task(terminates=True)
    fresh: Any = learner(case.learner).load()()
    costs: list[Cost] = []
    with FlopCounterMode(display=False) as counter:
        costs.append(fresh.fit(task, Log(tmp_path)))
    model, env = fresh.model, case.world()
    spaces = spaces_of(env)
    expected = NatureCNN if case.kind == "picture" else PartsExtractor
    assert model.policy.features_extractor_class is expected
    found = LEARNERS[case.learner].flops(task.hyperparameters, spaces, RunRecord("E", "a", 0, "", cost=costs[0]))
    actor = actor_of(case.algorithm, model)
    with torch.inference_mode(), FlopCounterMode(display=False) as of_actions:
        actor(torch.zeros(4, *model.observation_space.shape), None)
    # Stable-baselines3 tries its CNN once as it is made, to see what comes out.
    built = sum(isinstance(module, NatureCNN) for module in model.policy.modules())
    tried = built * convolutions.work(layers_of(spaces.observation.parts[0])).forward if built else 0
    seen = {"training": counter.get_total_flops() - tried, "action": of_actions.get_total_flops() / 4}
    if any(isinstance(module, torch.nn.RNNBase) for module in model.policy.modules()):
        assert found["action"] > seen["action"] > 0
        assert found["training"] > 0.7 * seen["training"] > 0  # short episodes are padded, which is left out
    else:
        assert found == pytest.approx(seen, rel=1e-12)

    first = Environments(env, 5).reset(np.arange(5), np.arange(5))
    policy = fresh.policy()
    policy.begin(np.arange(5), np.arange(5), None)
    read = first.reshape(5, *model.observation_space.shape)
    predicted, _ = model.predict(read, episode_start=np.ones(5, bool), deterministic=True)
    np.testing.assert_array_equal(policy.act(first), predicted)
    alone = play(policy, env, 6, num_envs=1)
    np.testing.assert_array_equal(play(policy, env, 6, num_envs=6).returns, alone.returns)

    fresh.save(tmp_path / "saved")
    loaded = learner(case.learner).load().load(tmp_path / "saved", env, task.hyperparameters)
    np.testing.assert_array_equal(play(loaded.policy(), env, 6).returns, alone.returns)

    flat = torch.from_numpy(first.reshape(5, 1, -1)).float().requires_grad_()  # as explanations have them
    returns, mask = torch.zeros(5, 1), torch.ones(5, 1, dtype=torch.bool)
    scores = policy.scores(Window(flat, torch.zeros(5, 1), returns, torch.zeros(5, 1, dtype=torch.long), mask))
    scores.sum().backward()
    assert flat.grad is not None
    assert flat.grad.abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHAPES)
def test_a_zip_reads_the_very_images_it_was_trained_on(kind: str, tmp_path: Path) -> None:
    fresh: Any = learner("sb3").load()()
    fresh.fit(Case("sb3", ONLINE["PPO"], kind).task(), Log(tmp_path))
    export_zip(fresh, tmp_path / "agent.zip")
    back = read_zip(tmp_path / "agent.zip", trust=True, env=bright(kind)).policy
    own = play(fresh.policy(), bright(kind), 5)
    np.testing.assert_array_equal(play(back, bright(kind), 5).returns, own.returns)
    told = (
        r"reads (images \(1, 36, 38\) through a ActorCriticCnnPolicy, which is not supported in Match-.*|\d+ numbers)"
    )
    with pytest.raises(InputError, match=told) as caught:
        read_zip(tmp_path / "agent.zip", trust=True, env=match("discrete"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "algorithm"), BLIND)
def test_what_learns_from_vectors_alone_says_so_in_one_line(name: str, algorithm: Algorithm) -> None:
    card = next(c for c in CARDS if c.learner == name and c.defaults["algorithm"] == algorithm.name)
    kind: Any = learner(name).load()
    env = bright("map")
    if "discrete" not in algorithm.action_kinds:
        pytest.skip("its actions are others")
    with pytest.raises(InputError, match=r"learns from vectors alone, Bright-map shows images .*; agents that see: "):
        kind.check(env, card.defaults)


@pytest.mark.slow
def test_ppo_learns_what_it_sees(tmp_path: Path) -> None:
    values = {**agent_cards.agent("ppo").defaults, "steps": 4096, "num_envs": 4, "n_steps": 64, "learning_rate": 1e-3}
    fresh: Any = learner("sb3").load()()
    fresh.fit(Task(bright("dict"), None, {**values, "n_epochs": 4}, seed=0), Log(tmp_path))
    assert play(fresh.policy(), bright("dict"), 20).returns.mean() > 4.5  # of 5, by chance 2.5
