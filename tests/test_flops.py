"""Counted operations: the formulas against torch's own counter where it sees, and by hand where it does not.

Both count matrix products alone, a multiply-add as two operations, so that nothing is left to tolerate: equal means
equal. The backend of attention is MATH, since torch's counter sees nothing of a fused one on the CPU.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlformer.flops import agents, rules, sequence
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rlformer import flops
from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.learners import LEARNERS
from rlformer.agents.offline.offline_training import Training as OfflineTraining
from rlformer.agents.online.sb3_training import Training as OnlineTraining
from rlformer.agents.sequence.training.step import imitate
from rlformer.core.records import Cost, Window
from rlformer.core.spaces import ActionSpec
from rlformer.data.windows import Windows
from rlformer.envs import cards as env_cards
from rlformer.runs.record import RunRecord
from tests.make_sequences import MODELS, OBSERVATION_SIZE, SPACES, log, model
from tests.make_training import Log

SEEN = [name for name in MODELS if not name.startswith("lstm")]


def counted(work: Callable[[], Any]) -> float:
    """What torch's counter sees of it."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def record(env_steps: int = 0, samples: int = 0, **progress: int) -> RunRecord:
    return RunRecord("E", "a", 0, "", cost=Cost(env_steps, samples_seen=samples), progress=progress)


# Trajectory models.


@pytest.mark.parametrize("space", ["discrete", "multidiscrete", "box"])
@pytest.mark.parametrize("name", SEEN)
def test_a_gradient_step_of_a_trajectory_model_costs_what_torch_counts(name: str, space: str) -> None:
    dataset, batch = log(SPACES[space]), 4
    trained = model(SPACES[space], **MODELS[name])
    window = Windows(dataset, trained.architecture.context_length).draw(batch, np.random.default_rng(0))
    values = {**vars(trained.architecture), "batch_size": batch}
    found = flops.of_run("sequence", values, OBSERVATION_SIZE, SPACES[space], record(done=1))
    assert found["training"] == counted(lambda: imitate(trained, window).mean().backward())


@pytest.mark.parametrize("name", SEEN)
def test_an_action_of_a_trajectory_model_costs_what_torch_counts(name: str) -> None:
    trained = model(SPACES["discrete"], **MODELS[name])
    steps = trained.architecture.context_length
    window = Windows(log(SPACES["discrete"], lengths=(20,)), steps).at(torch.tensor([3]))
    values = vars(trained.architecture)
    found = flops.of_run("sequence", values, OBSERVATION_SIZE, SPACES["discrete"], record())
    if trained.architecture.streams:  # its sums of products are not products to torch's counter
        latest = Window(*(value[:, -1:] for value in vars(window).values()))
        memory, before = torch.zeros(1, *trained.memory_shape), window.actions[:, -2]
        with torch.no_grad():
            seen = counted(lambda: trained.step(latest, before, memory))
        by_hand = trained.architecture.layers * 4 * trained.architecture.attention_band * trained.architecture.width
        assert found == {"action": seen + by_hand}
        return
    with torch.no_grad():
        assert found == {"action": counted(lambda: trained.predict_at(window, torch.tensor([steps - 1])))}


def test_an_lstm_is_counted_by_hand_since_torchs_counter_sees_nothing_of_it() -> None:
    lstm = torch.nn.LSTM(3, 5)
    assert counted(lambda: lstm(torch.zeros(1, 1, 3))) == 0
    # Four gates of 5 numbers, each from 3 inputs and 5 of the state: 4 * 5 * 8 multiply-adds. Backward: as many for
    # the weights, 4 * 5 * 5 for the state, and 4 * 5 * 3 for the inputs where they want a gradient.
    assert rules.lstm(3, 5, input_gradient=False) == rules.Work(2 * 160, 2 * (160 + 100))
    assert rules.lstm(3, 5) == rules.Work(2 * 160, 2 * (160 + 100 + 60))
    assert rules.lstm(3, 5, layers=2) == rules.Work(2 * (160 + 200), 2 * (160 + 160 + 200 + 200))


@pytest.mark.parametrize("tokens", ["step", "separate"])
def test_an_lstm_model_is_its_lstm_and_what_torch_counts_of_the_rest(tokens: str) -> None:
    trained = model(SPACES["discrete"], **MODELS[f"lstm-return-{tokens}"])
    a = trained.architecture
    window = Windows(log(SPACES["discrete"]), a.context_length).draw(1, np.random.default_rng(0))
    read = a.context_length if tokens == "step" else 3 * a.context_length - 1
    rest = sequence.window(vars(a), OBSERVATION_SIZE, SPACES["discrete"]).training
    rest -= rules.lstm(a.width, a.width, a.layers).training * read
    assert rest == counted(lambda: imitate(trained, window).mean().backward())


# Agents on stable-baselines3's networks: whole trainings.

