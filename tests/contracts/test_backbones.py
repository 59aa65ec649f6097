"""What holds of every backbone in the registry, with every way to feed it, in every action space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.backbones.conv import Filters
from rlformer.agents.sequence.flops import of_run
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.objectives.imitation import imitate
from rlformer.agents.sequence.tracing import TOKENS, Patch, Trace, patched, tokens_of, traced, untrained
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Window
from rlformer.core.spaces import ActionSpec, Array, Spaces
from rlformer.data.windows import Windows
from rlformer.envs.make import spaces_of
from rlformer.evaluator.measure.evaluation import evaluate
from rlformer.runs.record import RunRecord
from tests.support.make_sequences import (
    MODELS,
    OBSERVATION,
    OBSERVATION_SIZE,
    SPACES,
    STREAMING,
    Journal,
    changed,
    log,
    model,
    windows_for,
)  # fmt: skip

CARTPOLE = EnvSpec("CartPole-v1", "CartPole-v1", wrappers=({"kind": "time_limit", "steps": 40},))
PENDULUM = EnvSpec("Pendulum-v1", "Pendulum-v1", wrappers=({"kind": "time_limit", "steps": 15},))


@pytest.fixture(params=SPACES)
def actions(request: pytest.FixtureRequest) -> ActionSpec:
    """Every kind of action space."""
    return SPACES[request.param]


@pytest.fixture(params=MODELS)
def any_model(request: pytest.FixtureRequest, actions: ActionSpec) -> TrajectoryModel:
    """Every backbone, with and without returns, with each form of tokens, in every action space."""
    return model(actions, **MODELS[request.param])


def plain(backbone: str) -> dict[str, Any]:
    """The first way to feed it."""
    return next(values for values in MODELS.values() if values["backbone"] == backbone)


# --- what a prediction depends on ---


@pytest.mark.slow
@torch.no_grad()
def test_padding_changes_nothing(any_model: TrajectoryModel) -> None:
    window = windows_for(any_model)
    with_garbage = changed(window, ~window.mask, any_model.codec.spec)
    unchanged = any_model(with_garbage)[window.mask].equal(any_model(window)[window.mask])
    assert unchanged == (not any_model.architecture.kind.bidirectional)


@pytest.mark.slow
@torch.no_grad()
def test_the_future_changes_nothing(any_model: TrajectoryModel) -> None:
    window = windows_for(any_model)
    before, alike = any_model(window), []
    for t in range(any_model.architecture.context_length):
        future = torch.arange(any_model.architecture.context_length) > t
        other = changed(window, future.expand_as(window.mask), any_model.codec.spec)
        alike.append(any_model(other)[:, : t + 1].equal(before[:, : t + 1]))
        action = torch.arange(any_model.architecture.context_length) == t  # the one to be predicted
        peeked = replace(window, actions=changed(window, action.expand_as(window.mask), any_model.codec.spec).actions)
        alike.append(any_model(peeked)[:, t].equal(before[:, t]))
    assert all(alike) == (not any_model.architecture.kind.bidirectional)


@pytest.mark.slow
@torch.no_grad()
def test_what_a_model_should_read_matters(any_model: TrajectoryModel) -> None:
    window, a = windows_for(any_model), any_model.architecture
    before = any_model(window)
    last = a.context_length - 1
    # Of the oldest step within reach one token a step shows the action alone, in the token after it.
    oldest = max(0, a.context_length - a.reach + (a.streams and a.tokens == "step"))

    def matters(name: str, step: int) -> bool:
        at = (torch.arange(a.context_length) == step).expand_as(window.mask)
        other = replace(window, **{name: getattr(changed(window, at, a.actions), name)})
        return not any_model(other)[:, last].allclose(before[:, last], atol=1e-4)

    assert matters("observations", last)
    assert matters("returns_to_go", last) == a.conditioned
    if a.kind.history:
        assert matters("observations", oldest)
        assert matters("actions", oldest)
        assert matters("returns_to_go", oldest) == a.conditioned
    for step in range(a.context_length - a.reach):
        assert not any(matters(name, step) for name in ("observations", "actions", "returns_to_go"))


@pytest.mark.slow
@torch.no_grad()
def test_one_step_of_each_window_is_what_all_steps_are(any_model: TrajectoryModel) -> None:
    window = windows_for(any_model)
    every = any_model(window)
    steps = window.mask.sum(dim=1) - 1
    expected = every[torch.arange(len(steps)), steps]
    torch.testing.assert_close(any_model.predict_at(window, steps), expected, atol=1e-5, rtol=1e-5)
    if not any_model.predicts_returns:  # else it acts on returns of its own
        torch.testing.assert_close(any_model.scores(window), expected, atol=1e-5, rtol=1e-5)


PREDICTED = [name for name, values in MODELS.items() if values.get("conditioning") == "predicted"]


@pytest.mark.parametrize("name", PREDICTED)
@torch.no_grad()
def test_a_predicted_return_depends_on_what_came_before_it_and_the_action_on_it(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    window = windows_for(built)
    imagined, steps = built.imagined(window), torch.arange(window.mask.shape[1])
    assert imagined.observations is window.observations
    for t in steps.tolist():
        unknown = replace(imagined, returns_to_go=imagined.returns_to_go.where(steps < t, torch.tensor(99.0)))
        at = torch.full((len(window.mask),), t)
        predictions, returns = built.decide(unknown, at)
        torch.testing.assert_close(returns, imagined.returns_to_go[:, t], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(predictions, built.predict_at(imagined, at), atol=1e-5, rtol=1e-5)
    assert imagined.returns_to_go.std(dim=0).min() > 0
    last = window.mask.sum(dim=1) - 1
    torch.testing.assert_close(built.scores(window), built.predict_at(imagined, last), atol=1e-5, rtol=1e-5)
    expected = built.with_returns(imagined)[1] * built.return_scale
    torch.testing.assert_close(expected, imagined.returns_to_go, atol=1e-4, rtol=1e-4)
    assert built.imagined(window).returns_to_go.equal(built.imagined(imagined).returns_to_go)


@pytest.mark.slow
def test_scores_can_be_differentiated_in_what_the_model_reads(any_model: TrajectoryModel) -> None:
    window = windows_for(any_model)
    window.observations.requires_grad_()
    window.returns_to_go.requires_grad_()
    any_model.scores(window).square().sum().backward()
    assert window.observations.grad.abs().sum() > 0
    if any_model.architecture.conditioning == "return":
        assert window.returns_to_go.grad.abs().sum() > 0


@pytest.mark.parametrize("backbone", BACKBONES)
def test_dropout_disturbs_training_alone_and_follows_the_seed(backbone: str) -> None:
    built = model(SPACES["discrete"], **{**plain(backbone), "dropout": 0.5})
    window = windows_for(built)
    quiet = built(window)
    assert quiet.equal(built(window))
    built.train()
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(built(window))
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])
    assert not drawn[0].equal(quiet)


# --- what can be seen inside ---


def everywhere(trace: Trace, layer: int) -> Patch:
    """A whole layer."""
    return Patch(layer, slice(0, trace.activations[layer].shape[1]), trace.activations[layer])


@pytest.mark.parametrize("name", MODELS)
def test_reading_activations_changes_nothing_bit_for_bit(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    window = windows_for(built)
    with torch.no_grad():
        before = built(window)
    trace = traced(built, window)
    assert trace.predictions.equal(before)
    with torch.no_grad():
        assert built(window).equal(before)
    a = built.architecture
    assert trace.layers == (TOKENS, *(f"layer {n}" for n in range(1, a.layers + 1)))
    assert all(h.shape[:2] == (len(window.mask), a.tokens_per_window) for h in trace.activations)


@pytest.mark.parametrize("name", MODELS)
def test_activations_replaced_by_their_own_change_nothing(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    window = windows_for(built)
    trace = traced(built, window)
    for layer in range(len(trace.layers)):
        again = patched(built, window, [everywhere(trace, layer)])
        torch.testing.assert_close(again, trace.predictions, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_layer_replaced_whole_says_what_the_other_window_says(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    window = windows_for(built)
    other = changed(window, torch.ones_like(window.mask), built.codec.spec)
    theirs = traced(built, other)
    assert not theirs.predictions.allclose(built(window), atol=1e-2)
    for layer in range(len(theirs.layers)):
        found = patched(built, window, [everywhere(theirs, layer)])
        torch.testing.assert_close(found, theirs.predictions, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_an_activation_reaches_its_own_step_and_later_ones_alone(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    window, steps = windows_for(built), built.architecture.context_length
    trace, step = traced(built, window), steps // 2
    tokens = tokens_of(built, step, steps)
    for layer, h in enumerate(trace.activations):
        elsewhere = h[:, tokens] + torch.linspace(-1.0, 2.0, h.shape[2])  # not all alike: a norm would not see it
        found = patched(built, window, [Patch(layer, tokens, elsewhere)])
        moved = (found - patched(built, window, [])).abs().amax(dim=(0, 2)) > 1e-4  # (K,)
        assert moved[step]
        if not built.architecture.kind.bidirectional:
            assert not moved[:step].any()


@pytest.mark.parametrize("name", MODELS)
def test_an_untrained_twin_has_the_same_scales_and_other_weights(name: str) -> None:
    built = model(SPACES["box"], **MODELS[name])
    state = torch.random.get_rng_state()
    fresh, again = untrained(built, 3), untrained(built, 3)
    assert torch.random.get_rng_state().equal(state)
    assert fresh.architecture == built.architecture
    assert all(fresh.get_buffer(name).equal(buffer) for name, buffer in built.named_buffers())
    window = windows_for(built)
    assert fresh(window).equal(again(window))
    assert not fresh(window).allclose(built(window), atol=1e-2)


# --- what it says of itself ---


@pytest.mark.parametrize("name", BACKBONES)
def test_its_name_is_the_registrys_and_its_words_hold(name: str) -> None:
    built = model(SPACES["discrete"], **plain(name))
    kind, window = BACKBONES[name], windows_for(built)
    assert kind.name == name
    if kind.attends:
        weights = built.attention(window)
        assert len(weights) == built.architecture.layers
        for layer in weights:
            torch.testing.assert_close(layer.sum(dim=-1), torch.ones(layer.shape[:-1]))
    else:
        with pytest.raises(InputError, match=f"the {name} has no attention"):
            built.attention(window)
    assert kind.history or not (kind.recurrent or kind.bidirectional or kind.sliding or kind.step_work)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"conditioning": "goal"}, "conditioning: one of return, predicted, none, got 'goal'"),
        ({"tokens": "one"}, "tokens: one of separate, step, got 'one'"),
        ({"norm": "batch"}, "norm: one of layer, rms, none, got 'batch'"),
        ({"activation": "sine"}, "activation: one of relu, gelu, gelu_tanh, got 'sine'"),
        ({"action_head": "beta"}, "action_head: one of deterministic, gaussian, got 'beta'"),
        ({"attention_band": -1}, "attention_band: a whole number from 0 to 4,096, got -1"),
        ({"layers": 0}, "layers: a whole number from 1 to 64, got 0"),
        ({"dropout": 1.0}, "dropout: a number at least 0 and below 1, got 1.0"),
    ],
)
def test_bad_values_are_refused_in_one_line(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        Architecture(OBSERVATION, SPACES["discrete"], **{**plain(name), "width": 16, "heads": 2, **values}).check()
    assert str(error.value) == message


@pytest.mark.parametrize("name", BACKBONES)
def test_what_it_cannot_do_is_refused_in_one_line(name: str) -> None:
    kind, fed = BACKBONES[name], {**plain(name), "tokens": "step", "width": 16, "heads": 2}

    def told(**values: Any) -> str:
        with pytest.raises(InputError) as error:
            Architecture(OBSERVATION, SPACES["discrete"], **{**fed, **values}).check()
        return str(error.value)

    if not kind.banded:
        assert told(attention_band=4).endswith(f"with the {name} it must be 0")
    if kind.history:
        assert told(conditioning="predicted") == (
            "conditioning: a predicted return needs a token of its own: tokens must be 'separate'"
        )
    if not kind.history:
        assert told(conditioning="predicted").startswith(f"conditioning: the {name} reads one token")
        assert told(context_length=20) == f"context_length: the {name} reads one step, got 20"
        assert told(tokens="separate").startswith(f"tokens: the {name} reads one token")


def test_an_unknown_one_is_refused_with_all_there_are() -> None:
    with pytest.raises(InputError) as error:
        Architecture(OBSERVATION, SPACES["discrete"], backbone="none such").check()
    assert str(error.value) == f"backbone: one of {', '.join(BACKBONES)}, got 'none such'"


# --- what it costs ---


def counted(built: TrajectoryModel, work: Callable[[], Any], passes: int) -> float:
    """What torch's counter sees of the work, and by hand the modules of which it sees nothing: recurrent ones, filters.

    Each of their matrices is used once a token; of filters that of the token's kind. Backward it is used twice more
    (`passes` 3): for its own gradient, and for that of what it reads.
    """
    unseen, hidden = 0, list[nn.Module]()

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal unseen
        matrices = sum(p.numel() for p in module.parameters() if p.ndim > 1)
        if isinstance(module, Filters):
            matrices //= module.kinds
        unseen += 2 * matrices * inputs[0].shape[0] * inputs[0].shape[1]

    recurrent = [module for module in built.modules() if isinstance(module, nn.RNNBase)]
    hidden += [module for module in recurrent if not seen(partial(module, torch.zeros(1, 1, module.input_size)))]
    hidden += [module for module in built.modules() if isinstance(module, Filters)]
    hooks = [module.register_forward_hook(count) for module in hidden]
    found = seen(work)
    for hook in hooks:
        hook.remove()
    return found + passes * unseen


def seen(work: Callable[[], Any]) -> float:
    """What torch's counter sees, with a backend of attention of which it sees something."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def values_of(built: TrajectoryModel, batch: int) -> dict[str, Any]:
    return {**vars(built.architecture), "batch_size": batch}


