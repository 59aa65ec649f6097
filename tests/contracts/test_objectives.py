"""What holds of every objective in the registry, in every action space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rlformer import statistics
from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.sequence import objectives
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.flops import of_run
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.objectives import OBJECTIVES, objective
from rlformer.agents.sequence.objectives.base import ObjectiveOptions
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec, Window
from rlformer.core.spaces import Spaces
from rlformer.data.windows import Windows
from tests.agents.test_training import exact, fit
from tests.contracts.test_backbones import counted, record, values_of
from tests.support.make_sequences import CONTEXT, OBSERVATION, SPACES, Journal, changed, log, model, windows_for

every_objective = pytest.mark.parametrize("name", OBJECTIVES)
every_space = pytest.mark.parametrize("space", SPACES)


ALONE: Mapping[str, Any] = {  # what an objective cannot do without
    "chunks": {"backbone": "encoder-decoder", "chunk_length": 3},
    "reinformer": {"conditioning": "predicted", "tokens": "separate"},
}


def fitting(name: str, space: str) -> TrajectoryModel:
    """A model that it can train."""
    return model(SPACES[space], **{"context_length": CONTEXT, **ALONE.get(name, {})})


def parts(name: str, built: TrajectoryModel, window: Window) -> list[Tensor]:
    """The loss of each step and what else is logged."""
    losses, logged = OBJECTIVES[name].loss(built, window)
    return [losses, *logged.values()]


@every_objective
@every_space
def test_it_gives_a_number_a_step_and_none_at_padding(name: str, space: str) -> None:
    assert OBJECTIVES[name].name == name
    built = fitting(name, space)
    window = windows_for(built)
    assert not window.mask.all()
    for values in parts(name, built, window):
        assert values.shape == window.mask.shape
        assert values.isfinite().all()
        assert not values[~window.mask].any()
    assert OBJECTIVES[name].loss(built, window)[0][window.mask].abs().min() > 0


@every_objective
@every_space
def test_what_lies_behind_an_episode_changes_nothing(name: str, space: str) -> None:
    built = fitting(name, space)
    window = windows_for(built)
    garbage = changed(window, ~window.mask, SPACES[space])
    for before, after in zip(parts(name, built, window), parts(name, built, garbage), strict=True):
        assert before.equal(after)


@every_objective
def test_padding_has_no_gradient(name: str) -> None:
    built = fitting(name, "discrete")
    window = windows_for(built)
    window.observations.requires_grad_()
    OBJECTIVES[name].loss(built, window)[0].mean().backward()
    assert window.observations.grad[~window.mask].abs().max() == 0
    assert window.observations.grad[window.mask].abs().max() > 0


@pytest.mark.slow
@every_objective
@every_space
def test_it_can_be_descended(name: str, space: str) -> None:
    built = fitting(name, space)
    window = windows_for(built)
    optimizer = torch.optim.Adam(built.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = OBJECTIVES[name].loss(built, window)[0].sum() / window.mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@every_objective
def test_it_is_a_value_of_a_card(name: str, tmp_path: Path) -> None:
    values = {**agent_cards.agent("dt").defaults, "objective": name, **ALONE.get(name, {})}
    SequenceLearner.check(EnvSpec("World-v0", "World-v0"), values)


@pytest.mark.slow
@every_objective
@every_space
def test_a_gradient_step_of_it_costs_what_torch_counts(name: str, space: str) -> None:
    built, batch = fitting(name, space), 4
    window = Windows(log(SPACES[space]), CONTEXT).draw(batch, np.random.default_rng(0))
    values = {**values_of(built, batch), "objective": name}
    found = of_run(values, Spaces(OBSERVATION, SPACES[space]), record(done=1))["training"]
    assert found == counted(built, lambda: OBJECTIVES[name].loss(built, window)[0].mean().backward(), passes=3)


@pytest.mark.parametrize("expectile", [0.0, 1.0, -0.5])
def test_an_expectile_is_a_share_that_is_neither_nothing_nor_all(expectile: float) -> None:
    with pytest.raises(InputError) as error:
        agent_cards.resolve(EnvSpec("World-v0", "World-v0"), "reinformer", [f"expectile={expectile}"])
    assert str(error.value) == f"expectile: a number above 0 and below 1, got {expectile}"


@pytest.mark.parametrize("expectile", [0.5, 0.9, 0.99])
def test_the_return_that_reinformer_learns_is_the_expectile_of_the_logs(expectile: float) -> None:
    """Where nothing tells the episodes apart, the loss is least at the expectile of their returns."""
    built = fitting("reinformer", "discrete")
    torch.nn.init.zeros_(built.predict_return.weight)
    window = windows_for(built)
    known = window.returns_to_go[window.mask]
    loss = OBJECTIVES["reinformer"].make(ObjectiveOptions(expectile))
    shares = np.full(len(known), 1 / len(known))
    found = statistics.expectile(known.double().numpy(), shares, expectile)

    def at(value: float) -> float:
        torch.nn.init.constant_(built.predict_return.bias, value / float(built.return_scale))
        return loss(built, window)[1]["return_loss"].sum().item()

    assert at(found) < min(at(found - 0.05), at(found + 0.05))


def test_a_chunk_that_no_episode_holds_is_refused(tmp_path: Path) -> None:
    values = {**agent_cards.agent("dt-encdec").defaults, "chunk_length": 9}
    task = Task(None, log(SPACES["discrete"], lengths=(8, 7, 8)), values, seed=0)
    with pytest.raises(InputError) as error:
        SequenceLearner().fit(task, Journal(tmp_path))
    assert str(error.value) == "chunk_length: 9 actions, and the longest episode of the log has 8 steps: at most that"


@pytest.mark.parametrize(
    ("agent", "override", "message"),
    [
        ("dt-encdec", {"chunk_length": 11}, "chunk_length: 11 actions are learned from windows of context_length 10"),
        ("dt-encdec", {"objective": "imitation"}, "chunk_length: objective imitation teaches one action"),
        ("dt", {"chunk_length": 2}, "chunk_length: belongs to the encoder-decoder; with the transformer it must be 1"),
        ("dt", {"objective": "chunks"}, "objective: chunks needs a backbone that foresees them"),
    ],
)
def test_chunks_that_cannot_be_learned_are_refused(agent: str, override: dict[str, Any], message: str) -> None:
    values = {**agent_cards.agent(agent).defaults, **override}
    with pytest.raises(InputError) as error:
        SequenceLearner.check(EnvSpec("World-v0", "World-v0"), values)
    assert str(error.value).startswith(message)


def test_of_a_chunk_what_lies_behind_the_episode_does_not_count() -> None:
    built = fitting("chunks", "discrete")
    window = windows_for(built)
    chunks, losses = built.chunks(window), OBJECTIVES["chunks"].loss(built, window)[0]
    row = int(window.mask.sum(dim=1).eq(2).nonzero()[0])
    own = built.codec.loss(chunks[row, :2, 0], window.actions[row, :2])
    next_one = built.codec.loss(chunks[row, 0, 1], window.actions[row, 1])
    torch.testing.assert_close(losses[row, :2], torch.stack([(own[0] + next_one) / 2, own[1]]))
    torch.testing.assert_close(chunks[:, :, 0], built(window))


def test_reinformer_is_refused_where_the_return_is_asked_for() -> None:
    values = {**agent_cards.agent("dt").defaults, "objective": "reinformer"}
    with pytest.raises(InputError, match="conditioning must be 'predicted'"):
        SequenceLearner.check(EnvSpec("World-v0", "World-v0"), values)


def test_an_unknown_one_is_refused_before_any_work() -> None:
    values = {**agent_cards.agent("dt").defaults, "objective": "none such"}
    with pytest.raises(InputError) as error:
        SequenceLearner.check(EnvSpec("World-v0", "World-v0"), values)
    assert str(error.value) == f"objective: 'none such' is none of {', '.join(OBJECTIVES)}"


def test_a_backbone_that_reads_the_future_needs_one_that_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    both_ways = replace(BACKBONES["lstm"], name="both ways", bidirectional=True)
    monkeypatch.setitem(BACKBONES, "both ways", both_ways)
    architecture = Architecture(OBSERVATION, SPACES["discrete"], backbone="both ways")
    with pytest.raises(InputError, match="objective: imitation shows a model the future"):
        objective("imitation", architecture)
    hides = replace(OBJECTIVES["imitation"], name="masked", hides_the_future=True)
    monkeypatch.setitem(objectives.OBJECTIVES, "masked", hides)
    assert objective("masked", architecture) is hides


def test_what_it_logs_makes_curves_that_a_stop_does_not_change(tmp_path: Path) -> None:
    def loss(built: TrajectoryModel, window: Window) -> tuple[Tensor, Mapping[str, Tensor]]:
        losses, _ = OBJECTIVES["imitation"].loss(built, window)
        return losses, {"constant": window.mask * 3.0, "twice": 2 * losses}

    whole = Journal(tmp_path / "whole")
    fit("mlp-return-step", whole, objective=loss)
    assert set(whole.curve("train/constant").values()) == {3.0}
    assert list(whole.curve("train/twice").values()) == pytest.approx(
        [2 * value for value in whole.curve("train/loss").values()]
    )
    stopped = Journal(tmp_path / "stopped", stop_after=7)  # between two points
    with pytest.raises(Interrupted):
        fit("mlp-return-step", stopped, objective=loss)
    stopped.stop_in(None)
    fit("mlp-return-step", stopped, objective=loss)
    assert exact(stopped) == exact(whole)
