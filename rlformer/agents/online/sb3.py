"""The online family: algorithms of stable-baselines3 and sb3-contrib, with the values of agents/*.toml."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import RunLog, Task
from rlformer.agents.online.sb3_learner import SB3Learner
from rlformer.core import files
from rlformer.core.errors import InputError, unknown
from rlformer.core.records import Cost, EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.envs.make import make, spaces_of

# Which action spaces each algorithm acts in.
ALGORITHMS: Mapping[str, frozenset[str]] = {
    "A2C": frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    "DQN": frozenset({"discrete"}),
    "PPO": frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    "RecurrentPPO": frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    "SAC": frozenset({"box"}),
    "TD3": frozenset({"box"}),
}
ACTIVATIONS = ("relu", "tanh", "elu", "gelu")
_SPACES = {
    "discrete": "Discrete",
    "multidiscrete": "MultiDiscrete",
    "multibinary": "MultiBinary",
    "box": "Box",
}
_SCHEDULES = ("learning_rate", "clip_range")
_LOWEST = {
    "evaluate_every": 0,
    "learning_starts": 0,
    "gradient_steps": -1,
    "sde_sample_freq": -1,
    "log_std_init": -20.0,
}
_SHARES = (
    "gamma",
    "gae_lambda",
    "tau",
    "exploration_fraction",
    "exploration_initial_eps",
    "exploration_final_eps",
)


class OnlineLearner(SB3Learner):
    """Trains by interaction. The policy is the last one: choosing by rollouts would cost environment steps.

    See `agents.base.Learner`.
    """

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`."""
        check(hyperparameters)
        check_actions(hyperparameters["algorithm"], env)

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`. Raises InputError where a value or the environment's actions do not fit."""
        assert task.env is not None
        self.check(task.env, task.hyperparameters)
        from rlformer.agents.online.sb3_training import Training

        training = Training(task, log)
        self._model = training.model
        return training.run()

    def save(self, directory: Path) -> None:
        """Write what it takes to act, without the state of the optimisers: model.safetensors, model.json."""
        self._write(directory, {"algorithm": type(self.model).__name__})

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> OnlineLearner:
        """The inverse of `save`. Raises InputError where the files are damaged or of another algorithm."""
        from stable_baselines3.common.vec_env import DummyVecEnv

        from rlformer.agents.online import sb3_training

        assert env is not None
        described = files.read_json(directory / "model.json")
        if described.get("algorithm") != hyperparameters["algorithm"]:
            raise InputError(f"{directory}: holds a {described.get('algorithm')}, not a {hyperparameters['algorithm']}")
        spec, learner, values = env, cls(), dict(hyperparameters)
        if "buffer_size" in values:
            values["buffer_size"] = 1  # nothing is learned here
        environments = DummyVecEnv([lambda: make(spec) for _ in range(values["num_envs"])])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the training noted them
            learner._model = sb3_training.build(values, environments, seed=0)
        environments.close()
        learner._read(directory)
        return learner


def check(
    values: Mapping[str, Any],
    algorithms: Collection[str] = ALGORITHMS.keys(),
    lowest: Mapping[str, float] = _LOWEST,
) -> None:
    """Raise InputError unless every value of an agent's card is one that it can be trained with.

    lowest: bounds of numbers; any other integer is at least 1, any other real at least 0.
    """
    if values["algorithm"] not in algorithms:
        raise unknown("algorithm", values["algorithm"], algorithms)
    if values["activation"] not in ACTIVATIONS:
        raise unknown("activation", values["activation"], ACTIVATIONS)
    for key, value in values.items():
        if isinstance(value, Mapping):
            if key not in _SCHEDULES:
                raise InputError(f"{key}: expected a number; schedules: {', '.join(_SCHEDULES)}")
            if set(value) != {"start", "end"}:
                raise InputError(f"{key}: a schedule has 'start' and 'end', got {dict(value)}")
            for end, number in value.items():
                _check_number(f"{key}.{end}", number, 0)
        elif isinstance(value, list):
            for size in value:
                if not isinstance(size, int) or size < 1:
                    raise InputError(f"{key}: expected sizes of layers such as [64, 64], got {value}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_number(key, value, lowest.get(key, 1 if isinstance(value, int) else 0))


def _check_number(key: str, value: Any, lowest: float) -> None:
    highest = 1.0 if key in _SHARES else math.inf
    if not (isinstance(value, (int, float)) and math.isfinite(value) and lowest <= value <= highest):
        wanted = f"at least {lowest:g}" if highest == math.inf else f"{lowest:g} to {highest:g}"
        raise InputError(f"{key}: expected {wanted}, got {value!r}")


def check_actions(algorithm: str, env: EnvSpec) -> None:
    """Raise InputError, naming agents that fit, unless the online algorithm can act in the environment."""
    check_fit(algorithm, ALGORITHMS, spaces_of(env).actions, env.name, ("sb3",))


def check_fit(
    algorithm: str,
    algorithms: Mapping[str, frozenset[str]],
    actions: ActionSpec,
    where: str,
    learners: Collection[str],
) -> None:
    """Raise InputError unless the algorithm acts in these actions of `where`.

    The message names the agents of the `learners` that fit; `algorithms` says in which kinds of space each acts.
    """
    if not actions.bounded:
        bounds = f"{list(actions.low)} to {list(actions.high)}"
        raise InputError(f"{where}: {algorithm.lower()} needs finite bounds of a Box action space, it has {bounds}")
    if actions.kind not in algorithms[algorithm]:
        needed = ", ".join(_SPACES[kind] for kind in _SPACES if kind in algorithms[algorithm])
        fitting = [
            name
            for name, card in agent_cards.agents().items()
            if card.learner in learners and _acts_in(card.defaults.get("algorithm"), algorithms, actions.kind)
        ]
        raise InputError(
            f"{algorithm.lower()} needs a {needed} action space, {where} has {_SPACES[actions.kind]}; "
            f"agents that fit: {', '.join(fitting)}"
        )


def _acts_in(algorithm: str | None, algorithms: Mapping[str, frozenset[str]], kind: str) -> bool:
    return algorithm is None or kind in algorithms.get(algorithm, ())  # sequence models have none and act in any space
