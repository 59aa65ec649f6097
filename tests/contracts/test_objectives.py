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
from rlformer.agents.sequence.objectives import OBJECTIVES, PRETRAININGS, objective
from rlformer.agents.sequence.objectives.base import ObjectiveOptions, equip, strip
from rlformer.agents.sequence.objectives.masked import hidden_tokens
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
    "masked": {"tokens": "separate", "timestep_encoding": "window"},
    "autoencoder": {"latent_width": 2, "latent_frozen": False},
    "reinformer": {"conditioning": "predicted", "tokens": "separate"},
}


def fitting(name: str, space: str) -> TrajectoryModel:
    """A model that it can train, with what it teaches with."""
    built = model(SPACES[space], **{"context_length": CONTEXT, **ALONE.get(name, {})})
    torch.manual_seed(2)
    equip(built, (OBJECTIVES | PRETRAININGS)[name])
    return built.eval()


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


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PRETRAININGS if name not in OBJECTIVES])
def test_a_pretraining_has_no_loss_at_padding_costs_what_torch_counts_and_leaves_what_acts(name: str) -> None:
    built, batch = fitting(name, "box"), 4
    window, plain = windows_for(built), model(SPACES["box"], **{"context_length": CONTEXT, **ALONE.get(name, {})})
    losses, _ = PRETRAININGS[name].loss(built, window)
    assert losses.shape == window.mask.shape
    assert not losses[~window.mask].any()
    assert losses[window.mask].abs().min() > 0
    few = Windows(log(SPACES["box"]), CONTEXT).draw(batch, np.random.default_rng(0))
    values = {**values_of(built, batch), "pretraining": name, "pretraining_share": 0.5, "gradient_steps": 2}
    spaces, one = Spaces(OBSERVATION, SPACES["box"]), {**values, "pretraining": "none"}
    half = of_run(one, spaces, record(done=1))["training"]
    both = of_run(values, spaces, record(done=2))["training"]
    counts = counted(built, lambda: PRETRAININGS[name].loss(built, few)[0].mean().backward(), passes=3)
    assert both - half == counts
    assert of_run(values, spaces, record(done=1))["training"] == counts
    strip(built)
    assert built.state_dict().keys() == plain.state_dict().keys()


def test_next_tokens_of_a_chain_can_be_learned_and_random_ones_cannot() -> None:
    loss = {}
    for name in ("synthetic", "random-tokens"):
        built, window = fitting(name, "discrete"), Windows(log(SPACES["discrete"]), CONTEXT).at(torch.zeros(256).long())
        chain = built.auxiliary[name]
        states = chain.draw(20_000, 2, torch.Generator().manual_seed(1))
        counts = torch.zeros(100, 100).index_put_((states[:, 0], states[:, 1]), torch.ones(()), accumulate=True)
        shares = torch.diff(chain.below, dim=1, prepend=torch.zeros(100, 1))
        torch.testing.assert_close(counts / counts.sum(1, keepdim=True), shares, atol=0.12, rtol=0)
        loss[name] = float(-(shares * shares.log()).sum(dim=1).mean())
        assert PRETRAININGS[name].loss(built, window)[0].isfinite().all()
    assert loss["random-tokens"] == pytest.approx(np.log(100), abs=1e-4)
    assert loss["synthetic"] < 0.75 * loss["random-tokens"]


@torch.no_grad()
def test_what_is_hidden_is_not_read_and_is_made_of_both_sides() -> None:
    built = fitting("masked", "discrete")
    window = Windows(log(SPACES["discrete"], lengths=(20,)), CONTEXT).at(torch.arange(1))
    tokens, kinds = built.embed(window), built.architecture.tokens_per_step
    absent = torch.zeros(1, tokens.shape[1], dtype=torch.bool)
    before = built.backbone.both_ways(tokens, absent)
    later = tokens.clone()
    later[:, -1] += torch.linspace(-1.0, 2.0, 16)
    assert not built.backbone.both_ways(later, absent)[:, 0].allclose(before[:, 0], atol=1e-4)
    absent[:, -1] = True
    hidden = built.backbone.both_ways(later, absent)
    torch.testing.assert_close(hidden[:, :-1], built.backbone.both_ways(tokens, absent)[:, :-1])
    causal = built.backbone(later, slice(None))
    torch.testing.assert_close(causal[:, :-1], built.backbone(tokens, slice(None))[:, :-1])
    assert kinds == 3