@pytest.mark.slow
@pytest.mark.parametrize("space", ["discrete", "multidiscrete", "box"])
@pytest.mark.parametrize("name", MODELS)
def test_a_gradient_step_costs_what_torch_counts(name: str, space: str) -> None:
    built, batch = model(SPACES[space], **MODELS[name]), 4
    window = Windows(log(SPACES[space]), built.architecture.context_length).draw(batch, np.random.default_rng(0))
    found = of_run(values_of(built, batch), Spaces(OBSERVATION, SPACES[space]), record(done=1))["training"]
    expected = counted(built, lambda: imitate(built, window)[0].mean().backward(), passes=3)
    assert found == expected


@pytest.mark.parametrize("name", [name for name in MODELS if name not in STREAMING])  # these: agents/test_flops.py
def test_an_action_costs_what_torch_counts(name: str) -> None:
    built = model(SPACES["discrete"], **MODELS[name])
    steps = built.architecture.context_length
    window = Windows(log(SPACES["discrete"], lengths=(20,)), steps).at(torch.tensor([3]))
    with torch.no_grad():
        last, a = torch.tensor([steps - 1]), built.architecture
        if a.executes_chunks:
            expected = counted(built, lambda: built.chunks(window, last), passes=1) / a.chunk_length
        else:
            expected = counted(built, lambda: built.decide(window, last), passes=1)
    assert of_run(values_of(built, 1), Spaces(OBSERVATION, SPACES["discrete"]), record()) == {
        "action": pytest.approx(expected)
    }


