"""Agents in stable-baselines3's own .zip files: those that others trained, and ours for them."""

from __future__ import annotations

import base64
import pickle
import pickletools
import pkgutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium as gym

from rlformer.agents import cards as agent_cards
from rlformer.agents.online import normalization
from rlformer.agents.online.algorithms import PUBLISHED
from rlformer.agents.online.algorithms.base import Published
from rlformer.agents.online.images import is_picture
from rlformer.agents.online.learner import OnlineLearner
from rlformer.agents.online.normalization import Normalization
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.envs.make import spaces_of
from rlformer.envs.spaces import action_spec

_UNPICKLED = ("observation_space", "action_space", "policy_kwargs")


@dataclass(frozen=True)
class ReadZip:
    """What a .zip holds."""

    policy: Policy
    spaces: tuple[gym.Space[Any], gym.Space[Any]]  # of observations and actions, as the file says
    statistics: Path | None = None  # the file of statistics that observations are normalised by
    remarks: tuple[str, ...] = ()  # what a person should know of how it was read


def read_zip(
    path: Path,
    agent: str | None = None,
    normalized: Normalization = Normalization(),  # noqa: B008 - frozen
    trust: bool = False,
    env: EnvSpec | None = None,
    sample: bool = False,
) -> ReadZip:
    """The policy in a .zip of stable-baselines3 or sb3-contrib, old ones that name the module `gym` among them.

    agent: a card's name or an algorithm's, for a file that does not tell its own. normalized: which statistics of
    observations it is read with. env: what the policy shall act in, to be checked.

    Raises InputError without `trust` (unpickling runs whatever the file says), and where the file is damaged, of an
    unsupported algorithm, reads images, does not fit `env`, or has no plain claim on the statistics beside it.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not trust:
        raise InputError(f"{path}: needs unpickling, which runs code: pass --trust if you trust where it comes from")
    from rlformer.agents.online import scaling
    from rlformer.agents.online.policy import actor_of, policy_with

    data = normalization.description(path)
    known = _recognised(data)
    algorithm = _named(agent) if agent else known or _unknown(path, data)
    file = normalized.file
    if file is None and normalized.wanted:
        file = normalization.find(path, data)
    with _old_gym():
        _check_images(path, data, env)
        model = _load(path, data, algorithm, known)
        scale = None if file is None else scaling.read(file, model.observation_space, path)
    order = _fit(model, env, path) if env is not None else None
    actor = actor_of(algorithm, model)
    policy = policy_with(actor, action_spec(model.action_space), scale, sample, order)
    used = None if scale is None else file
    return ReadZip(
        policy, (model.observation_space, model.action_space), used, tuple(_remarks(path, data, normalized, file, used))
    )


def export_zip(learner: OnlineLearner, path: Path) -> None:
    """Write a .zip that stable-baselines3 loads; the statistics, if any, go to a folder of its name.

    Statistics that an earlier export left there are replaced or removed: they are not this agent's.
    """
    learner.model.save(path)
    statistics = path.with_suffix("") / normalization.FILE
    normalize = learner.model.get_vec_normalize_env()
    if normalize is not None:
        statistics.parent.mkdir(exist_ok=True)
        normalize.save(str(statistics))
    elif statistics.is_file():
        statistics.unlink()
        if not any(statistics.parent.iterdir()):
            statistics.parent.rmdir()


def _remarks(
    path: Path, data: Mapping[str, Any], normalized: Normalization, file: Path | None, used: Path | None
) -> Iterator[str]:
    trained = normalization.trained_normalized(data)
    if normalized.file is None and used is not None:
        doubt = ", though it says that it was trained without any" if trained is False else ""
        yield f"{path}: its observations are normalised by {used}{doubt}"
    if normalized.wanted and file is None and trained:
        yield (
            f"{path}: was trained with VecNormalize, and no statistics lie beside it: it reads observations as they "
            "are; --normalization FILE names them, --no-normalization says that only rewards were normalised"
        )


def _named(agent: str) -> Published:
    """That of an agent's card, or one that no card trains, by its own name."""
    for published in PUBLISHED.values():
        if published.name.lower() == agent.lower().replace("-", "") and agent not in agent_cards.agents():
            return published
    name = str(agent_cards.agent(agent).defaults.get("algorithm"))
    if name not in PUBLISHED:
        raise InputError(f"agent '{agent}' is not one of stable-baselines3")
    return PUBLISHED[name]


def _recognised(data: Mapping[str, Any]) -> Published | None:
    """The one that the description fits, the most particular of several."""
    fitting = [a for a in PUBLISHED.values() if a.zip_module == _policy(data)[0] and a.zip_keys <= data.keys()]
    return max(fitting, key=lambda algorithm: len(algorithm.zip_keys), default=None)


def _unknown(path: Path, data: Mapping[str, Any]) -> Published:
    """Raises InputError, with an agent to name where that would work: its networks are those of an algorithm."""
    module, name = _policy(data)
    alike = [a for a in PUBLISHED.values() if a.zip_keys and a.zip_keys <= data.keys()]
    for guess in sorted(alike, key=lambda algorithm: -len(algorithm.zip_keys)):
        try:
            with _old_gym():
                _check_images(path, data)
                _load(path, data, guess, None)
        except InputError:
            continue
        advice = f"its weights fit {guess.name}'s: --agent {_advised(guess)} reads them as such"
        raise InputError(f"{path}: its policy is a class of its own, {module}.{name}, which is not read; {advice}")
    raise InputError(
        f"{path}: its policy, {name} of {module}, is none that is supported; those of {', '.join(PUBLISHED)} are"
    )


