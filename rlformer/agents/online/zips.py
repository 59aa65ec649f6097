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
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from rlformer.agents import cards as agent_cards
from rlformer.agents.online import normalization, zoo
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

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor
    from rlformer.agents.online.scaling import Scaling

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
    found = open_zip(path, agent, normalized, trust, env)
    remarks = _remarks(path, normalization.description(path), normalized, found.file, found.statistics)
    return ReadZip(found.policy(sample), (found.space, found.model.action_space), found.statistics, tuple(remarks))


@dataclass(frozen=True)
class OpenedZip:
    """The model in a .zip, and what lies between an environment's observations and its network."""

    algorithm: Published
    model: Any
    space: gym.Space[Any]  # of one observation
    scale: Scaling | None
    order: Array | None  # see `policy.SB3Policy`
    frames: int  # observations that it reads at once
    file: Path | None = None  # of statistics, used or not
    statistics: Path | None = None  # used

    @property
    def actor(self) -> Actor:
        """How it acts on observations that were normalised."""
        from rlformer.agents.online.actors import Stacked
        from rlformer.agents.online.policy import actor_of

        actor = actor_of(self.algorithm, self.model)
        return actor if self.frames == 1 else Stacked(actor, self.frames, gym.spaces.flatdim(self.space))

    def policy(self, sample: bool = False) -> Policy:
        """What it does. sample: whether it draws its actions."""
        from rlformer.agents.online.policy import policy_with

        return policy_with(self.actor, action_spec(self.model.action_space), self.scale, sample, self.order)


def open_zip(
    path: Path,
    agent: str | None = None,
    normalized: Normalization = Normalization(),  # noqa: B008 - frozen
    trust: bool = False,
    env: EnvSpec | None = None,
) -> OpenedZip:
    """The model in a .zip: see `read_zip`."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not trust:
        raise InputError(f"{path}: must be unpickled, which can run code: pass --trust if you trust its source")
    from rlformer.agents.online import scaling

    data = normalization.description(path)
    known = recognised(data)
    algorithm = named(agent) if agent else known or _unknown(path, data)
    file = normalized.file
    if file is None and normalized.wanted:
        file = normalization.find(path, data)
    with _old_gym():
        _check_images(path, data, env)
        model = _load(path, data, algorithm, known)
        frames = zoo.frames(path)
        space = _frame(model.observation_space, frames, path)
        frames = 1 if space is model.observation_space else frames
        scale = None if file is None else scaling.read(file, space, path)
    order = _fit(model, space, env, path) if env is not None else None
    return OpenedZip(algorithm, model, space, scale, order, frames, file, None if scale is None else file)


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
        doubt = ", although its file says that it was trained without normalisation" if trained is False else ""
        yield f"{path}: its observations are normalised by {used}{doubt}"
    if normalized.wanted and file is None and trained:
        yield (
            f"{path}: was trained with VecNormalize, but there are no statistics beside it, so observations are not "
            "normalised; give them with --normalization FILE, or use --no-normalization if only rewards were normalised"
        )


def named(agent: str) -> Published:
    """That of an agent's card, or one that no card trains, by its own name."""
    for published in PUBLISHED.values():
        if published.name.lower() == agent.lower().replace("-", "") and agent not in agent_cards.agents():
            return published
    name = str(agent_cards.agent(agent).defaults.get("algorithm"))
    if name not in PUBLISHED:
        raise InputError(f"agent '{agent}' is not an algorithm of stable-baselines3")
    return PUBLISHED[name]


def recognised(data: Mapping[str, Any]) -> Published | None:
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
        advice = f"its weights fit {guess.name}'s: --agent {advised(guess)} reads them as such"
        raise InputError(f"{path}: its policy is a custom class, {module}.{name}, which cannot be read; {advice}")
    raise InputError(f"{path}: its policy, {name} of {module}, is not supported; those of {', '.join(PUBLISHED)} are")


def advised(algorithm: Published) -> str:
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
            model = kind.load(path, device="cpu", custom_objects=_replaced(data, networks(algorithm, kind, data)))
        except Exception as error:  # whatever a pickle of another version runs into
            reason = " ".join(str(error).split())
            if known is not None and known is not algorithm:
                reason = f"it holds an agent of {known.name}: leave --agent out"
            raise InputError(f"{path}: cannot be loaded as {algorithm.name}: {reason}") from error
    model.policy.set_training_mode(False)
    return model


def networks(algorithm: Published, kind: Any, data: Mapping[str, Any]) -> type:
    """The class of its networks: the one that the file names among the algorithm's, or those on vectors."""
    aliases: Mapping[str, type] = kind.policy_aliases
    name = _policy(data)[1]
    by_name = [alias for alias in aliases.values() if alias.__name__ == name]
    return by_name[0] if by_name else aliases[algorithm.policy]


