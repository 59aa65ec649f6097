"""The training loop: whatever stops it, the same command goes on as if nothing had happened."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.loop import DivergedError
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.objectives.imitation import imitate
from rlformer.agents.sequence.training.parameters import FlatParameters
from rlformer.agents.sequence.training.state import TrainOptions
from rlformer.agents.sequence.training.train import held_out_loss, layer_norms, train
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core import grid
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec, Window
from rlformer.data.windows import Windows
from rlformer.runs import checkpoints, metrics
from rlformer.runs.directory import RunDirectory
from tests.support.make_sequences import MODELS, SPACES, Journal, log, model

LENGTHS = (9, 2, 14, 6, 11, 3, 8, 12)
STEPS = 24
OPTIONS = TrainOptions(
    gradient_steps=STEPS, batch_size=8, learning_rate=3e-3, final_learning_rate=0.1, warmup_steps=5,
    validate_every=4, log_every=3, checkpoint_seconds=1e9,
)  # fmt: skip


def fit(name: str, journal: Journal, options: TrainOptions = OPTIONS, **more: Any) -> TrajectoryModel:
    """Train a small model with dropout on a random log."""
    built = model(SPACES["discrete"], dropout=0.2, **MODELS[name])
    data, context = log(SPACES["discrete"], LENGTHS), built.architecture.context_length
    held_out = Windows(log(SPACES["discrete"], LENGTHS, seed=1), context).some(32, 16, np.random.default_rng(0))
    objective = more.pop("objective", imitate)
    train(built, objective, Windows(data, context), held_out, options, journal, seed=5, **more)
    return built


def weights(built: TrajectoryModel) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in built.state_dict().items()}


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def exact(journal: Journal) -> dict[int, dict[str, float]]:
    """All points but those of a clock."""
    return {
        step: {tag: value for tag, value in values.items() if tag != "train/steps_per_second"}
        for step, values in journal.points.items()
    }


# --- what stops it ---


@pytest.mark.slow
@pytest.mark.parametrize("stops", [(1,), (7,), (STEPS - 1,), (3, 5, 9)], ids=str)
@pytest.mark.parametrize("name", ["transformer-return-separate", "lstm-return-step", "mlp-none-step"])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    name: str, stops: tuple[int, ...], tmp_path: Path
) -> None:
    whole = Journal(tmp_path / "whole")
    expected = weights(fit(name, whole))
    journal = Journal(tmp_path / "parts")
    for stop in stops:
        journal.stop_in(stop)
        with pytest.raises(Interrupted):
            fit(name, journal)
    journal.stop_in(None)
    assert_same(weights(fit(name, journal)), expected)
    assert exact(journal) == exact(whole)  # the curves too, with what was logged of a step half way to the next point
    assert journal.rewound == [0, *np.cumsum(stops)]
    last, _, _ = checkpoints.load(journal.directory / "checkpoints" / "last")
    expected_last, _, _ = checkpoints.load(whole.directory / "checkpoints" / "last")
    assert_same(last, expected_last)  # moments, streams and the latest weights


@pytest.mark.slow
def test_patience_is_remembered(tmp_path: Path) -> None:
    options = TrainOptions(gradient_steps=300, batch_size=8, learning_rate=0.02, validate_every=10, patience=3)
    whole, journal = Journal(tmp_path / "whole"), Journal(tmp_path / "parts")
    expected = weights(fit("transformer-return-separate", whole, options))
    end = max(whole.curve("train/held_out_loss"))
    assert end < 300
    journal.stop_in(end - 15)  # after the first of the three validations without a lower loss
    with pytest.raises(Interrupted):
        fit("transformer-return-separate", journal, options)
    journal.stop_in(None)
    assert_same(weights(fit("transformer-return-separate", journal, options)), expected)
    assert max(journal.curve("train/held_out_loss")) == end


def test_a_training_that_ended_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    first = weights(fit("mlp-return-step", journal))
    points = exact(journal)
    assert_same(weights(fit("mlp-return-step", journal)), first)
    assert exact(journal) == points


def run_in(directory: Path) -> bytes:
    """A whole run of the learner there, or the rest of one; the learned weights."""
    settings = ["gradient_steps=400", "warmup_steps=50", "validate_every=40", "width=16", "context_length=6"]
    spec = resolve(EnvSpec("Nowhere-v0", "Nowhere-v0"), "dt", settings)
    with RunDirectory(directory).session(spec, 0) as session:
        values = {**spec.values, "checkpoint_seconds": 0.05}
        learner = SequenceLearner()
        learner.fit(Task(None, log(SPACES["discrete"], tuple(range(1, 30))), values, seed=3), session)
    learner.save(directory / "best")
    return (directory / "best" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path, checkout: Path) -> None:
    """SIGKILL at a random moment after the first checkpoint: nothing can be done about it, and nothing is lost."""
    command = "import sys, pathlib; from tests.agents.test_training import run_in; run_in(pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", command, str(killed)], env=environment)
    while not (killed / "checkpoints" / "last" / "checkpoint.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.3))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "best").exists(), "it ended before it was killed"
    _, state, warning = checkpoints.load(killed / "checkpoints" / "last")
    assert 0 < state["step"] < 400
    assert warning is None

    assert run_in(killed) == run_in(tmp_path / "whole")
    curves = [list(metrics.read(tmp_path / run / "metrics.jsonl")) for run in ("killed", "whole")]
    for points in curves:
        for point in points:
            del point["seconds"]
            point.pop("train/steps_per_second", None)
    assert curves[0] == curves[1]


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flipped", "torn", "empty"])
def test_a_damaged_checkpoint_is_found_and_the_one_before_is_used(damage: str, tmp_path: Path) -> None:
    expected = weights(fit("transformer-return-separate", Journal(tmp_path / "whole")))
    journal = Journal(tmp_path / "run")
    for stop in (6, 5):
        journal.stop_in(stop)
        with pytest.raises(Interrupted):
            fit("transformer-return-separate", journal)
    last = tmp_path / "run" / "checkpoints" / "last"
    path = last / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes({"flipped": content, "torn": content[:-700], "empty": b""}[damage])
    journal.stop_in(None)
    assert_same(weights(fit("transformer-return-separate", journal)), expected)
    assert journal.rewound[-1] == 6
    assert len(journal.notes) == 1
    assert "checkpoint.safetensors: damaged" in journal.notes[0]
    assert "continued from the checkpoint before it" in journal.notes[0]
    assert (last / "damaged.safetensors").exists()  # put aside, so that it never becomes the one before


def test_without_a_whole_checkpoint_training_begins_again_and_says_so(tmp_path: Path) -> None:
    expected = weights(fit("mlp-return-step", Journal(tmp_path / "whole")))
    journal = Journal(tmp_path / "run", stop_after=6)
    with pytest.raises(Interrupted):
        fit("mlp-return-step", journal)
    path = tmp_path / "run" / "checkpoints" / "last" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    journal.stop_in(None)
    assert_same(weights(fit("mlp-return-step", journal)), expected)
    assert journal.rewound[-1] == 0
    assert "training began again" in journal.notes[0]


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit("mlp-return-step", Journal(tmp_path, stop_after=2))
    with pytest.raises(InputError, match="the checkpoint does not fit the model"):
        fit("lstm-return-step", Journal(tmp_path))


def test_a_loss_that_is_not_finite_stops_it_names_the_step_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    calls = 0

    def explode(built: TrajectoryModel, window: Window) -> Any:
        nonlocal calls
        calls += built.training
        losses, logged = imitate(built, window)
        return losses * (math.nan if calls == 10 else 1.0), logged

    journal = Journal(tmp_path, stop_after=6)
    with pytest.raises(Interrupted):
        fit("mlp-return-step", journal, objective=explode)
    journal.stop_in(None)
    with pytest.raises(DivergedError, match=r"not finite at gradient step 10 .*the last checkpoint is in"):
        fit("mlp-return-step", journal, objective=explode)
    arrays, state, _ = checkpoints.load(tmp_path / "checkpoints" / "last")
    assert state["step"] == 6
    assert all(np.isfinite(array).all() for array in arrays.values())


# --- what it does ---


def test_a_held_out_loss_is_told_only_after_it_was_measured(tmp_path: Path) -> None:
    class Told(Journal):
        def __init__(self, directory: Path) -> None:
            super().__init__(directory)
            self.told: list[str] = []

        def progress(self, done: int, total: int, note: str = "") -> None:
            self.told.append(note)

    journal = Told(tmp_path)
    fit("mlp-none-step", journal)
    assert journal.told[0] == ""  # after the first step, before the first validation
    lowest = min(journal.curve("train/held_out_loss").values())
    assert journal.told[-1] == f"held-out loss {lowest:.4f}"


def test_losses_are_means_over_real_steps_only() -> None:
    built = model(SPACES["multidiscrete"], context_length=5)
    data = log(SPACES["multidiscrete"])
    window = Windows(data, 5).at(torch.arange(data.num_steps))
    assert not window.mask.all()
    losses = [
        built.codec.loss(built(window)[b, k], window.actions[b, k]).item()
        for b in range(len(window.mask))
        for k in range(5)
        if window.mask[b, k]
    ]
    found = imitate(built, window)[0].detach()
    np.testing.assert_allclose(found[window.mask], losses, rtol=1e-5)
    assert not found[~window.mask].any()
    halves = [Window(*(value[part] for value in vars(window).values())) for part in (slice(3), slice(3, None))]
    assert held_out_loss(built, imitate, halves) == pytest.approx(np.mean(losses), rel=1e-5)


def test_padding_has_no_gradient() -> None:
    built = model(SPACES["discrete"], context_length=5)
    data = log(SPACES["discrete"])
    window = Windows(data, 5).at(torch.arange(data.num_steps))
    window.observations.requires_grad_()
    imitate(built, window)[0].mean().backward()
    assert window.observations.grad[~window.mask].abs().max() == 0
    assert window.observations.grad[window.mask].abs().max() > 0


def test_it_leaves_the_model_with_the_weights_of_the_lowest_held_out_loss(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    options = TrainOptions(gradient_steps=300, batch_size=8, learning_rate=0.02, validate_every=10, patience=3)
    built = fit("transformer-return-separate", journal, options)  # a random log: it can only be learned by heart
    curve = journal.curve("train/held_out_loss")
    assert max(curve) < 300  # stopped early
    best = min(curve, key=lambda step: curve[step])
    assert best == max(curve) - 3 * 10
    held_out = Windows(log(SPACES["discrete"], LENGTHS, seed=1), 5).some(32, 16, np.random.default_rng(0))
    assert held_out_loss(built, imitate, held_out) == curve[best]
    last, state, _ = checkpoints.load(tmp_path / "checkpoints" / "last")
    assert state["step"] == max(curve)
    assert not np.array_equal(last["model.predict_action.weight"], weights(built)["predict_action.weight"])


def test_the_norms_of_the_layers_add_up_to_the_whole_gradients(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    fit("transformer-return-separate", journal)
    for values in (values for values in journal.points.values() if "train/loss" in values):
        layers = {tag: value for tag, value in values.items() if tag.startswith("train/gradient_norm/")}
        assert {"embed_observation", "embed_return", "backbone.blocks.1", "predict_action"} <= {
            tag.removeprefix("train/gradient_norm/") for tag in layers
        }
        total = math.sqrt(sum(norm**2 for norm in layers.values()))
        assert total == pytest.approx(values["train/gradient_norm"], rel=1e-4)


def test_the_learning_rate_warms_up_and_falls_to_its_share(tmp_path: Path) -> None:
    options = TrainOptions(gradient_steps=100, learning_rate=2.0, final_learning_rate=0.1, warmup_steps=10)
    assert [options.learning_rate_at(step) for step in (0, 4, 9, 10)] == pytest.approx([0.2, 1.0, 2.0, 2.0])
    assert options.learning_rate_at(55) == pytest.approx(2.0 * 0.55)  # half way down
    assert options.learning_rate_at(100) == pytest.approx(0.2)
    rates = [options.learning_rate_at(step) for step in range(10, 100)]
    assert rates == sorted(rates, reverse=True)
    constant = TrainOptions(gradient_steps=100, learning_rate=2.0)
    assert {constant.learning_rate_at(step) for step in range(100)} == {2.0}
    journal = Journal(tmp_path)
    fit("mlp-none-step", journal)
    logged = journal.curve("train/learning_rate")
    assert logged == {step: OPTIONS.learning_rate_at(step - 1) for step in logged}


def test_evaluations_come_when_they_should_and_disturb_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_ALL", (10, 20, 40))
    expected = weights(fit("transformer-return-separate", Journal(tmp_path / "without")))

    def scores(built: TrajectoryModel, step: int) -> dict[str, float]:
        SequencePolicy(built, 1.0).act(np.zeros((3, 3), np.float32))
        torch.rand(7)  # an environment may draw from torch's global generator
        return {"eval/return": 1.0}

    journal = Journal(tmp_path / "with")
    assert_same(weights(fit("transformer-return-separate", journal, OPTIONS, evaluate=scores)), expected)
    assert list(journal.curve("eval/return")) == [10, 20, STEPS]


def test_transitions_are_counted_with_repeats_and_without_padding(tmp_path: Path) -> None:
    seen = []

    def count(built: TrajectoryModel, window: Window) -> Any:
        if built.training:
            seen.append(int(window.mask.sum()))
        return imitate(built, window)

    built = model(SPACES["discrete"], context_length=5)
    windows = Windows(log(SPACES["discrete"]), 5)
    held_out = windows.some(4, 4, np.random.default_rng(0))
    steps, samples = train(built, count, windows, held_out, OPTIONS, Journal(tmp_path), seed=0)
    assert (steps, samples) == (STEPS, sum(seen))
    assert samples < STEPS * 8 * 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gradient_steps": 0}, "gradient_steps: a whole number from 1 to 1,000,000,000, got 0"),
        ({"batch_size": -3}, "batch_size: a whole number from 1 to 1,000,000, got -3"),
        ({"learning_rate": 0.0}, "learning_rate: a number above 0 and at most 1e+38, got 0.0"),
        ({"learning_rate": math.nan}, "learning_rate: a number above 0 and at most 1e+38, got nan"),
        ({"patience": -1}, "patience: a whole number from 0 to 1,000,000,000, got -1"),
        ({"weight_decay": math.nan}, "weight_decay: a number from 0 to 1,000, got nan"),
    ],
)
def test_unusable_options_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        TrainOptions(**{"gradient_steps": 1, **values}).check()
    assert str(error.value) == message


# --- the parameters in one vector ---


def test_flat_parameters_are_the_models_own() -> None:
    built = model(SPACES["discrete"])
    before = weights(built)
    flat = FlatParameters(built)
    assert_same(weights(built), before)
    assert flat.values.numel() == built.num_parameters
    window = Windows(log(SPACES["discrete"]), 20).at(torch.arange(5))
    imitate(built, window)[0].sum().backward()
    expected = torch.cat([p.grad.flatten() for p in built.parameters()]).norm().item()
    assert layer_norms(built, expected)  # they have gradients of their own still
    assert flat.clip_gradients(math.inf).item() == pytest.approx(expected, rel=1e-5)
    assert flat.clip_gradients(0.5 * expected).item() == pytest.approx(expected, rel=1e-5)
    assert flat.gradients.norm().item() == pytest.approx(0.5 * expected, rel=1e-5)
    flat.values.zero_()
    assert all(not parameter.any() for parameter in built.parameters())


def test_weight_decay_is_for_matrices_alone() -> None:
    built = model(SPACES["discrete"])
    before = weights(built)
    flat = FlatParameters(built)
    torch.optim.AdamW(flat.groups(weight_decay=0.1), lr=0.5, fused=True).step()  # the gradients are zero
    for name, parameter in built.named_parameters():
        factor = 0.95 if parameter.ndim >= 2 else 1.0
        np.testing.assert_allclose(parameter.detach(), factor * before[name], rtol=1e-6, err_msg=name)


def test_descent_is_that_of_adamw_on_the_parameters_one_by_one() -> None:
    ours, theirs = (model(SPACES["discrete"], context_length=5) for _ in range(2))
    flat = FlatParameters(ours)
    mine = torch.optim.AdamW(flat.groups(1e-2), lr=1e-2, fused=True)
    decayed = [p for p in theirs.parameters() if p.ndim >= 2]
    others = [p for p in theirs.parameters() if p.ndim < 2]
    reference = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}], lr=1e-2
    )
    for _ in range(5):
        for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
            second.grad = torch.randn_like(second)
            first.grad.copy_(second.grad)
        flat.clip_gradients(0.25)
        mine.step()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.25)
        reference.step()
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(first, second)


def test_a_checkpoint_is_json_and_arrays_alone(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3)[:, ::2], "b": np.array(7, np.int64), "c": np.zeros(0, np.uint8)}
    assert checkpoints.load(tmp_path) is None
    checkpoints.save(tmp_path, arrays, {"step": 3, "name": "ü"})
    found, state, warning = checkpoints.load(tmp_path)
    assert_same(found, arrays)
    assert (json.dumps(state), warning) == (json.dumps({"name": "ü", "step": 3}), None)
