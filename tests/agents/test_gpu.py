"""Training on a GPU, as far as a machine without one can tell; the last tests need one and skip elsewhere.

What a GPU records and replays is recorded here from PyTorch's dispatcher: the operations of a step, with the tensors
they read and wrote. Replayed, Python is not asked again, as it is not by a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rlformer.agents import devices
from rlformer.agents.sequence import placement
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.dropout import drop
from rlformer.agents.sequence.objectives.base import Loss
from rlformer.agents.sequence.objectives.imitation import imitate
from rlformer.agents.sequence.training.state import State, TrainOptions
from rlformer.agents.sequence.training.step import GradientStep, Runner, Stepped
from rlformer.agents.sequence.training.train import train
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import Window
from rlformer.data.windows import Windows
from tests.support.make_sequences import MODELS, RECORDED, SPACES, Journal, log, model

OPTIONS = TrainOptions(100, batch_size=8, learning_rate=1e-2, warmup_steps=20)
WAITS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


class Recording(TorchDispatchMode):
    """The operations of some work, which `replay` does again in the same memory."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func not in WAITS, "waits for a number from the device"
        out = func(*args, **(kwargs or {}))
        writes = any(a.alias_info and a.alias_info.is_write for a in func._schema.arguments)
        views = any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)
        if not views:  # a view of what stays where it is needs nothing
            self._made.append((func, args, kwargs or {}, [] if writes else _tensors(out)))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, outputs in self._made:
            for old, new in zip(outputs, _tensors(func(*args, **kwargs)), strict=False):
                old.data.copy_(new)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


class Recorded:
    """A runner that records the fourth step and replays it from then on."""

    def __init__(self) -> None:
        self._left = 3
        self._found: Tensor | None = None

    def __call__(self, work: Callable[[], Tensor]) -> Tensor:
        if self._left:
            self._left -= 1
            return work()
        if self._found is None:
            self._recording = Recording()
            with self._recording:  # makes the step, too, which a GPU does not
                self._found = work()
        else:
            self._recording.replay()
        return self._found


def halved(built: TrajectoryModel, window: Window) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss from products in bf16."""
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        return imitate(built, window)[0].float(), {}


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways that are taken on a GPU: fused attention, dropout by each layer, a look-up that can be recorded."""
    monkeypatch.setattr(placement, "on_host", lambda device: False)


