"""What holds of every objective in the registry, in every action space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rlformer.agents import cards as agent_cards
from rlformer.agents.sequence import objectives
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.objectives import OBJECTIVES, objective
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec, Window
from tests.agents.test_training import exact, fit
from tests.support.make_sequences import OBSERVATION, SPACES, Journal, changed, model, windows_for

every_objective = pytest.mark.parametrize("name", OBJECTIVES)
every_space = pytest.mark.parametrize("space", SPACES)


def parts(name: str, built: TrajectoryModel, window: Window) -> list[Tensor]:
    """The loss of each step and what else is logged."""
    losses, logged = OBJECTIVES[name].loss(built, window)
    return [losses, *logged.values()]


@every_objective
@every_space
def test_it_gives_a_number_a_step_and_none_at_padding(name: str, space: str) -> None:
    assert OBJECTIVES[name].name == name
    built = model(SPACES[space], context_length=5)
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
    built = model(SPACES[space], context_length=5)
    window = windows_for(built)
    garbage = changed(window, ~window.mask, SPACES[space])
    for before, after in zip(parts(name, built, window), parts(name, built, garbage), strict=True):
        assert before.equal(after)


@every_objective
def test_padding_has_no_gradient(name: str) -> None:
    built = model(SPACES["discrete"], context_length=5)
    window = windows_for(built)
    window.observations.requires_grad_()
    OBJECTIVES[name].loss(built, window)[0].mean().backward()
    assert window.observations.grad[~window.mask].abs().max() == 0
    assert window.observations.grad[window.mask].abs().max() > 0


@pytest.mark.slow
@every_objective
@every_space
def test_it_can_be_descended(name: str, space: str) -> None:
    built = model(SPACES[space], context_length=5)
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
    values = {**agent_cards.agent("dt").defaults, "objective": name}
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
