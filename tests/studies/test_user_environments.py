"""Environments that a user brings, whatever they show: the whole way from training to an explanation."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rlformer
from rlformer import api
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Spaces
from rlformer.data.checks import check_spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.envs.make import spaces_of
from rlformer.explain.parts import Effects
from rlformer.runs.directory import RunDirectory

# Shows a sample of its space, and pays for the second of two actions.
_MODULE = """
import copy
import gymnasium as gym
import numpy as np
from gymnasium import spaces
SPACES = {
    "Discrete": spaces.Discrete(3, start=2),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "MultiBinary": spaces.MultiBinary(3),
    "Dict": spaces.Dict({"side": spaces.Discrete(2), "place": spaces.Box(-1, 1, (2,), np.float32)}),
    "Mixed": spaces.Dict({"bytes": spaces.Box(0, 255, (2,), np.uint8), "real": spaces.Box(-1, 1, (1,), np.float64)}),
    "Bytes": spaces.Box(0, 255, (3,), np.uint8),
    "Double": spaces.Box(-1, 1, (3,), np.float64),
    "Whole": spaces.Box(-5, 5, (2,), np.int64),
    "Flags": spaces.Box(0, 1, (2,), np.bool_),
}
class Show(gym.Env):
    action_space = gym.spaces.Discrete(2, start=5)
    def __init__(self, kind):
        self.observation_space = copy.deepcopy(SPACES[kind])
    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.left = 5
        return self.observation_space.sample(), {}
    def step(self, action):
        assert action in (5, 6)
        self.left -= 1
        return self.observation_space.sample(), float(action - 5), self.left == 0, False, {}
for kind in SPACES:
    gym.register(f"Show{kind}-v0", Show, kwargs={"kind": kind})
"""
_KINDS = {
    "Discrete": "uint8",
    "MultiDiscrete": "uint8",
    "MultiBinary": "uint8",
    "Dict": "float32",
    "Mixed": "float64",
    "Bytes": "uint8",
    "Double": "float64",
    "Whole": "int64",
    "Flags": "uint8",
}
_SMALL = ("width=16", "heads=1", "layers=1", "gradient_steps=20", "validate_every=20")


@pytest.fixture
def module(workspace: Path) -> str:
    """The user's module in the current folder; each test has its own name, since Python keeps what it imported."""
    name = f"shows_{abs(hash(workspace))}"
    (workspace / f"{name}.py").write_text(_MODULE)
    return name


@pytest.mark.slow
@pytest.mark.parametrize("kind", _KINDS)
def test_every_kind_of_observation_goes_the_whole_way(kind: str, module: str, workspace: Path) -> None:
    env = f"{module}:Show{kind}-v0"
    online = rlformer.train("ppo", env=env, overrides=("steps=64", "n_steps=32"), log_trajectories=True)
    log = rlformer.open_data(str(online))
    assert log.observations.dtype == _KINDS[kind]
    dt = rlformer.train("dt", env=env, dataset=log, overrides=_SMALL)
    record = RunDirectory.open(dt).record
    assert record.status == "finished"
    assert set(record.inference_seconds) == {"1", "64"}
    _, results = rlformer.evaluate([online, dt, "random"], env=env, episodes=3)
    assert [len(result.returns) for result in results] == [3, 3, 3]
    collected = rlformer.collect(dt, env=env, episodes=3, out="log")
    assert collected.observations.dtype == _KINDS[kind]
    for run in (online, dt):
        explained = api.explain(run, only=("effects",), tree=workspace / run.parent.name)
        effects = explained.need(Effects)
        assert effects.log is not None
        assert np.isfinite([effects.own.effects, effects.log.effects]).all()
        _, (tree,) = rlformer.evaluate([workspace / run.parent.name], env=env, episodes=3)
        assert len(tree.returns) == 3


def test_a_log_of_whole_numbers_is_refused_for_an_environment_of_reals_before_training(
    workspace: Path,
) -> None:
    env = EnvSpec("CartPole-v1", "CartPole-v1")
    spaces = spaces_of(env)
    log = rlformer.collect("random", env="CartPole-v1", episodes=4, out="log")
    rounded = _in_dtype(log, "int8")
    with pytest.raises(InputError, match=r"observations are int8, but those of 'CartPole-v1' are float32"):
        rlformer.train("dt", env="CartPole-v1", dataset=rounded, overrides=_SMALL)
    assert not (workspace / "runs").exists()
    for precision in ("float16", "float32", "float64"):
        check_spaces(_in_dtype(log, precision).info, env.name, spaces)


