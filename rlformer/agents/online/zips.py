"""Agents in stable-baselines3's own .zip files: those that others trained, and ours for them."""

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
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from rlformer.agents import cards as agent_cards
from rlformer.agents.online.algorithms import ALGORITHMS
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.learner import OnlineLearner
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs.make import spaces_of
from rlformer.envs.spaces import action_spec

if TYPE_CHECKING:
    from rlformer.agents.online.policy import SB3Policy

_STATISTICS = "vecnormalize.pkl"
_UNPICKLED = ("observation_space", "action_space", "policy_kwargs")


def load_zip(
    path: Path,
    agent: str | None = None,
    vecnormalize: Path | None = None,
    trust: bool = False,
    env: EnvSpec | None = None,
    sample: bool = False,
) -> SB3Policy:
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
    from rlformer.agents.online.policy import SB3Policy, actor_of

    data = _data(path)
    algorithm = _algorithm(agent) if agent else _infer(data, path)
    kind = algorithm.load()
    with _old_gym(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the age of the file
        try:
            acting = kind.policy_aliases[algorithm.policy]
            model = kind.load(path, device="cpu", custom_objects=_replaced(data, acting))
            statistics = _statistics(path, vecnormalize)
        except Exception as error:  # whatever a pickle of another version runs into
            raise InputError(f"{path}: cannot be loaded as {algorithm.name}: {' '.join(str(error).split())}") from error
    if env is not None:
        _check_fit(model, env, path)
    own = model.observation_space, model.action_space
    return SB3Policy(actor_of(algorithm, model), action_spec(model.action_space), statistics, sample, own)


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
            description: dict[str, Any] = json.loads(archive.read("data"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a stable-baselines3 .zip ({' '.join(str(error).split())})") from error
    return description


def _algorithm(agent: str) -> Algorithm:
    """That of an agent's card."""
    name = str(agent_cards.agent(agent).defaults.get("algorithm"))
    if name not in ALGORITHMS:
        raise InputError(f"agent '{agent}' is not one of stable-baselines3")
    return ALGORITHMS[name]


def _infer(data: Mapping[str, Any], path: Path) -> Algorithm:
    """The one that the description fits, the most particular of several."""
    module = str(data.get("policy_class", {}).get("__module__", "unknown"))
    fitting = [a for a in ALGORITHMS.values() if a.zip_module == module and a.zip_keys <= data.keys()]
    if not fitting:
        raise InputError(
            f"{path}: its algorithm is not known (policy of {module}): name it with --agent; "
            f"supported: {', '.join(ALGORITHMS)}"
        )
    return max(fitting, key=lambda algorithm: len(algorithm.zip_keys))


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
    source = given or next((candidate for candidate in beside if candidate.is_file()), None)
    if source is None:
        return None
    with source.open("rb") as file:
        statistics = pickle.load(file)
    if not isinstance(statistics, VecNormalize):
        raise InputError(f"{source}: holds a {type(statistics).__name__}, not a VecNormalize")
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