@pytest.mark.parametrize("least", [0.3, 0.7])
def test_as_many_tokens_are_hidden_as_the_ratio_says(least: float) -> None:
    torch.manual_seed(0)
    real = torch.ones(4000, 30, dtype=torch.bool)
    real[:, 20:] = False
    shares = hidden_tokens(real, least, 0.8, True)[:, :20].float().mean(dim=1)
    assert shares.mean().item() == pytest.approx((least + 0.8) / 2, abs=0.01)
    assert not hidden_tokens(real, least, 0.8, True)[:, 20:].any()
    assert hidden_tokens(real, least, 0.8, False).equal(hidden_tokens(real, least, 0.8, False))


@pytest.mark.parametrize(
    ("agent", "override", "message"),
    [
        ("dt-masked", {"mask_ratio_most": 1.0}, "mask_ratio_most: a number above 0 and below 1, got 1.0"),
        ("dt-masked", {"mask_ratio_least": 0.0}, "mask_ratio_least: a number above 0 and below 1, got 0.0"),
        ("dt-masked", {"mask_ratio_least": 0.9}, "mask_ratio_least: 0.9 is above mask_ratio_most 0.85"),
        (
            "dt",
            {"objective": "masked"},
            "objective: masked hides observations and actions apart: tokens must be 'separate'",
        ),
        ("dt-masked", {"tokens": "step"}, "pretraining: masked hides observations and actions apart"),
        ("dt-masked", {"timestep_encoding": "none"}, "pretraining: masked needs to know where a token was hidden"),
        ("dt-lstm", {"pretraining": "masked"}, "pretraining: masked needs a backbone that reads in both directions"),
        (
            "dt",
            {"pretraining": "wikipedia"},
            "pretraining: 'wikipedia' is none of none, masked, autoencoder, synthetic",
        ),
        ("dt", {"pretraining": "autoencoder"}, "pretraining: an autoencoder needs a latent"),
        ("dt", {"latent_width": 2}, "latent_frozen: nothing has made the latent"),
        ("dt-k1", {"pretraining": "synthetic"}, "pretraining: a chain needs tokens that follow each other"),
        ("dt-pretrained", {"gradient_steps": 1}, "pretraining_share: 0.5 of 1 gradient steps leaves none"),
        ("dt-latent", {"latent_width": 5}, "latent_width: 5 is more than the 4 numbers of an observation"),
    ],
)
def test_a_pretraining_that_cannot_be_is_refused(agent: str, override: dict[str, Any], message: str) -> None:
    values = {**agent_cards.agent(agent).defaults, **override}
    with pytest.raises(InputError) as error:
        SequenceLearner.check(EnvSpec("CartPole-v1", "CartPole-v1"), values)
    assert str(error.value).startswith(message)


SMALL: Mapping[str, Any] = {
    "gradient_steps": 40, "width": 16, "batch_size": 8, "layers": 1, "validate_every": 10, "warmup_steps": 2,
    "weight_decay": 0.1,
}  # fmt: skip


def fitted(agent: str, directory: Path, **values: Any) -> tuple[SequenceLearner, Journal]:
    journal, learner = values.pop("journal", Journal(directory)), SequenceLearner()
    learner.fit(
        Task(None, log(SPACES["discrete"]), {**agent_cards.agent(agent).defaults, **SMALL, **values}, 0), journal
    )
    return learner, journal


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["dt-masked", "dt-pretrained", "dt-latent"])
def test_a_pretraining_comes_first_and_a_stop_in_it_changes_nothing(agent: str, tmp_path: Path) -> None:
    whole, journal = fitted(agent, tmp_path / "whole", log_every=1)
    assert whole.model is not None
    assert not whole.model.auxiliary
    assert [step for step, values in journal.points.items() if "train/held_out_loss" in values] == [30, 40]
    stopped = Journal(tmp_path / "stopped", stop_after=11)
    with pytest.raises(Interrupted):
        fitted(agent, tmp_path / "stopped", journal=stopped)
    stopped.stop_in(14)  # now behind it
    with pytest.raises(Interrupted):
        fitted(agent, tmp_path / "stopped", journal=stopped)
    stopped.stop_in(None)
    again, _ = fitted(agent, tmp_path / "stopped", journal=stopped)
    assert again.digest == whole.digest


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_latent_is_the_autoencoders_and_the_policy_reads_nothing_else(frozen: bool, tmp_path: Path) -> None:
    values = {"latent_frozen": frozen, "patience": 0}
    at_end = fitted("dt-latent", tmp_path / "end", **values)[0].model
    short = {**values, "gradient_steps": 21, "pretraining_share": 20 / 21}  # one step of imitation
    at_once = fitted("dt-latent", tmp_path / "once", **short)[0].model
    assert at_end is not None
    assert at_once is not None
    squeezed = [part.embed_observation.squeeze.parameters() for part in (at_end, at_once)]
    same = [a.equal(b) for a, b in zip(*squeezed, strict=True)]
    assert all(same) if frozen else not any(same)
    assert at_end.embed_observation.read.weight.shape == (16, 2)


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