def _in_dtype(log: Dataset, dtype: str) -> Dataset:
    info = log.info
    shape = info.spaces.observation.shape
    episodes = [
        Episode(
            observations.astype(dtype),
            np.zeros(len(observations) - 1, np.int64),
            np.ones(len(observations) - 1),
            True,
            False,
        )
        for observations in np.split(log.observations, np.cumsum(log.lengths + 1)[:-1])
    ]
    return from_episodes(DatasetInfo(info.env, Spaces.plain(shape, info.spaces.actions, dtype), {}), episodes)


# One step: pays 1 for the highest of five integers, and asserts that it gets one of them.
_UNITS = """
import gymnasium as gym, numpy as np
seen = []
class Units(gym.Env):
    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-2, 2, (1,), np.int64)
    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}
    def step(self, action):
        assert self.action_space.contains(action), action
        seen.append(int(action[0]))
        return np.zeros(1, np.float32), float(action[0] == 2), True, False, {"is_success": action[0] == 2}
gym.register("Units-v0", Units)
"""


@pytest.mark.slow
def test_integers_are_sampled_logged_learned_and_executed(workspace: Path) -> None:
    """Of a log whose best episodes choose the highest one, a clone chooses it: nothing is cut off on the way."""
    name = f"units_{abs(hash(workspace))}"
    (workspace / f"{name}.py").write_text(_UNITS)
    env = f"{name}:Units-v0"
    log = rlformer.collect("random", env=env, episodes=500, out="log")
    seen = importlib.import_module(name).seen
    assert sorted(log.actions.ravel().tolist()) == sorted(seen)
    assert set(seen) == {-2, -1, 0, 1, 2}
    assert log.returns.mean() == pytest.approx(0.2, abs=0.06)
    run = rlformer.train("bc-top", dataset=log, env=env, overrides=("gradient_steps=300", "episode_filter_share=0.15"))
    seen.clear()
    _, (result,) = rlformer.evaluate([run], env=env, episodes=20)
    assert seen == [2] * 20
    assert result.mean == 1.0
    assert result.successes is not None
    assert result.successes.all()
    online = rlformer.train("ppo", env=env, overrides=("steps=64", "n_steps=32"), log_trajectories=True)
    assert set(rlformer.open_data(str(online)).actions.ravel().tolist()) <= {-2, -1, 0, 1, 2}


_WORST = """
import sys
import gymnasium as gym, numpy as np
class Worst(gym.Env):
    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        print("resetting")
        return np.zeros(1, np.float32), {}
    def step(self, action):
        sys.exit("gripper lost")
class Loud(Worst):
    def step(self, action):
        print("stepping")
        return np.zeros(1, np.float32), 1.0, True, False, {}
gym.register("Worst-v0", Worst)
gym.register("Loud-v0", Loud)
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", [("evaluate", "random", "--env"), ("train-agent",), ("collect", "random", "--env")])
def test_what_an_environment_does_is_one_line_of_its_own(
    command: tuple[str, ...], workspace: Path, checkout: Path
) -> None:
    name = "worst_environment"
    (workspace / f"{name}.py").write_text(_WORST)
    more = ("--episodes", "2") if "collect" in command else ()

    def run(env: str, *options: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "rlformer", *command, f"{name}:{env}", *more, *options]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)

    ended = run("Worst-v0")
    assert (ended.returncode, ended.stdout) == (2, "")
    told = [line for line in ended.stderr.splitlines() if line != "resetting"]
    assert len(told) == 1
    assert told[0].startswith(f"error: environment '{name}:Worst-v0', episode of seed ")
    assert told[0].endswith(f": step 0: SystemExit: gripper lost ({name}.py:12)")
    assert "Traceback" in run("Worst-v0", "--debug").stderr
    if command[0] == "evaluate":
        assert json.loads(run("Loud-v0", "--json").stdout)["policies"][0]["mean"] == 1.0