def without_pickles(data: Mapping[str, Any]) -> dict[str, Any]:
    """The description with nothing in the place of what would be unpickled."""
    return {key: None if _pickled(value) else value for key, value in data.items()}


def load_safely(path: Path, algorithm: Published, given: Mapping[str, Any], policy: str) -> Any:
    """The model in a .zip whose description has no pickles, ready to act: nothing is unpickled.

    given: what stands for those that it takes, the spaces and `policy_kwargs`. policy: the name of its networks' class.
    Raises InputError where it has pickles, or cannot be loaded.
    """
    data = normalization.description(path)
    if any(map(_pickled, data.values())):
        raise InputError(f"{path}: contains pickles, which a run never contains")
    kind = algorithm.load()
    by_name = [one for one in kind.policy_aliases.values() if one.__name__ == policy]
    if not by_name:
        raise InputError(f"{path}: its networks, {policy}, are not those of {algorithm.name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = kind.load(path, device="cpu", custom_objects={**_replaced(data, by_name[0]), **given})
    except Exception as error:  # whatever a damaged file runs into
        raise InputError(f"{path}: cannot be loaded as {algorithm.name}: {' '.join(str(error).split())}") from error
    model.policy.set_training_mode(False)
    return model


def _pickled(value: Any) -> bool:
    return isinstance(value, Mapping) and ":serialized:" in value


def _replaced(data: Mapping[str, Any], policy_class: type) -> dict[str, Any]:
    """What need not be unpickled in order to act: schedules are byte code of the Python that wrote them."""
    pickled = [key for key, value in data.items() if _pickled(value) and key not in _UNPICKLED]
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


def _frame(space: gym.Space[Any], frames: int, path: Path) -> gym.Space[Any]:
    """Of one observation, where the network reads so many at once. Raises InputError where that cannot be.

    Pictures are stacked by their environment already.
    """
    if frames == 1 or (isinstance(space, gym.spaces.Box) and len(space.shape) == 3):
        return space
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1 or space.shape[0] % frames:
        shape = f"shape {space.shape}" if isinstance(space, gym.spaces.Box) else str(space)
        raise InputError(f"{path}: its config.yml says frame_stack: {frames}, its network reads {shape}: not so many")
    low, high = space.low[::frames], space.high[::frames]  # VecFrameStack repeats each bound
    return gym.spaces.Box(low, high, dtype=np.dtype(space.dtype).type)


def _fit(model: Any, space: gym.Space[Any], env: EnvSpec, path: Path) -> Array | None:
    """Which number of an observation of `env` each number that it reads is, (D,); None: they stand in its order.

    Raises InputError where observations or actions are others.
    """
    spaces = spaces_of(env)
    seen, actions = spaces.observation, spaces.actions
    size, own = gym.spaces.flatdim(space), action_spec(model.action_space)
    if seen.shape != (size,) and not (seen.has_images and seen.size == size):
        hint = ""
        if seen.shape == (size - 1,) and _ends_with_time(space):
            hint = (
                "; the last of them is from 0 to 1: it was trained with a time feature, which a card has by "
                'wrappers = [{ kind = "time_feature", steps = 1000 }], where an episode has 1,000 steps at most'
            )
        if len(seen.shape) == 1 and size > seen.size and size % seen.size == 0:
            times = size // seen.size
            hint = f"; so many are {times} observations: frame_stack in the config.yml of a folder of its name says so"
        raise InputError(f"{path}: reads {size} numbers, an observation of {env.name} has shape {seen.shape}{hint}")
    if (own.kind, own.nvec, own.shape) != (actions.kind, actions.nvec, actions.shape):
        raise InputError(f"{path}: acts in {own.describe()}, {env.name} in {actions.describe()}")
    return _order(path, list(space.spaces), env, seen) if isinstance(space, gym.spaces.Dict) else None


def _ends_with_time(space: gym.Space[Any]) -> bool:
    return isinstance(space, gym.spaces.Box) and (space.low.ravel()[-1], space.high.ravel()[-1]) == (0, 1)


def _order(path: Path, keys: Sequence[str], env: EnvSpec, seen: ObservationSpec) -> Array | None:
    """The places of its keys, one after the other, in an observation of `env`, which may have them in another order."""
    places = {key: [s for name, s in seen.slices.items() if name == key or name.startswith(f"{key}.")] for key in keys}
    if missing := [key for key, found in places.items() if not found]:
        names = ", ".join(seen.slices)
        raise InputError(f"{path}: reads {', '.join(keys)}, an observation of {env.name} has {names}: no {missing[0]}")
    order = np.concatenate([np.arange(s.start, s.stop) for key in keys for s in places[key]])
    if sorted(order) != list(range(seen.size)):
        raise InputError(f"{path}: reads {', '.join(keys)}, an observation of {env.name} has {', '.join(seen.slices)}")
    return None if (np.diff(order) == 1).all() else order