def _advised(algorithm: Published) -> str:
    """What `--agent` calls it."""
    cards = [name for name, card in agent_cards.agents().items() if card.defaults.get("algorithm") == algorithm.name]
    return min(cards, key=len) if cards else algorithm.name.lower()


def _policy(data: Mapping[str, Any]) -> tuple[str, str]:
    """Module and name of the policy's class, "unknown" where the file does not say them. Nothing is unpickled."""
    described = data.get("policy_class")
    if not isinstance(described, Mapping):
        return "unknown", "unknown"
    module = str(described.get("__module__", "unknown"))
    try:
        pickled = base64.b64decode(described[":serialized:"])
        words = [argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
    except (KeyError, ValueError, TypeError):
        words = []
    if module == "unknown" and words:
        module = words[0]
    names = [word.split()[-1] for word in words if word.split() and word.split()[-1].endswith("Policy")]
    return module, names[0] if names else "unknown"


def _check_images(path: Path, data: Mapping[str, Any], env: EnvSpec | None = None) -> None:
    """Raise InputError unless the policy reads vectors, or the pictures that `env` shows, before any network is made
    that could not fit.
    """
    from stable_baselines3.common.preprocessing import is_image_space

    try:
        space = pickle.loads(base64.b64decode(data["observation_space"][":serialized:"]))
    except Exception as error:  # whatever a pickle of another version runs into
        reason = f"its observation space cannot be read ({' '.join(str(error).split())})"
        raise InputError(f"{path}: {reason}") from error
    inner = space.spaces.values() if isinstance(space, gym.spaces.Dict) else [space]
    images = [one for one in inner if is_image_space(one)]
    name = _policy(data)[1]
    seen = None if env is None else spaces_of(env).observation
    if seen is not None and is_picture(seen) and space.shape == seen.shape:
        return
    if images or "Cnn" in name:
        shape = (images or [space])[0].shape
        raise InputError(
            f"{path}: reads images {shape} through a {name}, which is not supported"
            f"{'' if seen is None or env is None else f' in {env.name}, which shows {seen.describe()}'}: only agents "
            "that read vectors, dictionaries of them, or the very picture of bytes that the environment shows, are"
        )


def _load(path: Path, data: Mapping[str, Any], algorithm: Published, known: Published | None) -> Any:
    """The model, on networks for vectors, ready to act."""
    kind = algorithm.load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the age of the file
        try:
            model = kind.load(path, device="cpu", custom_objects=_replaced(data, _networks(algorithm, kind, data)))
        except Exception as error:  # whatever a pickle of another version runs into
            reason = " ".join(str(error).split())
            if known is not None and known is not algorithm:
                reason = f"it holds an agent of {known.name}: leave --agent out"
            raise InputError(f"{path}: cannot be loaded as {algorithm.name}: {reason}") from error
    model.policy.set_training_mode(False)
    return model


def _networks(algorithm: Published, kind: Any, data: Mapping[str, Any]) -> type:
    """The class of its networks: the one that the file names among the algorithm's, or those on vectors."""
    aliases: Mapping[str, type] = kind.policy_aliases
    name = _policy(data)[1]
    by_name = [alias for alias in aliases.values() if alias.__name__ == name]
    return by_name[0] if by_name else aliases[algorithm.policy]


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


def _fit(model: Any, env: EnvSpec, path: Path) -> Array | None:
    """Which number of an observation of `env` each number that it reads is, (D,); None: they stand in its order.

    Raises InputError where observations or actions are others.
    """
    spaces, space = spaces_of(env), model.observation_space
    seen, actions = spaces.observation, spaces.actions
    size, own = gym.spaces.flatdim(space), action_spec(model.action_space)
    if seen.shape != (size,) and not (seen.has_images and seen.size == size):
        hint = ""
        if seen.shape == (size - 1,) and _ends_with_time(space):
            hint = (
                "; the last of them is from 0 to 1: it was trained with a time feature, which a card has by "
                'wrappers = [{ kind = "time_feature", steps = 1000 }], where an episode has 1,000 steps at most'
            )
        raise InputError(f"{path}: reads {size} numbers, an observation of {env.name} has shape {seen.shape}{hint}")
    if (own.kind, own.nvec, own.shape) != (actions.kind, actions.nvec, actions.shape):
        raise InputError(f"{path}: acts in {own.describe()}, {env.name} in {actions.describe()}")
    return _order(path, list(space.spaces), env, seen) if isinstance(space, gym.spaces.Dict) else None


def _ends_with_time(space: gym.Space[Any]) -> bool:
    return isinstance(space, gym.spaces.Box) and (space.low.ravel()[-1], space.high.ravel()[-1]) == (0, 1)


def _order(path: Path, keys: Sequence[str], env: EnvSpec, seen: ObservationSpec) -> Array | None:
    """The places of its keys, one after the other, in an observation of `env`, which may have them in another order."""
    import numpy as np

    places = {key: [s for name, s in seen.slices.items() if name == key or name.startswith(f"{key}.")] for key in keys}
    if missing := [key for key, found in places.items() if not found]:
        names = ", ".join(seen.slices)
        raise InputError(f"{path}: reads {', '.join(keys)}, an observation of {env.name} has {names}: no {missing[0]}")
    order = np.concatenate([np.arange(s.start, s.stop) for key in keys for s in places[key]])
    if sorted(order) != list(range(seen.size)):
        raise InputError(f"{path}: reads {', '.join(keys)}, an observation of {env.name} has {', '.join(seen.slices)}")
    return None if (np.diff(order) == 1).all() else order
