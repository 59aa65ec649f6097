"""Agents in stable-baselines3's own .zip files, in and out."""

from __future__ import annotations

import json
import pickle
import pkgutil
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium as gym

from rlformer.agents import cards as agent_cards
from rlformer.agents.online.sb3 import ALGORITHMS, OnlineLearner
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.envs.make import spaces_of
from rlformer.envs.spaces import action_spec

_STATISTICS = "vecnormalize.pkl"
# The module of the policy's class, as the file names it, tells the algorithm; PPO and A2C share theirs.
_MODULES = {
    "stable_baselines3.dqn.policies": "DQN",
    "stable_baselines3.sac.policies": "SAC",
    "stable_baselines3.td3.policies": "TD3",
    "sb3_contrib.common.recurrent.policies": "RecurrentPPO",
}
_UNPICKLED = ("observation_space", "action_space", "policy_kwargs")


def load_zip(
    path: Path,
    agent: str | None = None,
    vecnormalize: Path | None = None,
    trust: bool = False,
    env: EnvSpec | None = None,
    sample: bool = False,
) -> Policy:
    """The policy in a stable-baselines3 .zip, old ones that name the module `gym` among them.

    agent: a card's name, for a file that does not tell its algorithm. vecnormalize: the pickle of the
    observations' statistics; None: the one beside the .zip, or in the folder of its name, if any. env: what
    the policy shall act in, to be checked.

    Raises InputError without `trust` (unpickling runs whatever the file says), and where the file is damaged,
    of an unsupported algorithm, or does not fit `env`.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not trust:
        raise InputError(f"{path}: needs unpickling, which runs code: pass --trust if you trust where it comes from")
    from rlformer.agents.online.sb3_policy import SB3Policy, actor_of
    from rlformer.agents.online.sb3_training import algorithm_class, policy_name

    data = _data(path)
    algorithm = _algorithm(agent) if agent else _infer(data, path)
    kind = algorithm_class(algorithm)
    with _old_gym(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the age of the file
        try:
            acting = kind.policy_aliases[policy_name(kind)]
            model = kind.load(path, device="cpu", custom_objects=_replaced(data, acting))
            statistics = _statistics(path, vecnormalize)
        except Exception as error:  # whatever a pickle of another version runs into
            raise InputError(f"{path}: cannot be loaded as {algorithm}: {' '.join(str(error).split())}") from error
    if env is not None:
        _check_fit(model, env, path)
    return SB3Policy(actor_of(model), action_spec(model.action_space), statistics, sample)


def export_zip(learner: OnlineLearner, path: Path) -> None:
    """Write a .zip that stable-baselines3 loads; the statistics, if any, go to a folder of its name."""
    learner.model.save(path)
    normalize = learner.model.get_vec_normalize_env()
    if normalize is not None:
        path.with_suffix("").mkdir(exist_ok=True)
        normalize.save(str(path.with_suffix("") / _STATISTICS))


def _data(path: Path) -> dict[str, Any]:
    """The description inside, without unpickling what it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            found: dict[str, Any] = json.loads(archive.read("data"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a stable-baselines3 .zip ({' '.join(str(error).split())})") from error
    return found


def _algorithm(agent: str) -> str:
    card = agent_cards.agent(agent)
    if card.learner != "sb3":
        raise InputError(f"agent '{agent}' is not one of stable-baselines3")
    return str(card.defaults["algorithm"])


def _infer(data: Mapping[str, Any], path: Path) -> str:
    module = str(data.get("policy_class", {}).get("__module__", "unknown"))
    if module == "stable_baselines3.common.policies":
        return "PPO" if "clip_range" in data else "A2C"
    if module not in _MODULES:
        raise InputError(
            f"{path}: its algorithm is not known (policy of {module}): name it with --agent; "
            f"supported: {', '.join(ALGORITHMS)}"
        )
    return _MODULES[module]


def _replaced(data: Mapping[str, Any], policy_class: type) -> dict[str, Any]:
    """What need not be unpickled in order to act: schedules are byte code of the Python that wrote them."""
    pickled = [k for k, v in data.items() if isinstance(v, dict) and ":serialized:" in v and k not in _UNPICKLED]
    constants = {
        "learning_rate": 0.0,
        "clip_range": 0.0,
        "train_freq": 1,
        "buffer_size": 1,
        "target_entropy": 0.0,
    }
    return {
        **dict.fromkeys(pickled),
        **{k: v for k, v in constants.items() if k in data},
        "policy_class": policy_class,
    }


def _statistics(path: Path, given: Path | None) -> Any:
    """The VecNormalize that belongs to the file; None without one, or where it leaves observations alone."""
    from stable_baselines3.common.vec_env import VecNormalize

    beside = [path.parent / _STATISTICS, path.with_suffix("") / _STATISTICS]
    found = given or next((place for place in beside if place.is_file()), None)
    if found is None:
        return None
    with found.open("rb") as file:
        statistics = pickle.load(file)
    if not isinstance(statistics, VecNormalize):
        raise InputError(f"{found}: holds a {type(statistics).__name__}, not a VecNormalize")
    return statistics if statistics.norm_obs else None


@contextmanager
def _old_gym() -> Iterator[None]:
    """Gymnasium under the name of its predecessor, for as long as a file that names it is unpickled."""
    if "gym" in sys.modules:
        yield
        return
    names = [f"gymnasium.spaces.{module.name}" for module in pkgutil.iter_modules(gym.spaces.__path__)]
    aliases = {name.replace("gymnasium", "gym", 1): name for name in ("gymnasium", "gymnasium.spaces", *names)}
    sys.modules.update({alias: import_module(name) for alias, name in aliases.items()})
    try:
        yield
    finally:
        for alias in aliases:
            del sys.modules[alias]


def _check_fit(model: Any, env: EnvSpec, path: Path) -> None:
    spaces = spaces_of(env)
    seen, actions = spaces.observation.shape, spaces.actions
    size, own = gym.spaces.flatdim(model.observation_space), action_spec(model.action_space)
    if seen != (size,):
        raise InputError(f"{path}: reads {size} numbers, an observation of {env.name} has shape {seen}")
    if (own.kind, own.nvec, own.shape) != (actions.kind, actions.nvec, actions.shape):
        raise InputError(f"{path}: acts in {own.describe()}, {env.name} in {actions.describe()}")
