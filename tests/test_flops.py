"""Counted operations: the formulas against torch's own counter where it sees, and by hand where it does not.

Both count matrix products alone, a multiply-add as two operations, so that nothing is left to tolerate: equal means
equal. The backend of attention is MATH, since torch's counter sees nothing of a fused one on the CPU.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from rlformer.flops import rules, sequence
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rlformer import flops
from rlformer.agents import cards as agent_cards
from rlformer.agents.learners import LEARNERS
from rlformer.agents.sequence.training.step import imitate
from rlformer.core.records import Cost, Window
from rlformer.data.windows import Windows
from rlformer.runs.record import RunRecord
from tests.make_sequences import MODELS, OBSERVATION_SIZE, SPACES, log, model

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
