"""Going on from weights: of a run, of another task's, of GPT-2; what they cost is part of what follows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rlformer import api
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.start import begin, weights_input
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.spaces import ActionSpec, ObservationSpec
from rlformer.data.dataset import Dataset
from rlformer.runs.directory import RunDirectory
from tests.support.make_sequences import SPACES, log

SMALL = ("gradient_steps=4", "batch_size=4", "width=16", "layers=1", "heads=2", "validate_every=2")


def trained(root: Path, dataset: Dataset, *overrides: str, **more: Any) -> RunDirectory:
    """A run that is evaluated nowhere."""
    values = [*SMALL, *overrides]
    return RunDirectory.open(api.train("dt", env="none", dataset=dataset, root=root, overrides=values, **more))


def fresh(actions: ActionSpec, size: int = 3, **values: Any) -> TrajectoryModel:
    torch.manual_seed(7)
    known = {"width": 16, "layers": 1, "heads": 2, "tokens": "step", "context_length": 10}
    values = {"timestep_encoding": "window", **values}
    return TrajectoryModel(Architecture(ObservationSpec.vector(size), actions, **{**known, **values}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(tmp_path_factory.mktemp("first"), log(SPACES["discrete"]))


def test_all_that_fits_is_taken(run: RunDirectory) -> None:
    own, other = fresh(SPACES["discrete"]), fresh(SPACES["discrete"])
    said = begin(own, run.path)
    assert said == f"starts with {own.num_parameters:,} weights of {run.path}"
    begin(other, run.path)
    assert all(a.equal(b) for a, b in zip(own.parameters(), other.parameters(), strict=True))
    assert not own.predict_action.weight.equal(fresh(SPACES["discrete"]).predict_action.weight)
    assert own.observation_std.equal(torch.ones(3))  # how inputs are scaled is the new log's


def test_embeddings_that_do_not_fit_are_made_anew_and_said(run: RunDirectory) -> None:
    own, before = (fresh(SPACES["discrete"], size=5, context_length=4) for _ in range(2))
    said = begin(own, run.path)
    assert said.endswith("; initialised anew, because they do not fit: embed_observation, embed_timestep")
    assert own.embed_observation.weight.equal(before.embed_observation.weight)
    assert not own.backbone.blocks[0].expand.weight.equal(before.backbone.blocks[0].expand.weight)


def test_a_run_of_other_actions_or_sizes_is_refused_in_one_line(run: RunDirectory) -> None:
    with pytest.raises(InputError) as error:
        begin(fresh(SPACES["box"]), run.path)
    assert "the actions must be the same" in str(error.value)
    with pytest.raises(InputError) as error:
        begin(fresh(SPACES["discrete"], width=32, layers=2), run.path)
    assert str(error.value).endswith(
        "has width 16, here 32, layers 1, here 2; what fits: --set width=16 --set layers=1"
    )


@pytest.mark.slow
def test_what_an_earlier_run_cost_is_inherited(run: RunDirectory, tmp_path: Path) -> None:
    other = log(SPACES["discrete"], lengths=(6, 6, 9), seed=3)
    alone, first = trained(tmp_path / "alone", other).record, run.record
    found = trained(tmp_path / "after", other, start=run.path)
    record, weights = found.record, found.spec.weights
    assert weights is not None
    assert (weights.gradient_steps, weights.hash) == (4, f"{run.spec.hash}-0")
    assert record.cost.logged_steps == 21 + 28
    assert record.cost.samples_seen == alone.cost.samples_seen + first.cost.samples_seen
    assert record.flops["training"] == alone.flops["training"] + first.flops["training"]
    third = weights_input(found.path, other.hash)
    assert (third.gradient_steps, third.flops) == (8, record.flops["training"])
    assert third.cost.logged_steps == 28  # its own log is not paid twice
    assert any(note.startswith("starts with") for note in record.notes)


@pytest.mark.slow
def test_a_log_two_generations_back_is_paid_once(run: RunDirectory, tmp_path: Path) -> None:
    first, second = log(SPACES["discrete"]), log(SPACES["discrete"], lengths=(6, 6, 9), seed=3)
    child = trained(tmp_path / "child", second, start=run.path)
    grandchild = trained(tmp_path / "grandchild", first, start=child.path)
    assert grandchild.record.cost.logged_steps == 21 + 28
    behind = weights_input(grandchild.path, second.hash)
    assert behind.cost.logged_steps == 28
    assert [one.hash for one in behind.logs] == [first.hash]
    again = RunDirectory.open(grandchild.path).spec.weights
    assert again == grandchild.spec.weights


def test_inputs_that_are_read_otherwise_are_said(run: RunDirectory) -> None:
    said = begin(fresh(SPACES["discrete"], tokens="separate", context_length=4), run.path)
    assert "they learned with other inputs: tokens step, here separate" in said


def test_what_does_not_fit_leaves_no_run(run: RunDirectory, tmp_path: Path) -> None:
    for overrides, message in ((("width=32", "heads=1"), "has width 16, here 32"), (("layers=2",), "has layers 1")):
        with pytest.raises(InputError, match=message):
            trained(tmp_path / "runs", log(SPACES["discrete"]), *overrides, start=run.path)
    assert not list((tmp_path / "runs").rglob("record.json"))


@pytest.mark.slow
def test_cpu_seconds_behind_the_weights_are_upstream(run: RunDirectory, tmp_path: Path) -> None:
    data = log(SPACES["discrete"])
    behind = weights_input(run.path, data.hash).cost.upstream_cpu_seconds
    known = run.record.cpu_seconds_behind
    assert behind == known
    found = trained(tmp_path, data, start=run.path).record
    assert found.cost.upstream_cpu_seconds == (None if known is None else pytest.approx(known))


# --- GPT-2 ---


def gpt2(folder: Path, width: int = 16, layers: int = 1, **config: Any) -> dict[str, torch.Tensor]:
    """A folder with random weights in the form of transformers."""
    folder.mkdir(exist_ok=True)
    rng = torch.Generator().manual_seed(0)
    shapes = {"ln_1": (width,), "ln_2": (width,), "attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width)}
    shapes |= {"mlp.c_fc": (width, 4 * width), "mlp.c_proj": (4 * width, width)}
    tensors = {}
    for name, shape in ((f"h.{n}.{name}", shape) for n in range(layers) for name, shape in shapes.items()):
        tensors[f"{name}.weight"] = torch.randn(*shape, generator=rng)
        tensors[f"{name}.bias"] = torch.randn(shape[-1], generator=rng)
    tensors |= {"ln_f.weight": torch.ones(width), "ln_f.bias": torch.zeros(width), "wte.weight": torch.zeros(50, width)}
    save_file({f"transformer.{name}": tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    known = {"model_type": "gpt2", "n_embd": width, "n_layer": layers, "n_head": 2, "activation_function": "gelu_new"}
    (folder / "config.json").write_text(json.dumps({**known, **config}))
    return tensors


@torch.no_grad()
def test_the_layers_of_gpt2_compute_here_what_they_compute_there(tmp_path: Path) -> None:
    theirs = gpt2(tmp_path / "gpt2")
    built = fresh(SPACES["discrete"], activation="gelu_tanh")
    said = begin(built, tmp_path / "gpt2")
    assert "initialised anew, because they do not fit: embed_observation" in said
    x = torch.randn(2, 5, 16)

    def conv1d(h: torch.Tensor, name: str) -> torch.Tensor:
        return h @ theirs[f"h.0.{name}.weight"] + theirs[f"h.0.{name}.bias"]

    def norm(h: torch.Tensor, name: str) -> torch.Tensor:
        return nn.functional.layer_norm(h, (16,), theirs[f"{name}.weight"], theirs[f"{name}.bias"])

    query, key, value = (
        t.unflatten(2, (2, 8)).transpose(1, 2) for t in conv1d(norm(x, "h.0.ln_1"), "attn.c_attn").split(16, dim=2)
    )
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(2)
    h = x + conv1d(mixed, "attn.c_proj")
    inner = nn.functional.gelu(conv1d(norm(h, "h.0.ln_2"), "mlp.c_fc"), approximate="tanh")
    expected = norm(h + conv1d(inner, "mlp.c_proj"), "ln_f")
    block = built.backbone.blocks[0]
    found = built.backbone.norm(block(x, slice(None), iter([None] * 9), 0.0))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_a_run_goes_on_from_gpt2(tmp_path: Path) -> None:
    gpt2(tmp_path / "gpt2")
    found = trained(tmp_path, log(SPACES["discrete"]), "activation=gelu_tanh", start=tmp_path / "gpt2")
    assert found.record.status == "finished"
    assert found.record.cost.upstream_cpu_seconds is None  # nobody knows what GPT-2 cost
    assert "training" not in found.record.flops
    assert found.record.flops["action"] > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"n_embd": 32}, "has width 32, here 16"),
        ({"n_layer": 2}, "has layers 2, here 1; what fits: --set layers=2"),
        ({"model_type": "bert"}, "config.json is of 'bert', and only of 'gpt2' weights are read"),
        ({"activation_function": "swish"}, "cannot be read: activation_function 'swish' is not supported"),
        ({"n_embd": None}, "cannot be read"),
        ({"n_inner": 17}, "cannot be read: n_inner = 17"),
    ],
)
def test_another_gpt2_is_refused_in_one_line(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    gpt2(tmp_path / "gpt2", **config)
    with pytest.raises(InputError) as error:
        begin(fresh(SPACES["discrete"], activation="gelu_tanh"), tmp_path / "gpt2")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_lies_about_its_weights_is_refused(tmp_path: Path) -> None:
    gpt2(tmp_path / "gpt2", width=8)
    config = json.loads((tmp_path / "gpt2" / "config.json").read_text())
    (tmp_path / "gpt2" / "config.json").write_text(json.dumps({**config, "n_embd": 16}))
    with pytest.raises(InputError, match="which is not what config"):
        begin(fresh(SPACES["discrete"], activation="gelu_tanh"), tmp_path / "gpt2")
    (tmp_path / "gpt2" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be read: no model"):
        begin(fresh(SPACES["discrete"], activation="gelu_tanh"), tmp_path / "gpt2")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("h.0.mlp.c_fc.weight", lambda t: t * math.nan, "expand.weight holds numbers that are not finite"),
        ("ln_f.weight", lambda t: t.double() * 1e300, "norm.weight holds numbers that are not finite in float32"),
        ("h.0.attn.c_attn.weight", lambda t: t.to(torch.int8), "qkv.weight is of int8, and weights are real numbers"),
        ("h.0.ln_1.bias", lambda t: t > 0, "attention_norm.bias is of bool"),
        ("h.0.ln_1.bias", lambda t: t.to(torch.complex64), "attention_norm.bias is of complex64"),
        ("ln_f.weight", lambda t: t[0].clone(), "norm.weight has the shape ()"),
        ("h.0.attn.c_attn.weight", lambda t: t[0].clone(), "qkv.weight has the shape (48,)"),
    ],
)
def test_weights_that_are_none_are_refused_in_one_line(
    name: str, change: Callable[[torch.Tensor], torch.Tensor], message: str, tmp_path: Path
) -> None:
    tensors = gpt2(tmp_path / "gpt2")
    save_file({**tensors, name: change(tensors[name])}, tmp_path / "gpt2" / "model.safetensors")
    with pytest.raises(InputError) as error:
        begin(fresh(SPACES["discrete"], activation="gelu_tanh"), tmp_path / "gpt2")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_in_several_files_are_other_weights_with_another_index(tmp_path: Path) -> None:
    folder = tmp_path / "gpt2"
    tensors = gpt2(folder)
    (folder / "model.safetensors").unlink()
    whole = {}
    for file in ("a.safetensors", "b.safetensors"):
        save_file(tensors, folder / file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(tensors, file)}))
        whole[weights_input(folder, None).hash] = file
    assert list(whole.values()) == ["a.safetensors", "b.safetensors"]


def test_what_is_neither_a_run_nor_gpt2_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run"):
        weights_input(tmp_path / "nowhere", None)
    with pytest.raises(InputError, match="neither a run nor GPT-2"):
        weights_input(tmp_path, None)
