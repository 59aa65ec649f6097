"""Probes and patches find what has to be remembered where it is kept, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.backbones.base import Visit
from rlformer.agents.sequence.rows import Rows, take
from rlformer.agents.sequence.tracing import Patch, patched, traced
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import DatasetInfo, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.play import play
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.envs.worlds.tmaze import PassiveTMaze
from rlformer.explain.case import Case
from rlformer.explain.latent import Remembering, remembering, shown
from rlformer.explain.material import Material
from rlformer.explain.parts import Explanation, patching, probes
from rlformer.explain.parts.patching import Patching, along, twins
from rlformer.explain.parts.probes import LatentShown, Probes, explained, held_out_accuracy, shuffled_labels
from rlformer.explain.truth import with_distractors

LENGTH, KEPT = 5, 3  # steps to the turn, and the step at which the hand-made model keeps the cue on the way
NOTHING = "no variable is known here that is shown once and needed later"


def tmaze(length: int = LENGTH) -> EnvSpec:
    return replace(env_cards.environment("PassiveTMaze"), kwargs={"length": length})


def keydoor(**kwargs: Any) -> EnvSpec:
    return replace(env_cards.environment("KeyDoor"), kwargs={"length": 3, **kwargs}, feature_names=())


class Relay(nn.Module):
    """Two layers of copies: the first puts the first token where the third step is, the second puts it at the end.

    No other place of theirs holds anything of the first token.
    """

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        return take(self.walk(tokens, lambda layer, first, h: h), rows)

    def walk(self, tokens: Tensor, visit: Visit) -> Tensor:
        last = tokens.shape[1] - 1
        sources = [1, 1, 2, 0, *range(4, last + 1)]
        h = visit(0, 0, tokens[:, sources])
        return visit(1, 0, h[:, [1, 1, 2, 2, *range(4, last), KEPT]])


def model_of(env: EnvSpec, **values: Any) -> TrajectoryModel:
    """With fresh weights."""
    spaces = spaces_of(env)
    known = {"tokens": "step", "width": 16, "layers": 2, "heads": 2, "timestep_encoding": "none", "conv_window": 8}
    torch.manual_seed(0)
    return TrajectoryModel(Architecture(spaces.observation, spaces.actions, **{**known, **values})).eval()


def relay() -> TrajectoryModel:
    """Turns as the cue says, which `Relay` brings to the turn; its inputs are written side by side into a token."""
    model = model_of(tmaze(), context_length=LENGTH + 1, backbone="lstm")  # of which acting reads no inner part
    model.backbone = Relay()
    with torch.no_grad():
        for layer in (model.embed_observation, model.embed_action, model.embed_return, model.predict_action):
            layer.weight.zero_()  # type: ignore[union-attr, operator]
            layer.bias.zero_()  # type: ignore[union-attr, operator]
        model.embed_observation.weight[:4] = torch.eye(4)  # type: ignore[index]
        model.embed_action.weight[4:6] = torch.eye(2)
        model.predict_action.weight[:, 0] = torch.tensor([-1.0, 1.0])  # the cue: -1 up, 1 down
    return model


def material_of(model: TrajectoryModel, env: EnvSpec, **values: Any) -> Material:
    return Material(Case(SequencePolicy(model, 1.0), {"agent": "dt"}, env, 1.0, **values))


def subject_of(material: Material) -> Remembering:
    found = remembering(material)
    assert isinstance(found, Remembering)
    return found


def found_in(model: TrajectoryModel, env: EnvSpec) -> tuple[Probes, Patching]:
    material = material_of(model, env)
    return probes.make(material, Explanation()), patching.make(material, Explanation())


# --- a model whose cue sits where it is known ---


@pytest.fixture(scope="module")
def hand_made() -> tuple[Probes, Patching]:
    return found_in(relay(), tmaze())


def places(rows: tuple[tuple[float, ...], ...], above: float) -> set[tuple[int, int]]:
    """(layer, place) of values above this."""
    return {(int(layer), int(step)) for layer, step in np.argwhere(np.array(rows) > above)}


THERE = {(0, 0), (1, KEPT), (2, LENGTH)}


def test_a_probe_reads_the_cue_where_it_is_and_nowhere_else(hand_made: tuple[Probes, Patching]) -> None:
    found, _ = hand_made
    (run,) = found.runs
    assert found.layers == ("tokens", "layer 1", "layer 2")
    assert found.steps == tuple(range(LENGTH + 1))
    assert found.chance == 0.5
    assert places(run.accuracy, 0.99) == places(run.accuracy, 0.65) == THERE
    assert places(run.share, 0.3) == places(run.share, 0.05) == THERE


def test_a_patch_moves_the_decision_where_the_cue_is_and_nowhere_else(hand_made: tuple[Probes, Patching]) -> None:
    _, found = hand_made
    (run,) = found.runs
    assert run.changed == 1.0
    assert run.choices is not None
    assert run.logits is not None
    expected = np.zeros((3, LENGTH + 1))
    expected[tuple(zip(*THERE, strict=True))] = 1.0
    np.testing.assert_array_equal(run.choices, expected)
    np.testing.assert_allclose(run.logits, expected, atol=1e-6)


def test_probes_of_shuffled_labels_find_nothing_anywhere(hand_made: tuple[Probes, Patching]) -> None:
    (run,) = hand_made[0].runs
    assert not places(run.shuffled, 0.6)


def test_what_the_wiring_alone_carries_is_seen_in_the_untrained_model(hand_made: tuple[Probes, Patching]) -> None:
    """Its inputs hold the cue at the first step alone, and its state carries some of it along all the same."""
    (run,) = hand_made[0].runs
    assert run.untrained[0][0] == 1.0
    assert not places((run.untrained[0][1:],), 0.65)
    assert min(run.untrained[1]) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("backbone", [name for name, kind in BACKBONES.items() if kind.history])
@pytest.mark.parametrize("tokens", ["step", "separate"])
def test_in_an_untrained_model_there_is_nothing_to_trace(backbone: str, tokens: str) -> None:
    found, traced_ = found_in(model_of(tmaze(), context_length=6, backbone=backbone, tokens=tokens), tmaze())
    (run,) = traced_.runs
    assert run.choices is None
    assert run.logits is None
    assert run.reason == "replacing the cue itself changes nothing at the decision"
    (read,) = found.runs
    gain = np.array(read.accuracy) - np.array(read.untrained)  # two untrained models
    assert abs(gain.mean()) < 0.1


def test_patching_every_step_is_replacing_the_input() -> None:
    material = material_of(relay(), tmaze())
    subject = subject_of(material)
    window = shown(material, subject, 24).asked(1.0)
    other = twins(subject, window, np.arange(len(window.mask)) ^ 1)
    theirs = traced(subject.model, other)
    for layer, activations in enumerate(theirs.activations):
        patches = [Patch(layer, subject.tokens(step), activations[:, subject.tokens(step)]) for step in subject.steps]
        torch.testing.assert_close(patched(subject.model, window, patches), theirs.predictions)


# --- the episodes ---


WAYS: list[dict[str, Any]] = [
    *(
        {"backbone": name, "tokens": t}
        for name, kind in BACKBONES.items()
        if kind.history
        for t in ("step", "separate")
    ),
    *({"backbone": name, "attention_band": 3} for name, kind in BACKBONES.items() if kind.banded),
    {"backbone": "gru", "tokens": "separate", "conditioning": "predicted"},  # reads windows, the next streams
    {"backbone": "transformer-xl", "tokens": "separate", "conditioning": "predicted"},
    {"backbone": "conv", "conv_window": 4},  # of a context of 9, acts from what it keeps
]


@pytest.mark.parametrize("values", WAYS, ids=lambda values: "-".join(map(str, values.values())))
@pytest.mark.parametrize("context", [5, 9])
def test_the_windows_are_what_the_policy_reads_when_it_acts(values: dict[str, Any], context: int) -> None:
    """Of a way of 4 steps, so that a context of 5 reaches back to the cue."""
    env = tmaze(4)
    model = model_of(env, context_length=context, **values)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    material = material_of(model, env)
    subject = subject_of(material)
    episodes = shown(material, subject, 24)
    window = episodes.asked(1.0)
    with torch.no_grad():  # so that every action is chosen in half of the episodes
        model.predict_action.bias[1] -= model(window)[:, -1].diff().quantile(0.5)
    policy, count = SequencePolicy(model, 1.0), len(episodes.values)
    policy.begin(np.arange(count), np.arange(count), None)
    for step in range(5):
        acted = policy.act(window.observations[:, step].numpy())
        policy.observe(window.actions[:, step].numpy(), np.zeros(count))
    np.testing.assert_array_equal(acted, traced(model, window).predictions[:, -1].argmax(dim=1))
    assert set(acted) == {0, 1}


def test_a_cue_that_chance_shows_is_each_value_in_half_of_the_episodes() -> None:
    material = material_of(relay(), tmaze())
    found = shown(material, subject_of(material), 60)
    cues = found.window.observations[:, 0, 0].numpy()
    np.testing.assert_array_equal(found.values, cues > 0)
    halves = np.split(found.values, 2)
    assert [half.mean() for half in halves] == [0.5, 0.5]
    assert material.env_steps == 60 * (LENGTH + 1)


def test_a_key_is_taken_in_half_of_the_episodes_whatever_the_policy_does() -> None:
    env = keydoor()
    material = material_of(model_of(env, context_length=8), env)
    subject = subject_of(material)
    found = shown(material, subject, 40)
    np.testing.assert_array_equal(found.values, found.window.actions[:, 0] == 0)
    assert found.values.mean() == 0.5
    assert subject.targets == (1.0, 0.0)  # and for nothing: there the key must be known


def test_actions_on_the_way_do_not_tell_the_cue_even_if_the_logs_do() -> None:
    env = tmaze()
    played = play(BehaviourPolicy(PassiveTMaze(LENGTH), "expert"), env, np.arange(40), keep=True)
    log = from_episodes(DatasetInfo(env.name, spaces_of(env)), played.episodes)
    assert all(episode.actions[1] == (episode.observations[0, 0] > 0) for episode in log)
    material = material_of(relay(), env, log=log)
    found = shown(material, subject_of(material), 400)
    actions = found.window.actions.numpy()
    assert (actions == actions[:, :1]).all()  # of whole episodes of the log
    assert abs(np.corrcoef(actions[:, 1], found.values)[0, 1]) < 0.2


def test_twins_differ_in_the_input_that_shows_it_and_in_nothing_else() -> None:
    for env, name in ((tmaze(), "observations"), (keydoor(), "actions")):
        material = material_of(model_of(env, context_length=8), env)
        subject = subject_of(material)
        episodes = shown(material, subject, 24)
        window, partners = episodes.asked(1.0), np.arange(len(episodes.values)) ^ 1  # neighbours have other values
        other = twins(subject, window, partners)
        for field in ("observations", "actions", "returns_to_go", "timesteps", "mask"):
            own, their = getattr(window, field), getattr(other, field)
            differs = (own != their).reshape(*window.mask.shape, -1).any(dim=2)  # (N, K)
            assert differs[:, 0].all() == (field == name)
            assert not differs[:, 1:].any()
            assert field == name or not differs.any()


def test_a_long_way_is_looked_at_in_some_places_its_ends_among_them() -> None:
    env = tmaze(100)
    subject = subject_of(material_of(model_of(env, context_length=120), env))
    assert len(subject.steps) <= 26
    assert {0, 1, 99, 100} <= set(subject.steps)


# --- where there is nothing to find ---


@pytest.mark.parametrize(
    ("env", "values", "reason"),
    [
        (tmaze(), {"context_length": 5}, "it reads 5 of the 6 steps from the cue to the decision: it cannot know it"),
        (
            tmaze(),
            {"backbone": "mlp", "context_length": 1},
            "it reads 1 of the 6 steps from the cue to the decision: it cannot know it",
        ),
        (tmaze(0), {"context_length": 5}, NOTHING),
        (keydoor(show_key=True), {"context_length": 8}, NOTHING),
        (
            with_distractors(tmaze(), 2),
            {"context_length": 8},
            "the task's wrappers change when its cue is shown",
        ),
        (env_cards.environment("CartPole-v1"), {"context_length": 5}, NOTHING),
    ],
)
def test_a_model_that_has_nothing_to_remember_or_cannot_is_told_with_the_reason(
    env: EnvSpec, values: dict[str, Any], reason: str
) -> None:
    found, traced_ = found_in(model_of(env, **values), env)
    assert found.reason == traced_.reason == reason
    assert found.latent == traced_.latent
    assert (found.latent is not None) == reason.startswith("it reads")  # it stays known what there is to remember
    assert not found.runs
    assert not traced_.runs


def test_a_policy_that_is_no_sequence_model_is_told_with_the_reason() -> None:
    material = Material(Case(BehaviourPolicy(PassiveTMaze(LENGTH)), {}, tmaze()))
    reason = "it is no sequence model: it has no layers that can be read step by step"
    cue = LatentShown("cue", ("up", "down"), 0, LENGTH)
    assert probes.make(material, Explanation()) == Probes(reason, cue)
    assert patching.make(material, Explanation()) == Patching(reason, cue)
    assert material.env_steps == 0


# --- the measures ---


def test_a_probe_reads_a_direction_among_noise_and_no_labels_that_are_not_there() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, 400)
    noise = rng.standard_normal((400, 30))
    told = noise + 3.0 * np.eye(3, 30)[values]
    labels = np.stack([values, rng.permutation(values)])
    found = held_out_accuracy(told, labels, 1e-6)
    assert found[0] > 0.9
    assert found[1] < 0.45
    assert held_out_accuracy(noise, labels, 1e-6).max() < 0.45


def test_a_trace_that_is_nothing_beside_the_layers_activations_is_not_read() -> None:
    values = np.arange(200) % 2
    faint = 1e-6 * values[:, None] + np.zeros((200, 4))
    assert held_out_accuracy(faint, values[None], 1e-3)[0] == 1.0  # in its own units it tells
    assert held_out_accuracy(0.0 * faint, values[None], 1e-3)[0] == 0.5
    assert explained(faint, values, 1e-3) == 0.0
    assert explained(faint, values, 0.0) == pytest.approx(1.0)


def test_the_way_of_logits_is_0_where_nothing_moved_and_1_where_all_did() -> None:
    before, after = torch.tensor([[1.0, -1.0], [0.5, -0.5]]), torch.tensor([[-1.0, 1.0], [-1.5, 1.5]])
    assert along(before, after, before) == 0.0
    assert along(before, after, after) == 1.0
    assert along(before, after, (before + after) / 2) == pytest.approx(0.5)
    assert along(before, after, 2 * before - after) == pytest.approx(-1.0)


def test_shuffled_labels_leave_what_tells_nothing_at_chance() -> None:
    """Both halves keep as many of each value: else what is frequent in the one would be rare in the other."""
    values, rng = np.tile([0, 1], 20), np.random.default_rng(0)
    labels = np.stack([shuffled_labels(values, rng) for _ in range(8)])
    assert (held_out_accuracy(np.zeros((40, 3)), labels, 1e-3) == 0.5).all()
    assert len({tuple(row) for row in labels.tolist()}) == 8
