"""Counted operations: formulas by hand where torch's own counter sees nothing, and those of every card.

That each backbone, encoder and agent costs what torch counts is in contracts/. Both count matrix products alone, a
multiply-add as two operations, so that nothing is left to tolerate: equal means equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rlformer.agents import cards as agent_cards
from rlformer.agents.flops import of_run
from rlformer.agents.learners import LEARNERS
from rlformer.agents.sequence.work import acting
from rlformer.core.flops import Work, depthwise, gru, lstm
from rlformer.core.records import Cost, EnvSpec, Window
from rlformer.core.spaces import ObservationSpec, Spaces
from rlformer.data.windows import Windows
from rlformer.runs.record import RunRecord
from tests.support.make_sequences import MODELS, SPACES, STREAMING, log, model


def counted(work: Callable[[], Any]) -> float:
    """What torch's counter sees of it."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def test_an_lstm_is_counted_by_hand_since_torchs_counter_sees_nothing_of_it() -> None:
    cell = torch.nn.LSTM(3, 5)
    assert counted(lambda: cell(torch.zeros(1, 1, 3))) == 0
    # Four gates of 5 numbers, each from 3 inputs and 5 of the state: 4 * 5 * 8 multiply-adds. Backward: as many for
    # the weights, 4 * 5 * 5 for the state, and 4 * 5 * 3 for the inputs where they want a gradient.
    assert lstm(3, 5, input_gradient=False) == Work(2 * 160, 2 * (160 + 100))
    assert lstm(3, 5) == Work(2 * 160, 2 * (160 + 100 + 60))
    assert lstm(3, 5, layers=2) == Work(2 * (160 + 200), 2 * (160 + 160 + 200 + 200))


def test_a_gru_is_counted_by_hand_too() -> None:
    assert gru(3, 5) == Work(2 * 3 * 5 * (3 + 5), 2 * 2 * 3 * 5 * (3 + 5))
    assert gru(3, 5, layers=2, input_gradient=False).backward == 2 * 3 * (5 * 3 + 2 * 5 * 5 + 2 * 5 * 10)


def test_filters_are_counted_as_torch_counts_a_depthwise_convolution() -> None:
    filters, rows = torch.nn.Conv1d(7, 7, 4, groups=7), torch.zeros(1, 7, 4 + 9 - 1)
    assert counted(lambda: filters(rows)) == 9 * depthwise(7, 4).forward
    assert depthwise(7, 4).backward == 2 * depthwise(7, 4).forward


@pytest.mark.parametrize("name", STREAMING)
def test_an_action_of_a_streaming_model_is_what_torch_counts_and_sums_of_products_by_hand(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    a = built.architecture
    batch = Windows(log(SPACES["discrete"], lengths=(20,)), a.context_length).at(torch.tensor([3]))
    latest = Window(*(value[:, -1:] for value in vars(batch).values()))
    memory, before = torch.zeros(1, *built.memory_shape), batch.actions[:, -2]
    with torch.no_grad():
        seen = counted(lambda: built.step(latest, before, memory))
    kept = a.memory_length * a.tokens_per_step + 1
    each = {"conv": 2 * a.conv_window, "transformer-xl": 6 * kept}.get(a.backbone, 4 * a.attention_band)
    by_hand = a.layers * a.tokens_per_step * each * a.width  # no products to torch's counter
    assert acting(a).forward == seen + by_hand


# Runs.


@pytest.mark.parametrize("name", [name for name, card in agent_cards.agents().items() if LEARNERS[card.learner].acts])
def test_every_card_can_be_counted(name: str) -> None:
    card = agent_cards.agent(name)
    space = "box" if card.defaults.get("algorithm") in ("SAC", "TD3", "TD3-BC") else "discrete"
    cost = Cost(5000, samples_seen=5000, evaluation_env_steps=7)
    record = RunRecord("E", "a", 0, "", cost=cost, progress={"done": 5})
    found = of_run(
        agent_cards.resolve(EnvSpec("CartPole-v1", "CartPole-v1"), name),
        Spaces(ObservationSpec.vector(4), SPACES[space]),
        record,
    )
    assert set(found) == {"action", "training", "evaluation"}
    assert all(value >= 0 for value in found.values())
    assert found["evaluation"] == 7 * found["action"]  # one action in each step: apart from learning