# No exploration, so that no step is taken without the network; a whole number of rollouts and of delayed updates.
ONLINE = {
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


@pytest.mark.parametrize("name", ONLINE)
def test_a_training_by_interaction_costs_what_torch_counts(name: str, tmp_path: Path) -> None:
    env, *overrides = ONLINE[name]
    spec = env_cards.environment(env)
    values = spec.resolve(spec, name.partition("-")[0], overrides).hyperparameters
    training = OnlineTraining(Task(spec, None, values, seed=0), Log(tmp_path))
    seen = counted(training.run)
    size = int(training.model.observation_space.shape[0])  # type: ignore[index]
    actions = ActionSpec("discrete", (2,)) if env == "CartPole-v1" else ActionSpec("box", (), (-2.0,), (2.0,))
    cost = training.cost
    assert cost.samples_seen > 0
    found = flops.of_run("sb3", values, size, actions, record(cost.env_steps, cost.samples_seen))
    assert found["training"] == pytest.approx(seen, rel=1e-12)  # sums in another order


@pytest.mark.parametrize(("name", "space"), [("cql", "discrete"), ("td3-bc", "box")])
def test_a_training_on_a_log_costs_what_torch_counts(name: str, space: str, tmp_path: Path) -> None:
    values = spec.resolve(env_cards.environment("X-v0"), name, ("gradient_steps=8", "hidden=[32, 16]"))
    task = Task(None, log(SPACES[space]), values.hyperparameters, seed=0)
    training = OfflineTraining(task, Log(tmp_path))
    seen = counted(training.run)
    record_ = record(0, training.cost.samples_seen)
    found = flops.of_run("offline", values.hyperparameters, OBSERVATION_SIZE, SPACES[space], record_)
    assert found["training"] == pytest.approx(seen, rel=1e-12)


@pytest.mark.parametrize(("name", "learner"), [("ppo", "sb3"), ("dqn", "sb3"), ("sac", "sb3"), ("td3", "sb3")])
def test_an_action_of_an_agent_costs_what_torch_counts(name: str, learner: str, tmp_path: Path) -> None:
    env, *overrides = ONLINE[name]
    spec = env_cards.environment(env)
    values = spec.resolve(spec, name, overrides).hyperparameters
    training = OnlineTraining(Task(spec, None, values, seed=0), Log(tmp_path))
    from rlformer.agents.online.sb3_training import policy

    size = int(training.model.observation_space.shape[0])  # type: ignore[index]
    acting = policy(training.model)
    acting.begin(np.arange(8), np.arange(8), None)
    actions = ActionSpec("discrete", (2,)) if env == "CartPole-v1" else ActionSpec("box", (), (-2.0,), (2.0,))
    found = flops.of_run(learner, values, size, actions, record())
    assert 8 * found["action"] == counted(lambda: acting.act(np.zeros((8, size), np.float32)))


def test_recurrent_ppo_by_hand() -> None:
    values = {"algorithm": "RecurrentPPO", "lstm_hidden_size": 5, "hidden": [7], "n_steps": 10}
    found = agents.agent(values, 3, ActionSpec("discrete", (2,)))
    memory, state = 4 * 5 * (3 + 5), 4 * 5 * 5
    actor, critic = 5 * 7 + 7 * 2, 5 * 7 + 7 * 1
    assert found.action == 2 * (memory + actor)
    assert found.step == 2 * (2 * memory + actor + critic) + 2 * (memory + critic) / 10  # each rollout's last value
    assert found.sample == 2 * (2 * (2 * memory + state) + 3 * (actor + critic))


def test_exploring_steps_of_dqn_do_not_ask_the_network() -> None:
    values = {"algorithm": "DQN", "hidden": [8], "steps": 100, "learning_starts": 0, "exploration_fraction": 0.5,
              "exploration_initial_eps": 1.0, "exploration_final_eps": 0.2}  # fmt: skip
    discrete = ActionSpec("discrete", (2,))
    network = 2 * (3 * 8 + 8 * 2)
    # Epsilon is .6 on average over the first half and .2 over the second.
    assert agents.agent(values, 3, discrete).step == pytest.approx(0.6 * network)
    late = agents.agent({**values, "learning_starts": 50}, 3, discrete)
    assert (late.step, late.first_step) == (pytest.approx(0.8 * network), 50)
    assert agents.agent({**values, "learning_starts": 500}, 3, discrete).first_step == 100


# Runs.


def test_every_learner_has_a_count_and_an_unknown_one_has_none() -> None:
    assert set(flops.COUNTERS) == set(LEARNERS)
    assert flops.of_run("mine", {}, 3, SPACES["discrete"], record()) == {}
    assert flops.of_run("behaviour", {}, 3, SPACES["discrete"], record()) == {"training": 0.0}


@pytest.mark.parametrize("name", [name for name, card in agent_cards.agents().items() if card.learner != "behaviour"])
def test_every_card_can_be_counted(name: str) -> None:
    card = agent_cards.agent(name)
    space = "box" if card.defaults.get("algorithm") in ("SAC", "TD3", "TD3-BC") else "discrete"
    found = flops.of_run(card.learner, card.resolve("CartPole-v1"), 4, SPACES[space], record(5000, 5000, done=5))
    assert set(found) == {"action", "training"}
    assert all(value >= 0 for value in found.values())
