"""What tests of deployment share: a world with observations and actions of its own, and a step played in two ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from rlformer.agents.cards import resolve
from rlformer.agents.export import graph
from rlformer.agents.export.steps import Step
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.studies import experiment

SMALL: Mapping[str, Any] = {
    "gradient_steps": 12, "width": 16, "heads": 1, "layers": 1, "context_length": 4, "validate_every": 6, "hidden": [8],
    "lstm_hidden_size": 8, "steps": 128, "n_steps": 32, "num_envs": 2, "batch_size": 16, "learning_starts": 16,
}  # fmt: skip
QUICKLY = Protocol(episodes=2, curve_episodes=2, fresh_episodes=4, target_episodes=2, other_episodes=2, num_envs=2)
# A user's module: what is observed is a Dict of numbers, an image of a kind and a category, actions are its own too.
WORLD = """
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class World(gym.Env):
    def __init__(self, actions):
        self.observation_space = spaces.Dict({
            "place": spaces.Box(-5.0, 5.0, (2,), np.float64),
            "mode": spaces.Discrete(3, start=1),
            "grid": spaces.Tuple([spaces.Box(0, 255, (2, 2), np.int16), spaces.MultiBinary(2)]),
        })
        self.action_space = spaces.Discrete(3, start=4) if actions == "category" else spaces.Box(-2, 2, (2,), np.int64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time = self.np_random.uniform(-3.0, 3.0, 2), 0
        return self.observation(), {}

    def step(self, action):
        assert self.action_space.contains(action), repr(action)
        move = np.asarray(action) - 5 if np.ndim(action) == 0 else np.asarray(action)
        self.place = np.clip(self.place - move / 2 + self.np_random.normal(0.0, 0.1, 2), -5.0, 5.0)
        self.time += 1
        return self.observation(), -float(np.abs(self.place).sum()), False, self.time == 9, {}

    def observation(self):
        grid = np.full((2, 2), self.time, np.int16), np.array([self.time % 2, 1], np.int8)
        return {"place": self.place.copy(), "mode": np.int64(1 + self.time % 3), "grid": grid}


for actions in ("category", "integers"):
    gym.register(f"World-{actions}-v0", World, kwargs={"actions": actions})
"""


def small(agent: str, env: EnvSpec, root: Path, dataset: Dataset | None, **changed: Any) -> Path:
    """A run that trains hardly at all."""
    spec = resolve(env, agent, (), () if dataset is None else (log_input(dataset),))
    kept = {"context_length", "layers"} if spec.values.get("backbone") == "mlp" else set()
    if "buffer_size" in spec.values:
        kept |= {"gradient_steps", "n_steps"} if learner_kind(spec.agent.learner).steps_env else set()
    values = [f"{k}={json.dumps(v)}" for k, v in {**SMALL, **changed}.items() if k in spec.values and k not in kept]
    inputs = () if dataset is None else (log_input(dataset),)
    return experiment.train(resolve(env, agent, values, inputs), 0, root, dataset=dataset, protocol=QUICKLY).path


def play_single(policy: Any, env: gym.Env[Any, Any], seed: int, **asked: Any) -> float:
    """The return of one episode, through the form for one environment; the seed is for both."""
    policy.reset(**asked, seed=seed)
    observation, _ = env.reset(seed=seed)
    rewards: list[float] = []
    reward, ended = None, False
    while not ended:
        observation, reward, terminated, truncated, _ = env.step(policy(observation, reward))
        rewards.append(float(reward))
        ended = terminated or truncated
    return float(np.sum(rewards, dtype=np.float64))


def assert_the_file_acts_alike(step: Step, path: Path, policy: Policy, spec: ActionSpec, target: float = 3.0) -> None:
    """Export the step, and let the file go along with the policy: three episodes side by side, one of them begun anew.

    Real actions are equal to 1e-5, categories where the two best scores are further apart.
    """
    import onnxruntime

    graph.write(step, {}, path)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    rng, count = np.random.default_rng(0), 3
    feed = {port.name: np.zeros((count, *port.shape), port.dtype) for port in step.inputs}
    owed = np.full(count, target)
    policy.begin(np.arange(count), np.arange(count), owed)
    compared = 0
    for time in range(13):
        if time == 6:
            policy.begin(np.array([1]), np.array([9]), np.array([target]))
            owed[1] = target
            if "memory" in feed:
                feed["memory"][1] = 0.0
        feed["observation"] = rng.standard_normal(feed["observation"].shape).astype(np.float32)
        if "return_to_go" in feed:
            feed["return_to_go"] = owed.astype(np.float32)
        found = dict(zip([port.name for port in step.outputs], session.run(None, feed), strict=True))
        actions = spec.clip(policy.act(feed["observation"]))
        if spec.kind == "box":
            np.testing.assert_allclose(found["action"], actions, rtol=1e-5, atol=1e-5)
        else:
            same = found["action"] == actions
            assert found["action"].shape == actions.shape
            assert (same | _tied(found, spec).reshape(same.shape)).all()
            compared += int(same.sum())
        rewards = rng.standard_normal(count)
        policy.observe(actions, rewards)
        owed -= rewards
        feed.update({"memory": found["next_memory"]} if "memory" in feed else {})
        feed.update({"previous_action": actions} if "previous_action" in feed else {})
    assert spec.kind == "box" or compared > 30


def _tied(found: dict[str, Array], spec: ActionSpec) -> Array:
    """(N, components): whether the two best levels are too near to tell apart."""
    scores, ends = found["logits" if "logits" in found else "values"], np.cumsum(spec.nvec)[:-1]
    return np.stack([np.diff(np.sort(part, axis=1)[:, -2:])[:, 0] < 1e-5 for part in np.split(scores, ends, axis=1)], 1)