def record(**progress: int) -> RunRecord:
    return RunRecord("E", "a", 0, "", progress=progress)


# --- to disk and back ---


@pytest.mark.slow
def test_it_is_written_and_read_whole(any_model: TrajectoryModel) -> None:
    again = TrajectoryModel(Architecture.from_dict(any_model.architecture.to_dict()))
    again.load_state_dict(any_model.state_dict())
    window = windows_for(any_model)
    assert again.eval()(window).equal(any_model(window))  # the scales are part of the weights
    assert any_model.num_parameters == sum(p.numel() for p in any_model.parameters())


@pytest.mark.parametrize("space", ["discrete", "box"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_learns_from_a_log_and_comes_back_from_disk(backbone: str, space: str, tmp_path: Path) -> None:
    small = {"gradient_steps": 3, "width": 16, "batch_size": 4, "layers": 1, **plain(backbone)}
    task = Task(None, log(SPACES[space]), {**agent_cards.agent("dt").defaults, **small}, seed=0)
    learner = SequenceLearner()
    learner.fit(task, Journal(tmp_path))
    learner.save(tmp_path / "saved")
    again = SequenceLearner.load(tmp_path / "saved", None, {})
    observations = np.random.default_rng(0).standard_normal((4, OBSERVATION_SIZE)).astype(np.float32)
    for sample in (False, True):
        expected = learner.policy(sample).act(observations)
        np.testing.assert_array_equal(again.policy(sample).act(observations), expected)


# --- acting ---


class History:
    """One slot's running episode, as plain lists."""

    def __init__(self, target_return: float) -> None:
        self.remaining = target_return
        self.observations: list[Array] = []
        self.actions: list[Array] = []
        self.returns_to_go: list[float] = []

    def window(self, context_length: int, no_action: Array) -> tuple[Window, int]:
        """The last steps with nothing behind them, and which of them is the current one."""
        now = len(self.observations)
        steps = range(max(0, now - context_length), now)
        actions = [*self.actions, no_action]  # the current one is not known yet
        window = Window(
            torch.from_numpy(np.stack([self.observations[t] for t in steps]))[None],
            torch.from_numpy(np.stack([actions[t] for t in steps]))[None],
            torch.tensor([[self.returns_to_go[t] for t in steps]], dtype=torch.float32),
            torch.tensor([list(steps)]),
            torch.ones(1, len(steps), dtype=torch.bool),
        )
        return window, len(steps) - 1


@pytest.mark.parametrize("segment", [1, 2, 3, 7])
def test_segments_of_a_transformer_xl_cut_gradients_and_change_nothing_else(segment: int) -> None:
    values = {**MODELS["transformer-xl-return-step"], "context_length": 7, "memory_length": 4}
    whole = model(SPACES["discrete"], **{**values, "segment_length": 7})
    built = model(SPACES["discrete"], **{**values, "segment_length": segment})
    window = windows_for(built)
    window.observations.requires_grad_()
    torch.testing.assert_close(built(window), whole(window), atol=1e-5, rtol=1e-5)
    last = window.mask.all(dim=1)
    built(window)[last, 6].square().sum().backward()
    reached = window.observations.grad[last].abs().sum(dim=(0, 2)) > 0  # (K,)
    assert reached.tolist() == [step >= 6 // segment * segment for step in range(7)]


@torch.no_grad()
def returned(built: TrajectoryModel, window: Window) -> float:
    """The return that is predicted at the newest step of one window."""
    return float(built.with_returns(window)[1][0, -1] * built.return_scale)


@pytest.mark.slow
@pytest.mark.parametrize("num_envs", [1, 3, 8, 16])
@pytest.mark.parametrize("name", MODELS)
def test_acting_step_by_step_is_the_teacher_forced_forward_pass(name: str, num_envs: int) -> None:
    """Random episodes in every slot, which end at different times and begin again while others go on. Returns that a
    model predicts are those that it predicted then, and a plan that it follows is the one that it made.
    """
    spec = SPACES["box"]
    built = model(spec, **MODELS[name])
    policy, rng = SequencePolicy(built), np.random.default_rng(num_envs)
    seen = 14 if built.architecture.streams else built.architecture.context_length  # a banded one goes on for ever
    histories, plans = [History(0.0) for _ in range(num_envs)], [torch.empty(0)] * num_envs
    a = built.architecture
    fresh = np.arange(num_envs)
    for _ in range(14):
        if len(fresh):
            asked = rng.normal(0, 5, len(fresh))
            policy.begin(fresh, fresh, asked)
            for slot, target in zip(fresh.tolist(), asked.tolist(), strict=True):
                histories[slot] = History(target)
        observations = rng.standard_normal((num_envs, OBSERVATION_SIZE)).astype(np.float32)
        chosen = policy.act(observations)
        for slot, history in enumerate(histories):
            history.observations.append(observations[slot])
            history.returns_to_go.append(history.remaining)
            window, last = history.window(seen, np.zeros(spec.shape, np.float32))
            if built.predicts_returns:
                history.returns_to_go[-1] = returned(built, window)
                window, last = history.window(seen, np.zeros(spec.shape, np.float32))
            with torch.no_grad():
                foreseen = (len(history.observations) - 1) % a.chunk_length if a.executes_chunks else 0
                if a.executes_chunks and not foreseen:
                    plans[slot] = built.chunks(window)[0, last]
                predicted = plans[slot][foreseen] if a.executes_chunks else built(window)[0, last]
                expected = built.codec.greedy(predicted)
            np.testing.assert_allclose(chosen[slot], expected, atol=1e-5, rtol=1e-5)
        executed, rewards = spec.sample(rng, num_envs), rng.standard_normal(num_envs)  # not what was chosen
        policy.observe(executed, rewards)
        for slot, history in enumerate(histories):
            history.actions.append(executed[slot])
            history.remaining -= rewards[slot]
        fresh = np.flatnonzero(rng.random(num_envs) < 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("env", [CARTPOLE, PENDULUM], ids=lambda env: env.name)
@pytest.mark.parametrize("sample", [False, True], ids=["greedy", "sampled"])
@pytest.mark.parametrize("name", [name for name, values in MODELS.items() if values.get("conditioning") != "none"])
def test_returns_do_not_depend_on_how_many_environments_run(name: str, sample: bool, env: EnvSpec) -> None:
    spaces = spaces_of(env)
    torch.manual_seed(0)
    known = {"width": 16, "layers": 2, "heads": 2, **MODELS[name]}
    built = TrajectoryModel(Architecture(spaces.observation, spaces.actions, **known))
    for parameter in built.parameters():
        nn.init.normal_(parameter, std=0.3)
    seeds = np.arange(100, 116)
    results = [
        evaluate(SequencePolicy(built, 20.0, sample), env, seeds, name=name, num_envs=count)
        for count in (1, 3, 8, 11, 16)
    ]
    assert len(set(results[0].returns.tolist())) > 1  # the episodes differ
    for other in results[1:]:
        np.testing.assert_array_equal(other.returns, results[0].returns)
        np.testing.assert_array_equal(other.lengths, results[0].lengths)
