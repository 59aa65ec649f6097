"""What holds of every network that is registered: it goes out as an ONNX file, and acts there as it does here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from stable_baselines3.common.vec_env import DummyVecEnv

from rlformer.agents import cards as agent_cards
from rlformer.agents.export.steps import step_of
from rlformer.agents.learners import LEARNERS
from rlformer.agents.offline.algorithms import ALGORITHMS as OFFLINE
from rlformer.agents.online.algorithms import ALGORITHMS as ONLINE
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.build import SpacesOnly, build
from rlformer.agents.online.policy import policy_of
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.seeding import policy_generator
from rlformer.core.spaces import Spaces
from rlformer.envs.native import Translator, native_spaces
from rlformer.envs.rollout import RandomPolicy
from tests.support.make_exports import assert_the_file_acts_alike
from tests.support.make_sequences import CONTEXT, MODELS, OBSERVATION, SPACES, model
from tests.support.make_training import match

SMALL: Mapping[str, Any] = {
    "hidden": [8], "lstm_hidden_size": 8, "num_envs": 1, "batch_size": 16, "buffer_size": 2, "learning_starts": 1,
    "n_steps": 16, "normalize_observations": True, "width": 8, "layers": 2, "heads": 2, "memory_length": 3,
}  # fmt: skip


def untrained(learner: str, algorithm: Algorithm, kind: str) -> tuple[Policy, Spaces]:
    """What a card of the algorithm makes, with large random weights and statistics, and its spaces."""
    card = next(
        c
        for c in agent_cards.agents().values()
        if (c.learner, c.defaults.get("algorithm")) == (learner, algorithm.name)
    )
    values = {key: SMALL.get(key, value) for key, value in card.defaults.items() if key != "gradient_steps"}
    values |= {"normalize_rewards": False} | ({"gradient_steps": 1} if "train_freq" in values else {})
    native = native_spaces(match(kind))
    translator = Translator(native)
    own = translator.canonical_observation_space, translator.canonical_action_space
    made: Any = build(algorithm, values, DummyVecEnv([lambda: SpacesOnly(*own)]), seed=0)
    torch.manual_seed(0)
    for parameter in made.policy.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    moments = made.get_vec_normalize_env().obs_rms
    moments.mean, moments.var = np.array([1000.0, -0.3]), np.array([4.0, 1e-3])
    return policy_of(algorithm, made), native.canonical


ALGORITHMS = [
    pytest.param(learner, algorithm, kind, id=f"{algorithm.name}-{kind}")
    for learner, registry in (("sb3", ONLINE), ("offline", OFFLINE))
    for algorithm in registry.values()
    for kind in sorted(algorithm.action_kinds)[:: max(1, len(algorithm.action_kinds) - 1)]  # the first and the last
] + [pytest.param("sb3", ONLINE["PPO"], "multibinary", id="PPO-multibinary")]
WAYS = [  # each backbone with every way to feed it; of the kinds of actions one, in turn
    pytest.param(name, kind, id=f"{name}-{kind}")
    for (name, values), kind in zip(MODELS.items(), [*SPACES] * len(MODELS), strict=False)
    if values.get("norm") != "none"  # which makes rounding errors a hundred times as large
]


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "algorithm", "kind"), ALGORITHMS)
def test_every_algorithm_acts_in_onnx_as_here(learner: str, algorithm: Algorithm, kind: str, tmp_path: Path) -> None:
    policy, spaces = untrained(learner, algorithm, kind)
    step = step_of(policy, spaces.observation).eval()
    assert_the_file_acts_alike(step, tmp_path / "model.onnx", policy, spaces.actions)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), WAYS)
def test_every_backbone_acts_in_onnx_as_here(name: str, kind: str, tmp_path: Path) -> None:
    built = model(SPACES[kind], **MODELS[name])
    policy = SequencePolicy(built, 3.0)
    step = step_of(policy, OBSERVATION).eval()
    assert_the_file_acts_alike(step, tmp_path / "model.onnx", policy, SPACES[kind])


def test_every_backbone_is_among_them() -> None:
    assert {MODELS[param.values[0]]["backbone"] for param in WAYS} == set(BACKBONES)  # type: ignore[index]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["multidiscrete", "box"])
def test_the_step_is_the_policy_before_it_is_a_graph(name: str, kind: str) -> None:
    """In torch, where a step is cheap: actions and memory over an episode that is longer than the context."""
    built, spec = model(SPACES[kind], **MODELS[name]), SPACES[kind]
    policy = SequencePolicy(built, 3.0)
    step, rng = step_of(policy, OBSERVATION).eval(), np.random.default_rng(1)
    policy.begin(np.arange(2), np.arange(2), None)
    feed = {port.name: np.zeros((2, *port.shape), port.dtype) for port in step.inputs}
    owed = np.full(2, 3.0)
    for _ in range(2 * CONTEXT + 2):
        feed["observation"] = rng.standard_normal((2, 3)).astype(np.float32)
        if "return_to_go" in feed:
            feed["return_to_go"] = owed.astype(np.float32)
        with torch.no_grad():
            action, scores, *memory = step(*(torch.from_numpy(feed[port.name]) for port in step.inputs))
        acted = spec.clip(policy.act(feed["observation"]))
        np.testing.assert_allclose(action.numpy(), acted, rtol=1e-4, atol=1e-4)
        assert scores.shape == (2, *step.outputs[1].shape)
        rewards = rng.standard_normal(2)
        policy.observe(acted, rewards)
        owed -= rewards
        feed.update({"memory": memory[0].numpy()} if memory else {})
        feed.update({"previous_action": acted} if "previous_action" in feed else {})


@pytest.mark.parametrize("kind", ["discrete", "multidiscrete", "box"])
def test_a_policy_that_samples_takes_its_random_numbers_from_outside(kind: str) -> None:
    built = model(SPACES[kind], **{**MODELS["transformer-return-step"], "action_head": "gaussian"})
    policy, stream = SequencePolicy(built, 3.0, sample=True), policy_generator(5)
    step = step_of(policy, OBSERVATION).eval()
    drawn = next(port for port in step.inputs if port.name in ("uniform", "normal"))
    assert drawn.name == ("normal" if kind == "box" else "uniform")
    policy.begin(np.array([0]), np.array([5]), None)
    feed = {port.name: np.zeros((1, *port.shape), port.dtype) for port in step.inputs}
    feed["observation"][:] = 0.5
    feed["return_to_go"][:] = 3.0
    acted = policy.act(feed["observation"])
    numbers = stream.random((1, *drawn.shape), np.float32)
    feed[drawn.name] = norm.ppf(numbers).astype(np.float32) if kind == "box" else numbers
    with torch.no_grad():
        action, *_ = step(*(torch.from_numpy(feed[port.name]) for port in step.inputs))
    np.testing.assert_allclose(action.numpy(), SPACES[kind].clip(acted), rtol=1e-4, atol=1e-4)


def test_what_has_no_network_is_refused() -> None:
    with pytest.raises(InputError, match="has no network"):
        step_of(RandomPolicy(SPACES["discrete"]), OBSERVATION)
    assert {name for name, kind in LEARNERS.items() if not kind.learns} == {"random", "behaviour"}
