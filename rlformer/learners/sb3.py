"""The online family: PPO, A2C, DQN, SAC and TD3 of stable-baselines3, with the values of agents/*.toml."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer import catalogue
from rlformer.environments import action_spec, make
from rlformer.errors import InputError, unknown
from rlformer.runs import files
from rlformer.types import SCHEMA, ActionSpec, DataCost, EnvSpec, Policy, RunLog, Task

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

# Which action spaces each algorithm acts in.
ALGORITHMS: Mapping[str, frozenset[str]] = {
    "A2C": frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
    "DQN": frozenset({"discrete"}),
    "PPO": frozenset({"discrete", "multidiscrete", "multibinary", "box"}),
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
# Bounds of numbers; any other integer is at least 1, any other real at least 0.
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


class OnlineLearner:
    """Trains by interaction. The policy is the last one: choosing by rollouts would cost environment steps.

    See `types.Learner`.
    """

    needs = frozenset({"env"})
    scales: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self._model: BaseAlgorithm | None = None

    def fit(self, task: Task, log: RunLog) -> DataCost:
        """See `types.Learner`. Raises InputError where a value or the environment's actions do not fit."""
        assert task.env is not None
        check(task.hyperparameters)
        check_actions(task.hyperparameters["algorithm"], task.env)
        from rlformer.learners.sb3_training import Training

        training = Training(task, log)
        self._model = training.model
        return training.run()

    def policy(self, sample: bool = False) -> Policy:
        """See `types.Learner`."""
        from rlformer.learners import sb3_training

        return sb3_training.policy(self.model, sample)

    @property
    def model(self) -> BaseAlgorithm:
        """The algorithm of stable-baselines3, for what this project does not do with it."""
        assert self._model is not None, "fit or load first"
        return self._model

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients changed: target networks follow without any."""
        from rlformer.learners import sb3_state

        groups = [g for o in sb3_state.optimizers(self.model).values() for g in o.param_groups]
        return sum({id(p): p.numel() for group in groups for p in group["params"]}.values())

    def save(self, directory: Path) -> None:
        """Write what it takes to act, without the state of the optimisers: model.safetensors, model.json."""
        from safetensors.numpy import save_file

        from rlformer.learners import sb3_state

        files.writable_directory(directory)
        arrays = sb3_state.acting_arrays(self.model)
        with files.replacing(directory / "model.safetensors") as temporary:
            save_file(arrays, temporary)
        files.write_json(directory / "model.json", {"schema": SCHEMA, "algorithm": type(self.model).__name__})

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> OnlineLearner:
        """The inverse of `save`. Raises InputError where the files are damaged or of another algorithm."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from stable_baselines3.common.vec_env import DummyVecEnv

        from rlformer.learners import sb3_state, sb3_training

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
        try:
            sb3_state.restore_acting(learner._model, load_file(directory / "model.safetensors"))
        except (OSError, SafetensorError, RuntimeError, KeyError) as error:
            raise InputError(f"{directory}: the weights cannot be read: {' '.join(str(error).split())}") from error
        return learner


def check(values: Mapping[str, Any]) -> None:
    """Raise InputError unless every value of an online agent's card is one that it can be trained with."""
    if values["algorithm"] not in ALGORITHMS:
        raise unknown("algorithm", values["algorithm"], ALGORITHMS)
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
            _check_number(key, value, _LOWEST.get(key, 1 if isinstance(value, int) else 0))


def _check_number(key: str, value: Any, lowest: float) -> None:
    highest = 1.0 if key in _SHARES else math.inf
    if not (isinstance(value, (int, float)) and math.isfinite(value) and lowest <= value <= highest):
        wanted = f"at least {lowest:g}" if highest == math.inf else f"{lowest:g} to {highest:g}"
        raise InputError(f"{key}: expected {wanted}, got {value!r}")


def check_actions(algorithm: str, env: EnvSpec) -> None:
    """Raise InputError, naming agents that fit, unless the algorithm can act in the environment."""
    environment = make(env)
    actions = action_spec(environment.action_space)
    environment.close()
    if not actions.bounded:
        raise InputError(
            f"{env.name}: online agents need finite bounds of a Box action space, it has {_bounds(actions)}"
        )
    if actions.kind not in ALGORITHMS[algorithm]:
        needed = ", ".join(_SPACES[kind] for kind in _SPACES if kind in ALGORITHMS[algorithm])
        raise InputError(
            f"{algorithm.lower()} needs a {needed} action space, {env.name} has {_SPACES[actions.kind]}; "
            f"agents that fit: {', '.join(fitting(actions))}"
        )


def fitting(actions: ActionSpec) -> list[str]:
    """The online agents of the catalogue that can act in this space."""
    cards = catalogue.agents().items()
    online = {name: card.defaults["algorithm"] for name, card in cards if card.learner == "sb3"}
    return [name for name, algorithm in online.items() if actions.kind in ALGORITHMS.get(algorithm, ())]


def _bounds(actions: ActionSpec) -> str:
    return f"{list(actions.low)} to {list(actions.high)}"
