"""Counted operations of the algorithms on stable-baselines3's networks: whole trainings against torch's counter.

What holds for each algorithm of the registries is in `contracts/test_algorithms.py`; here is what one setting adds, and
what is counted by hand.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.offline import OFFLINE
from rlformer.agents.offline.training import Training as OfflineTraining
from rlformer.agents.online import ONLINE
from rlformer.agents.online.algorithms.dqn import DQN
from rlformer.agents.online.algorithms.recurrent_ppo import RECURRENT_PPO
from rlformer.agents.online.policy import actor_of
from rlformer.agents.online.training import Training as OnlineTraining
from rlformer.core.records import Cost, EnvSpec
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.runs.record import RunRecord
from tests.support.make_sequences import OBSERVATION, SPACES, log
from tests.support.make_training import Log

# No exploration, so that no step is taken without the network; a whole number of rollouts and of delayed updates.
SETTINGS = {
    "ppo": ("CartPole-v1", "steps=256", "num_envs=2", "n_steps=64", "n_epochs=2"),
    "a2c": ("Pendulum-v1", "steps=80", "num_envs=4", "n_steps=5"),
    "ppo-sde": ("Pendulum-v1", "steps=128", "num_envs=2", "n_steps=64", "n_epochs=1", "use_sde=true"),
    "dqn": (
        "CartPole-v1", "steps=128", "num_envs=2", "learning_starts=32", "train_freq=4", "gradient_steps=3",
        "exploration_initial_eps=0.0", "exploration_final_eps=0.0",
    ),
    "sac": ("Pendulum-v1", "steps=64", "learning_starts=32", "batch_size=16", "hidden=[32, 16]"),
    "td3": ("Pendulum-v1", "steps=64", "learning_starts=32", "batch_size=16", "hidden=[32, 16]"),
}  # fmt: skip


def counted(work: Callable[[], Any]) -> float:
    """What torch's counter sees of it."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def record(env_steps: int = 0, samples: int = 0) -> RunRecord:
    return RunRecord("E", "a", 0, "", cost=Cost(env_steps, samples_seen=samples))


def training_of(name: str, folder: Path) -> tuple[OnlineTraining, Mapping[str, Any], EnvSpec]:
    env, *overrides = SETTINGS[name]
    spec = env_cards.environment(env)
    values = resolve(spec, name.partition("-")[0], overrides).values
    return OnlineTraining(Task(spec, None, values, seed=0), Log(folder)), values, spec


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_by_interaction_costs_what_torch_counts(name: str, tmp_path: Path) -> None:
    training, values, env = training_of(name, tmp_path)
    seen, cost, spaces = counted(training.run), training.cost, spaces_of(env)
    assert cost.samples_seen > 0
    found = ONLINE.flops(values, spaces, record(cost.env_steps, cost.samples_seen))
    assert found["training"] == pytest.approx(seen, rel=1e-12)  # sums in another order


@pytest.mark.parametrize(("name", "space"), [("cql", "discrete"), ("td3-bc", "box")])
def test_a_training_on_a_log_costs_what_torch_counts(name: str, space: str, tmp_path: Path) -> None:
    values = resolve(env_cards.environment("X-v0"), name, ("gradient_steps=8", "hidden=[32, 16]")).values
    training = OfflineTraining(Task(None, log(SPACES[space]), values, seed=0), Log(tmp_path))
    seen = counted(training.run)
    found = OFFLINE.flops(values, Spaces(OBSERVATION, SPACES[space]), record(0, training.cost.samples_seen))
    assert found["training"] == pytest.approx(seen, rel=1e-12)


@pytest.mark.parametrize("name", ["ppo", "dqn", "sac", "td3"])
def test_an_action_of_an_agent_costs_what_torch_counts(name: str, tmp_path: Path) -> None:
    training, values, env = training_of(name, tmp_path)
    spaces, actor = spaces_of(env), actor_of(training.algorithm, training.model)
    found = ONLINE.flops(values, spaces, record())
    with torch.inference_mode():
        assert 8 * found["action"] == counted(lambda: actor(torch.zeros(8, spaces.observation.size), None))


def test_recurrent_ppo_by_hand() -> None:
    values = {"lstm_hidden_size": 5, "hidden": [7], "n_steps": 10}
    found = RECURRENT_PPO.counts(values, 3, 2)
    memory, state = 4 * 5 * (3 + 5), 4 * 5 * 5
    actor, critic = 5 * 7 + 7 * 2, 5 * 7 + 7 * 1
    assert found.action == 2 * (memory + actor)
    assert found.step == 2 * (2 * memory + actor + critic) + 2 * (memory + critic) / 10  # each rollout's last value
    assert found.sample == 2 * (2 * (2 * memory + state) + 3 * (actor + critic))


def test_exploring_steps_of_dqn_do_not_ask_the_network() -> None:
    values = {"hidden": [8], "steps": 100, "learning_starts": 0, "exploration_fraction": 0.5,
              "exploration_initial_eps": 1.0, "exploration_final_eps": 0.2}  # fmt: skip
    network = 2 * (3 * 8 + 8 * 2)
    # Epsilon is .6 on average over the first half and .2 over the second.
    assert DQN.counts(values, 3, 2).step == pytest.approx(0.6 * network)
    late = DQN.counts({**values, "learning_starts": 50}, 3, 2)
    assert (late.step, late.first_step) == (pytest.approx(0.8 * network), 50)
    assert DQN.counts({**values, "learning_starts": 500}, 3, 2).first_step == 100


def test_first_steps_that_are_drawn_cost_nothing() -> None:
    values = {**resolve(EnvSpec("E", "E"), "sac").values, "learning_starts": 50}
    box = ActionSpec("box", (), (-1.0,), (1.0,))
    assert ONLINE.flops(values, Spaces(OBSERVATION, box), record(50))["training"] == 0.0
    network = 2 * (3 * 256 + 256 * 256 + 2 * 256)  # mean and standard deviation of one real
    assert ONLINE.flops(values, Spaces(OBSERVATION, box), record(51))["training"] == network