def steps(name: str, runner: Runner | None, objective: Loss = imitate, count: int = 30) -> tuple[list[Stepped], Tensor]:
    """What a few steps of a small model find, and its parameters after them."""
    built = model(SPACES["discrete"], dropout=0.2, **MODELS[name]).train()
    windows = Windows(log(SPACES["discrete"]), built.architecture.context_length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "on_host", lambda device: True)  # of the optimiser, which is a CPU's here
        state = State(built, OPTIONS, 0, Path("unused"))
    step = GradientStep(state, objective, windows, runner)
    return [step() for _ in range(count)], state.parameters.values


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_step_goes_on_as_one_that_is_made_anew(name: str) -> None:
    """Batches, the learning rate, dropout's noise and the optimiser's moments: nothing is frozen, bit for bit."""
    expected, weights = steps(name, None)
    found, replayed = steps(name, Recorded())
    assert found == expected
    assert len({step.loss for step in found}) == len(found)
    torch.testing.assert_close(replayed, weights, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("name", RECORDED)
def test_so_does_one_that_goes_the_ways_of_a_gpu(name: str) -> None:
    expected, weights = steps(name, None, halved)
    found, replayed = steps(name, Recorded(), halved)
    assert found == expected
    torch.testing.assert_close(replayed, weights, rtol=0, atol=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "on_host", lambda device: True)
        on_host, _ = steps(name, None)
    assert found != on_host  # it did go other ways
    assert np.mean([s.loss for s in found]) == pytest.approx(np.mean([s.loss for s in on_host]), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("space", ["discrete", "box-unbounded"])
def test_a_step_waits_for_nothing_and_mixes_no_devices(name: str, space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without numbers: whatever asks for one, or brings a tensor of the host, is an error there."""
    device = torch.device("meta")
    monkeypatch.setattr(torch.optim, "AdamW", Mock())  # made on this device it asks for a number
    built = model(SPACES[space], dropout=0.1, **MODELS[name]).train().to(device)
    windows = Windows(log(SPACES[space]), built.architecture.context_length).to(device)
    step = GradientStep(State(built, OPTIONS, 0, Path("unused")), imitate, windows)
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert step.work().device == device


@pytest.mark.parametrize("name", RECORDED)  # many processors have no bf16 for an LSTM, and on none is it used
def test_half_precision_is_enough_for_a_step(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    window = Windows(log(SPACES["discrete"]), built.architecture.context_length).at(torch.arange(28))
    exact = imitate(built, window)[0].sum() / window.mask.sum()
    (whole,) = torch.autograd.grad(exact, built.embed_observation.weight)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = imitate(built, window)[0].sum() / window.mask.sum()
    (rough,) = torch.autograd.grad(reduced, built.embed_observation.weight)
    assert reduced.item() == pytest.approx(exact.item(), rel=0.03)
    assert torch.cosine_similarity(rough.flatten(), whole.flatten(), dim=0) > 0.98


def test_a_layer_that_draws_for_itself_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = drop(torch.ones(100_000), 0.2)
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)


# --- which device ---


def test_the_cpu_is_always_there() -> None:
    assert devices.device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tpu", "--device tpu: must be cpu, cuda, cuda:N or auto"),
        ("cpu:1", "--device cpu:1: must be cpu, cuda, cuda:N or auto"),
        ("cuda:", "--device cuda:: must be cpu, cuda, cuda:N or auto"),
        ("cuda:x", "--device cuda:x: must be cpu, cuda, cuda:N or auto"),
        ("cuda:2", "--device cuda:2: there are 2, counted from 0"),
    ],
)
def test_a_device_that_is_none_is_refused(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(devices.device(name)) for name in ("cuda", "cuda:1", "auto")] == ["cuda:0", "cuda:1", "cuda:0"]
    with pytest.raises(InputError) as error:
        devices.device(name)
    assert str(error.value) == message


def test_without_a_gpu_auto_is_the_cpu_and_cuda_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.device("auto") == torch.device("cpu")
    with pytest.raises(
        InputError, match=r"--device cuda: (there is no CUDA device here|torch .* was built without CUDA)"
    ):
        devices.device("cuda")


def test_a_log_that_does_not_fit_gets_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.\n Tried to allocate 3 GiB")

    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(TrajectoryModel, "to", lambda self, device: self)
    monkeypatch.setattr(Windows, "to", full)
    with pytest.raises(InputError) as error:
        fit(Journal(tmp_path), torch.device("cuda:0"))
    assert str(error.value) == (
        "--device cuda:0: the log does not fit into its memory: CUDA out of memory. Tried to allocate 3 GiB"
    )


# --- with one ---


def fit(journal: Journal, device: torch.device, name: str = "transformer-return-separate", steps: int = 24) -> Any:
    """A training with dropout off, so that it can be told from others by its weights."""
    options = TrainOptions(steps, batch_size=8, learning_rate=3e-3, validate_every=8, log_every=4)
    built = model(SPACES["discrete"], dropout=0.0, **MODELS[name])
    context = built.architecture.context_length
    held_out = Windows(log(SPACES["discrete"], seed=1), context).some(16, 8, np.random.default_rng(0))
    acts: list[Any] = []
    train(
        built,
        imitate,
        Windows(log(SPACES["discrete"]), context),
        held_out,
        options,
        journal,
        seed=5,
        evaluate=lambda m, step: (
            acts.append(SequencePolicy(m, 1.0).act(np.zeros((3, 3), np.float32))) or {"eval/return": 1.0}
        ),
        device=device,
    )
    assert len(acts) == 1  # at the end
    assert {value.device.type for value in built.state_dict().values()} == {"cpu"}
    return built


@pytest.mark.gpu
@NO_CUDA
@pytest.mark.parametrize("name", MODELS)
def test_a_gpu_learns_what_a_cpu_learns(name: str, tmp_path: Path) -> None:
    journals = {device: Journal(tmp_path / device) for device in ("cpu", "cuda")}
    for device, journal in journals.items():
        fit(journal, devices.device(device), name)
    expected, found = (journal.curve("train/held_out_loss") for journal in journals.values())
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=0.03)
    assert journals["cuda"].gpu is not None
    assert journals["cpu"].gpu is None


@pytest.mark.gpu
@NO_CUDA
def test_a_training_on_a_gpu_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole, parts = Journal(tmp_path / "whole"), Journal(tmp_path / "parts", stop_after=13)
    device = devices.device("cuda")
    fit(whole, device)
    with pytest.raises(Interrupted):
        fit(parts, device)
    parts.stop_in(None)
    fit(parts, device)
    expected, found = (journal.curve("train/held_out_loss") for journal in (whole, parts))
    assert list(found) == list(expected)
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=0.02)
