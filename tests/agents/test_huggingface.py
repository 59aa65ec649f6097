"""Decision Transformers of Hugging Face's library: in, out, and the same actions on both sides."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlformer import api
from rlformer.agents.sequence.huggingface import export_checkpoint, load_checkpoint
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.records import Window
from rlformer.core.spaces import ActionSpec, Array
from rlformer.data.windows import Windows
from rlformer.envs import cards as env_cards
from tests.support.make_sequences import OBSERVATION_SIZE, SPACES, log, model

transformers = pytest.importorskip("transformers")


def theirs(**values: Any) -> Any:
    """A random model of theirs with nothing special about it: every weight counts."""
    torch.manual_seed(0)
    known = {"state_dim": OBSERVATION_SIZE, "act_dim": 2, "hidden_size": 16, "n_layer": 2, "n_head": 2, **values}
    built = transformers.DecisionTransformerModel(transformers.DecisionTransformerConfig(**known)).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


@torch.no_grad()
def their_predictions(built: Any, window: Window, ours: TrajectoryModel) -> torch.Tensor:
    """What they predict at each real step of a window, which they read padded on the left: (B, K, A)."""
    codec, length = ours.codec, window.mask.shape[1]
    inputs = {
        "states": (window.observations - ours.observation_mean) / ours.observation_std,
        "actions": codec.encode(window.actions),
        "returns_to_go": (window.returns_to_go / ours.return_scale)[..., None],
        "timesteps": window.timesteps,
        "attention_mask": window.mask.float(),
    }
    shifts = [int(length - real) for real in window.mask.sum(dim=1)]
    left = {
        name: torch.stack([row.roll(shift, 0) for row, shift in zip(value, shifts, strict=True)])
        for name, value in inputs.items()
    }
    predicted = built(**left, return_dict=True).action_preds
    return torch.stack([row.roll(-shift, 0) for row, shift in zip(predicted, shifts, strict=True)])


def windows(actions: ActionSpec, length: int) -> Window:
    data = log(actions)
    return Windows(data, length).at(torch.arange(data.num_steps))


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"action_tanh": False},
        {"n_head": 1, "activation_function": "gelu_new"},
        {"scale_attn_by_inverse_layer_idx": True, "activation_function": "gelu"},
        {"scale_attn_weights": False, "reorder_and_upcast_attn": True},
    ],
    ids=str,
)
def test_a_checkpoint_of_theirs_predicts_the_same_actions(values: dict[str, Any], tmp_path: Path) -> None:
    built = theirs(**values)
    built.save_pretrained(tmp_path)
    ours = load_checkpoint(tmp_path).model
    assert ours is not None
    window = windows(ours.codec.spec, 20)
    with torch.no_grad():
        mine = ours.codec.greedy(ours(window))
    torch.testing.assert_close(
        mine[window.mask], their_predictions(built, window, ours)[window.mask], atol=1e-5, rtol=0
    )


def test_and_acts_the_same_step_by_step(tmp_path: Path) -> None:
    """A rollout as their documentation writes it: the last K steps, padded on the left, the last action unknown."""
    built, context = theirs(), 4
    built.save_pretrained(tmp_path)
    beside = {"context_length": context, "return_scale": 5.0, "scales": {"target_return": 3.0}}
    (tmp_path / "rlformer.json").write_text(json.dumps(beside))
    policy, rng = api.load(tmp_path), np.random.default_rng(0)
    policy.begin(np.arange(1), np.arange(1), None)
    states, actions, owed = np.zeros((0, OBSERVATION_SIZE), np.float32), np.zeros((0, 2), np.float32), [3.0]
    for t in range(10):
        states = np.concatenate([states, rng.standard_normal((1, OBSERVATION_SIZE)).astype(np.float32)])
        expected = their_action(built, states, np.concatenate([actions, np.zeros((1, 2), np.float32)]), owed, context)
        acted = policy.act(states[-1:])
        np.testing.assert_allclose(acted[0], expected, atol=1e-5)
        policy.observe(acted, np.array([0.25 * t]))
        actions, owed = np.concatenate([actions, acted]), [*owed, owed[-1] - 0.25 * t]


@torch.no_grad()
def their_action(built: Any, states: Array, actions: Array, owed: list[float], context: int) -> Array:
    steps = np.arange(len(states))[-context:]
    padding = context - len(steps)

    def left(rows: Array) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([np.zeros((padding, *rows.shape[1:]), rows.dtype), rows])[None])

    predicted = built(
        states=left(states[steps]),
        actions=left(actions[steps]),
        returns_to_go=left(np.array(owed, np.float32)[steps, None] / 5.0),
        timesteps=left(steps),
        attention_mask=left(np.ones(len(steps), np.float32)),
        return_dict=True,
    ).action_preds
    return predicted[0, -1].numpy()


@pytest.mark.parametrize("encoding", ["episode", "none"])
def test_an_exported_model_plays_on_there_beyond_the_longest_episode_of_its_log(encoding: str, tmp_path: Path) -> None:
    """Later steps have the timestep of the last one that was trained, as here."""
    learner, context, longest = SequenceLearner(), 4, 6
    learner.model = model(
        SPACES["box-single"], context_length=context, timestep_encoding=encoding, max_timesteps=longest
    )
    learner.scales = {}
    export_checkpoint(learner, tmp_path, time_limit=5000)
    built = transformers.DecisionTransformerModel.from_pretrained(tmp_path).eval()
    assert built.config.max_ep_len == 5001
    ours, policy, rng = learner.model, learner.policy(), np.random.default_rng(0)
    policy.begin(np.arange(1), np.arange(1), np.array([3.0]))
    raw, actions, owed = np.zeros((0, OBSERVATION_SIZE), np.float32), np.zeros((0, 1), np.float32), [3.0]
    for _ in range(3 * longest):
        raw = np.concatenate([raw, rng.standard_normal((1, OBSERVATION_SIZE)).astype(np.float32)])
        states = (raw - ours.observation_mean.numpy()) / ours.observation_std.numpy()
        scaled = [5.0 * value / float(ours.return_scale) for value in owed]  # `their_action` divides by 5
        expected = their_action(built, states, np.concatenate([actions, np.zeros((1, 1), np.float32)]), scaled, context)
        acted = policy.act(raw[-1:])
        decoded = ours.codec.encode(torch.from_numpy(acted)).numpy()  # what they read and write
        np.testing.assert_allclose(decoded[0], expected, atol=1e-5)
        policy.observe(acted, np.array([0.25]))
        actions, owed = np.concatenate([actions, decoded]), [*owed, owed[-1] - 0.25]


def test_weights_of_less_precision_are_added_in_float32(tmp_path: Path) -> None:
    built = theirs().to(torch.bfloat16)
    built.save_pretrained(tmp_path)
    ours = load_checkpoint(tmp_path).model
    assert ours is not None
    window = windows(ours.codec.spec, 20)
    with torch.no_grad():
        mine = ours.codec.greedy(ours(window))
    expected = their_predictions(built.float(), window, ours)
    torch.testing.assert_close(mine[window.mask], expected[window.mask], atol=2e-6, rtol=0)


def test_weights_in_several_files_are_one_model(tmp_path: Path) -> None:
    built = theirs()
    built.save_pretrained(tmp_path / "whole")
    built.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 2
    whole, parts = (load_checkpoint(tmp_path / name).digest for name in ("whole", "parts"))
    assert whole == parts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda places, name: places.update({name: "model-9.safetensors"}), r"model-9\.safetensors is missing, which"),
        (lambda places, name: places.update({name: "../model.safetensors"}), "which is no .safetensors file of this"),
        (lambda places, name: places.update({name: "weights.bin"}), "which is no .safetensors file of this"),
        (lambda places, name: places.update({"more": places[name]}), r"holds no more, which model\.safetensors\.index"),
        (lambda places, name: places.update({name: 3}), "'weight_map' must say of each weight"),
        (lambda places, name: places.pop(name), "cannot be read: '.*' is missing"),
        (
            lambda places, name: places.update({str(i): f"{i}.safetensors" for i in range(1001)}),
            "1,000 at most are read",
        ),
    ],
)
def test_an_index_of_weights_that_is_wrong_gets_one_line(change: Any, message: str, tmp_path: Path) -> None:
    theirs().save_pretrained(tmp_path, max_shard_size="20KB")
    index = tmp_path / "model.safetensors.index.json"
    described = json.loads(index.read_text())
    change(described["weight_map"], "embed_ln.weight")
    index.write_text(json.dumps(described))
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["episode", "none"])
@pytest.mark.parametrize("space", ["discrete", "multidiscrete", "box", "box-single"])
def test_a_model_of_ours_goes_out_and_comes_back(space: str, encoding: str, tmp_path: Path) -> None:
    learner = SequenceLearner()
    learner.model = model(SPACES[space], context_length=5, timestep_encoding=encoding, max_timesteps=20)
    learner.scales = {"target_return": 7.0}
    export_checkpoint(learner, tmp_path)
    built, loading = transformers.DecisionTransformerModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    window = windows(SPACES[space], 5)
    predicted = learner.model(window)
    if space.startswith("box"):
        predicted = predicted.tanh()
    torch.testing.assert_close(
        predicted[window.mask].detach(), their_predictions(built.eval(), window, learner.model)[window.mask],
        atol=1e-4, rtol=1e-5,
    )  # fmt: skip
    again = load_checkpoint(tmp_path)
    assert again.scales == {"target_return": 7.0}
    assert again.model is not None
    torch.testing.assert_close(again.model(window), learner.model(window))


@pytest.mark.parametrize(
    ("space", "values", "message"),
    [
        ("discrete", {"tokens": "step"}, "no tokens 'step': train with --set tokens=separate"),
        (
            "discrete",
            {"timestep_encoding": "window"},
            "no timestep_encoding 'window': train with --set timestep_encoding=episode",
        ),
        ("discrete", {"backbone": "lstm"}, "no backbone 'lstm'"),
        (
            "discrete",
            {"tokens": "step", "attention_band": 4, "timestep_encoding": "none"},
            "no attention_band '4', tokens 'step': train with --agent dt-paper",
        ),
        ("discrete", {"norm": "rms"}, "no norm 'rms'"),
        ("box", {"action_head": "gaussian"}, "no gaussian head"),
        ("box-unbounded", {}, "bounds all dimensions of an action or none"),
    ],
)
def test_what_has_no_counterpart_is_not_exported(
    space: str, values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    learner = SequenceLearner()
    learner.model = model(SPACES[space], context_length=5, **values)
    with pytest.raises(InputError, match=message):
        export_checkpoint(learner, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_others_put_there_is_not_replaced(tmp_path: Path) -> None:
    learner = SequenceLearner()
    learner.model = model(SPACES["discrete"], context_length=5, timestep_encoding="episode")
    (tmp_path / "config.json").write_text("theirs")
    with pytest.raises(InputError, match="something other than an exported model"):
        export_checkpoint(learner, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]
    for _ in range(2):  # ours may be made anew
        export_checkpoint(learner, tmp_path / "ours")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_inner": 32}, "n_inner = 32: only 64 is computed alike"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon"),
        ({"activation_function": "silu"}, "activation_function 'silu' is not one of relu"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    theirs(**values).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


def test_damaged_weights_other_shapes_and_pickles_get_one_line(tmp_path: Path) -> None:
    built = theirs()
    built.save_pretrained(tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    described, whole = config.read_text(), weights.read_bytes()
    config.write_text(described.replace('"state_dim": 3', '"state_dim": 4'))
    with pytest.raises(InputError, match="size mismatch"):
        load_checkpoint(tmp_path)
    config.write_text(described)
    (tmp_path / "rlformer.json").write_text('{"observation_mean": [1, 2]}')
    with pytest.raises(InputError, match=r"rlformer\.json: observation_mean has 2 numbers, an observation 3"):
        load_checkpoint(tmp_path)
    (tmp_path / "rlformer.json").unlink()
    weights.write_bytes(whole[:100])
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=r"no model\.safetensors in it"):
        load_checkpoint(tmp_path)
    torch.save(built.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="pass --trust"):
        load_checkpoint(tmp_path)
    assert load_checkpoint(tmp_path, trust=True).model is not None


def test_it_is_a_policy_like_any_other(tmp_path: Path) -> None:
    """Evaluated with what it is asked for, refused where it cannot act, and asked for a return if none is known."""
    theirs(state_dim=3, act_dim=1).save_pretrained(tmp_path)
    spec, (result,) = api.evaluate([tmp_path], env="Pendulum-v1", episodes=2, target_return=-200.0)
    assert (spec.name, result.target_return, len(result.returns)) == ("Pendulum-v1", -200.0, 2)
    with pytest.raises(InputError, match="does not record a target return"):
        api.evaluate([tmp_path], env="Pendulum-v1", episodes=2)
    with pytest.raises(InputError, match="reads 3 numbers, an observation of CartPole-v1 has"):
        api.evaluate([tmp_path], env="CartPole-v1", episodes=2, target_return=1.0)
    assert load_checkpoint(tmp_path, env_cards.environment("Pendulum-v1")).num_parameters > 0


def test_categories_are_told_by_the_environment_where_the_file_does_not(tmp_path: Path) -> None:
    theirs(state_dim=4, act_dim=2, action_tanh=False).save_pretrained(tmp_path)
    _, (result,) = api.evaluate([tmp_path], env="CartPole-v1", episodes=2, target_return=100.0)
    assert result.returns.min() >= 1


def test_a_run_is_exported_and_what_is_none_is_refused(tmp_path: Path) -> None:
    changes = ["gradient_steps=2", "width=16", "tokens=separate", "timestep_encoding=episode"]
    run = api.train("dt", dataset=log(SPACES["discrete"]), root=tmp_path, overrides=changes)
    assert load_checkpoint(api.export(run, huggingface=tmp_path / "out")).scales["rule"] == "auto"
    with pytest.raises(InputError, match="is not a stable-baselines3 agent"):
        api.export(run, sb3=tmp_path / "out.zip")
    with pytest.raises(InputError, match="one of --huggingface, --sb3, --onnx and --minimal"):
        api.export(run)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("n_layer", 10**8, "layers: a whole number from 1 to 64, got 100000000"),
        ("max_ep_len", 10**6, r"a model of at least [\d,]+ parameters, and model.safetensors has [\d,]+ bytes"),
        ("hidden_size", 10**9, "config.json: hidden_size: a whole number from 1 to 8,192"),
        ("state_dim", 10**12, "config.json: state_dim: a whole number from 1 to 1,000,000"),
        ("act_dim", "two", "config.json: act_dim: a whole number from 1 to 1,000,000, got 'two'"),
        ("max_ep_len", 10**12, "max_timesteps: a whole number from 1 to 1,000,000"),
        ("activation_function", ["relu"], "activation_function"),
    ],
)
def test_a_configuration_that_is_too_large_is_refused_before_it_is_built(
    key: str, value: Any, message: str, tmp_path: Path
) -> None:
    theirs().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, key: value}))
    with pytest.raises(InputError, match=rf"^{tmp_path}: .*{message}|^{message}"):
        load_checkpoint(tmp_path)


def test_an_export_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """The temporary file of a process that is gone is no other model."""
    learner = SequenceLearner()
    learner.model = model(SPACES["discrete"], context_length=5, timestep_encoding="episode")
    (tmp_path / f".model.safetensors.{os.uname().nodename}.{2**22 + 7}.tmp").write_bytes(b"torn")
    export_checkpoint(learner, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "rlformer.json"}
