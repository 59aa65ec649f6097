"""What tests of learners share: small worlds with a known optimum, a log that remembers, playing, comparing weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlformer.agents.online import state
from rlformer.agents.online.learner import SB3Learner
from rlformer.core import seeding
from rlformer.core.policy import Policy
from rlformer.core.records import Cost, EnvSpec, EvalResult
from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments
from rlformer.evaluator.measure.evaluation import evaluate


class Match(gym.Env[Any, Any]):
    """Five steps; the observation is the right action, and the reward is minus the error: at best 0."""

    SPACES = {  # noqa: RUF012 - of the class, never changed
        "discrete": spaces.Discrete(2),
        "multidiscrete": spaces.MultiDiscrete([2, 2]),
        "multibinary": spaces.MultiBinary(2),
        "box": spaces.Box(-1.0, 3.0, (2,), np.float32),
    }

    def __init__(self, kind: str, terminates: bool = False, masked: bool = False) -> None:
        """masked: whether it says what it allows, which is everything."""
        self.action_space, self._terminates = self.SPACES[kind], terminates  # else it is cut off
        self._info = {"action_mask": np.ones(4 if kind == "multidiscrete" else 2)} if masked else {}
        self.observation_space = spaces.Box(-1.0, 3.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._steps = 0
        return self._next(), self._info

    def step(self, action: Any) -> Any:
        wanted = self._wanted[:1] if isinstance(self.action_space, spaces.Discrete) else self._wanted
        error = np.abs(np.ravel(action) - wanted).sum()
        self._steps += 1
        done = self._steps == 5
        return self._next(), -float(error), done and self._terminates, done and not self._terminates, self._info

    def _next(self) -> Array:
        self._wanted = self.np_random.integers(0, 2, 2).astype(np.float32)
        return self._wanted


for kind in Match.SPACES:
    gym.register(f"Match-{kind}-v0", Match, kwargs={"kind": kind})


class Log:
    """A `RunLog` that remembers, and that asks to stop once `stop_after` has been called so many times."""

    def __init__(self, directory: Path, stop_after: float = float("inf")) -> None:
        self.directory, self.left = directory, stop_after
        self.points: list[tuple[int, dict[str, float]]] = []
        self.notes: list[str] = []
        self.parts: set[str] = set()
        self.costs: list[Cost] = []

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.points.append((step, dict(values)))

    def progress(self, done: int, total: int, note: str = "") -> None: ...

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        self.parts.add(part)
        yield

    def spent(self, cost: Cost) -> None:
        self.costs.append(cost)

    def stop_requested(self) -> bool:
        self.left -= 1
        return self.left < 0

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[None]:
        yield

    def rewind(self, step: int) -> None:
        self.points = [point for point in self.points if point[0] <= step]

    def note(self, text: str) -> None:
        self.notes.append(text)

    def curve(self, tag: str) -> list[tuple[int, float]]:
        return [(step, values[tag]) for step, values in self.points if tag in values]


def match(kind: str, **kwargs: Any) -> EnvSpec:
    spec = env_cards.environment(f"Match-{kind}-v0")
    return replace(spec, kwargs={**spec.kwargs, **kwargs}) if kwargs else spec


def play(policy: Policy, env: str | EnvSpec, episodes: int = 20, num_envs: int = 8) -> EvalResult:
    spec = env_cards.environment(env) if isinstance(env, str) else env
    return evaluate(policy, spec, seeding.episode_seeds(0, "evaluate", episodes), name="x", num_envs=num_envs)


def played(spec: EnvSpec, policy: Policy, episodes: int) -> Dataset:
    """A log of what the policy does."""
    environments = Environments(spec, 8)
    seeds = seeding.episode_seeds(0, "collect", episodes)
    found = sorted(rollout(environments, policy, seeds), key=lambda item: item[0])
    environments.close()
    return from_episodes(DatasetInfo(spec.name, environments.spaces), [episode for _, episode in found])


def weights(learner: SB3Learner) -> dict[str, Array]:
    return {name: array.copy() for name, array in state.acting_arrays(learner.model).items()}


def same(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
