"""Make one environment or many, in canonical form.

Canonical: observations are flat float32 vectors; actions are zero-based categories or flat float32
vectors (`ActionSpec`). The user's spaces are translated here and nowhere else.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces, wrappers
from gymnasium.envs.registration import find_highest_version, parse_env_id

from rlformer.core import seeding
from rlformer.core.errors import InputError, MissingExtra, unknown
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array, Spaces
from rlformer.envs import cards as env_cards

NOWHERE = "none"  # the id in place of an environment: a log is learned from and nothing evaluated


def make(spec: EnvSpec, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """One environment in canonical form.

    Raises InputError where the id is unknown, its module or extra is missing, its keywords are wrong, or
    its spaces are not supported.
    """
    if _is_nowhere(spec):
        raise InputError(f"'{spec.name}' was learned from a log alone; --env names an environment to act in")
    if render_mode == "rgb_array":
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # a picture needs no display, which pygame looks for
    env = _make_base(spec, render_mode)
    for wrapper in spec.wrappers:
        arguments = {k: v for k, v in wrapper.items() if k != "kind"}
        env = _WRAPPERS[wrapper["kind"]](env, **arguments)
    return _canonical_actions(_canonical_observations(env, spec.name), spec.name)


def is_image(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> bool:
    """Whether one observation of this shape and dtype is an image, which a flat vector would not do justice."""
    return len(shape) >= 3 or (len(shape) == 2 and dtype == np.uint8)


def action_spec(space: spaces.Space[Any]) -> ActionSpec:
    """The canonical form of a Gymnasium action space.

    Raises InputError for Tuple, Dict and other spaces that have none.
    """
    if isinstance(space, spaces.Discrete):
        return ActionSpec("discrete", nvec=(int(space.n),))
    if isinstance(space, spaces.MultiDiscrete):
        return ActionSpec("multidiscrete", nvec=tuple(int(n) for n in space.nvec.ravel()))
    if isinstance(space, spaces.MultiBinary):
        return ActionSpec("multibinary", nvec=(2,) * int(np.prod(space.shape)))
    if isinstance(space, spaces.Box):
        bounds = (tuple(float(b) for b in bound.ravel()) for bound in (space.low, space.high))
        return ActionSpec("box", (), *bounds)
    raise InputError(
        f"action space {type(space).__name__} is not supported; valid: Discrete, MultiDiscrete, MultiBinary, Box"
    )


def spaces_of(spec: EnvSpec) -> Spaces:
    """Both spaces, canonical. Raises InputError as `make` does."""
    if _is_nowhere(spec):
        return Spaces.from_dict(spec.kwargs)
    env = make(spec)
    try:
        return spaces_in(env)
    finally:
        env.close()


def spaces_in(env: gym.Env[Any, Any]) -> Spaces:
    """Both spaces of an environment that `make` made."""
    space = env.observation_space
    assert space.shape is not None
    return Spaces.plain(space.shape, action_spec(env.action_space), str(space.dtype))


def nowhere(name: str, spaces: Spaces) -> EnvSpec:
    """In place of an environment that is not to be made: what a log tells of its spaces."""
    return EnvSpec(name, NOWHERE, spaces.to_dict())


def _is_nowhere(spec: EnvSpec) -> bool:
    return spec.id == NOWHERE and "observation" in spec.kwargs


class Environments:
    """N environments of one kind, side by side, each reset and stepped by its slot.

    Slots are stepped one by one in Python: an ended slot costs nothing, every episode has its own seed, and
    nothing is reset behind the caller's back (vector environments of libraries do at least one of these).
    """

    def __init__(self, spec: EnvSpec, num: int, render_mode: str | None = None) -> None:
        self.name = spec.name
        self._envs = [make(spec, render_mode) for _ in range(num)]
        self.spaces = spaces_in(self._envs[0])
        self.actions, self.observation_shape = self.spaces.actions, self.spaces.observation.shape

    def __len__(self) -> int:
        return len(self._envs)

    def reset(self, slots: Array, seeds: Array) -> Array:
        """First observations of new episodes with these seeds: (len(slots), *obs)."""
        observations = np.empty((len(slots), *self.observation_shape), np.float32)
        for row, (slot, seed) in enumerate(zip(slots, seeds, strict=True)):
            observations[row], _ = self._envs[slot].reset(seed=int(seed))
        return observations

    def step(self, slots: Array, actions: Array) -> tuple[Array, Array, Array, Array]:
        """One step in each of `slots`, given their canonical actions (len(slots), *act).

        Returns observations (len(slots), *obs), rewards float64, terminated and truncated bool.
        """
        count = len(slots)
        observations = np.empty((count, *self.observation_shape), np.float32)
        rewards = np.empty(count, np.float64)
        terminated, truncated = np.empty(count, bool), np.empty(count, bool)
        # A category is a numpy integer, as in Gymnasium's and stable-baselines3's vector environments.
        for row, (slot, action) in enumerate(zip(slots.tolist(), actions, strict=True)):
            step = self._envs[slot].step(action)
            observations[row], rewards[row], terminated[row], truncated[row], _ = step
        return observations, rewards, terminated, truncated

    def close(self) -> None:
        """Free what the environments hold."""
        for env in self._envs:
            env.close()


def _make_base(spec: EnvSpec, render_mode: str | None) -> gym.Env[Any, Any]:
    module, colon, registered = spec.id.rpartition(":")
    if colon:
        _import_module(module, spec.id)
    kwargs: dict[str, Any] = dict(spec.kwargs)
    if render_mode:
        kwargs["render_mode"] = render_mode
    try:
        _check_version(spec.id, registered)
        # The passive checker warns once and then costs time at every step.
        return gym.make(spec.id, disable_env_checker=True, **kwargs)
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound) as error:
        cards = env_cards.environments()
        listed = f"{', '.join(cards)}, or any Gymnasium id"
        raise unknown("environment", spec.id, {*cards, *gym.registry}, listed) from error
    except gym.error.DependencyNotInstalled as error:
        if spec.extra:
            raise MissingExtra(spec.extra, spec.name) from error
        raise InputError(f"environment '{spec.name}': {' '.join(str(error).split())}") from error
    except gym.error.Error as error:
        raise InputError(f"environment '{spec.name}': {' '.join(str(error).split())}") from error
    except TypeError as error:
        raise InputError(f"environment '{spec.name}' with keywords {kwargs}: {error}") from error


def _check_version(env_id: str, registered: str) -> None:
    """Raise InputError where Gymnasium would choose a version by itself: a card and a record name one.

    registered: the id without its module.
    """
    namespace, name, version = parse_env_id(registered)
    if version is None and registered not in gym.registry:
        latest = find_highest_version(namespace, name)
        if latest is not None:
            raise InputError(f"unknown environment '{env_id}'; did you mean '{env_id}-v{latest}'?")


def _import_module(module: str, env_id: str) -> None:
    """The user's module, from the current folder too where nothing installed has its name."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"environment '{env_id}': '{module}' is no module's name; such an id is module:Name-v0")
    package, here = module.partition(".")[0], os.getcwd()
    # Behind all else, since a file here must not take the place of a library that is imported later.
    if package not in sys.modules and importlib.util.find_spec(package) is None and here not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise InputError(f"environment '{env_id}': no module '{module}' here or installed") from error
        raise InputError(f"environment '{env_id}': module '{module}' needs '{error.name}', not installed") from error
    except (Exception, SystemExit) as error:  # whatever the user's own code does
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"environment '{env_id}': importing {module}: {reason}") from error


def _canonical_observations(env: gym.Env[Any, Any], name: str) -> gym.Env[Any, Any]:
    space = env.observation_space
    for part in _parts(space):
        if isinstance(part, spaces.Box) and is_image(part.shape, part.dtype):
            raise InputError(
                f"environment '{name}': image observations {part.shape} are not supported yet; "
                'if they are none, { kind = "flatten" } in a card makes them vectors'
            )
        if isinstance(part, spaces.Text) or not part.is_np_flattenable:
            raise InputError(f"environment '{name}': {type(part).__name__} observations are not supported")
    if not (isinstance(space, spaces.Box) and len(space.shape) == 1):
        env = wrappers.FlattenObservation(env)
    flat = env.observation_space
    assert isinstance(flat, spaces.Box)
    if flat.dtype == np.float32:
        return env
    single = spaces.Box(flat.low.astype(np.float32), flat.high.astype(np.float32), dtype=np.float32)
    return wrappers.TransformObservation(env, functools.partial(np.asarray, dtype=np.float32), single)


def _parts(space: spaces.Space[Any]) -> list[spaces.Space[Any]]:
    """The space itself, or what a Dict or Tuple is made of."""
    if isinstance(space, spaces.Dict):
        return [part for inner in space.spaces.values() for part in _parts(inner)]
    if isinstance(space, spaces.Tuple):
        return [part for inner in space.spaces for part in _parts(inner)]
    return [space]


def _canonical_actions(env: gym.Env[Any, Any], name: str) -> gym.Env[Any, Any]:
    space = env.action_space
    try:
        spec = action_spec(space)
    except InputError as error:
        raise InputError(f"environment '{name}': {error}") from None
    target: spaces.Space[Any]
    translate: Callable[[Any], Any]
    if isinstance(space, spaces.Discrete):
        if space.start == 0:
            return env
        start = int(space.start)
        target, translate = spaces.Discrete(int(space.n)), lambda a: int(a) + start
    elif isinstance(space, spaces.MultiDiscrete):
        if space.nvec.ndim == 1 and not space.start.any():
            return env
        shape, offset = space.nvec.shape, space.start
        target, translate = spaces.MultiDiscrete(list(spec.nvec)), lambda a: np.reshape(a, shape) + offset
    elif isinstance(space, spaces.MultiBinary):
        if len(space.shape) == 1:
            return env
        shape = space.shape
        target, translate = spaces.MultiBinary(len(spec.nvec)), lambda a: np.reshape(a, shape)
    else:
        assert isinstance(space, spaces.Box)
        if len(space.shape) == 1 and space.dtype == np.float32:
            return env
        shape, dtype = space.shape, space.dtype
        low, high = np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32)
        target = spaces.Box(low, high, dtype=np.float32)
        translate = lambda a: np.reshape(a, shape).astype(dtype)  # noqa: E731
    return wrappers.TransformAction(env, translate, target)


class _Noisy(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Changes a vector observation at random, from a stream of its own.

    An episode's seed decides both streams, and the environment draws what it would draw without the wrapper.
    Raises InputError where the observation is not a vector.
    """

    kind: str  # as a card names it

    def __init__(self, env: gym.Env[Any, Any], **arguments: Any) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, **arguments)
        super().__init__(env)
        self._rng = np.random.default_rng()
        space = env.observation_space
        if not (isinstance(space, spaces.Box) and len(space.shape) == 1):
            raise InputError(
                f"wrapper '{self.kind}' needs a vector observation, got {space}; put {{ kind = \"flatten\" }} before it"
            )
        self._low, self._high = space.low, space.high  # (D,)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self._rng = seeding.generator(seed, self.kind)
        return self.env.reset(seed=seed, options=options)


class _ObservationNoise(_Noisy):
    """Gaussian noise of `std` on every dimension of a vector observation."""

    kind = "observation_noise"

    def __init__(self, env: gym.Env[Any, Any], std: float) -> None:
        super().__init__(env, std=std)
        self._std = std
        self.observation_space = spaces.Box(-np.inf, np.inf, self._low.shape, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, info = super().reset(seed=seed, options=options)
        return self._blur(observation), info

    def step(self, action: Any) -> Any:
        observation, *rest = self.env.step(action)
        return (self._blur(observation), *rest)

    def _blur(self, observation: Array) -> Array:
        return (observation + self._rng.normal(0.0, self._std, observation.shape)).astype(np.float32)


class _Distractors(_Noisy):
    """`count` dimensions of random +-1 and a copy of the previous action behind a vector observation.

    None of them bears on the task, so that their true importance is 0. The copy is one-hot for categories; a
    Box action is copied as it was executed, within its bounds; before the first action it is 0.
    """

    kind = "distractors"

    def __init__(self, env: gym.Env[Any, Any], count: int) -> None:
        super().__init__(env, count=count)
        self._count, self._actions = count, action_spec(env.action_space)
        self._first = np.ravel(getattr(env.action_space, "start", 0))  # categories may begin elsewhere than at 0
        if self._actions.kind == "box":  # 0 stands for "none yet" and may lie outside
            below = np.minimum(self._actions.low, 0.0)
            above = np.maximum(self._actions.high, 0.0)
        else:
            below, above = np.zeros(sum(self._actions.nvec)), np.ones(sum(self._actions.nvec))
        self._none = np.zeros(len(below))
        low = np.concatenate([self._low, -np.ones(count), below]).astype(np.float32)
        high = np.concatenate([self._high, np.ones(count), above]).astype(np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, info = super().reset(seed=seed, options=options)
        return self._extend(observation, self._none), info

    def step(self, action: Any) -> Any:
        observation, *rest = self.env.step(action)
        return (self._extend(observation, self._encode(action)), *rest)

    def _extend(self, observation: Array, previous: Array) -> Array:
        noise = self._rng.choice([-1.0, 1.0], self._count)
        return np.concatenate([observation, noise, previous]).astype(np.float32)

    def _encode(self, action: Any) -> Array:
        if self._actions.kind == "box":
            return np.ravel(self._actions.clip(np.ravel(action)))
        hot = self._none.copy()
        hot[np.cumsum((0, *self._actions.nvec[:-1])) + np.ravel(action) - self._first] = 1.0
        return hot


class _DelayedReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Every reward is withheld until the episode's last step, which pays their sum."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._owed = 0.0

    def reset(self, **kwargs: Any) -> Any:
        self._owed = 0.0
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        self._owed += float(reward)
        paid = self._owed if terminated or truncated else 0.0
        return observation, paid, terminated, truncated, info


def _time_limit(env: gym.Env[Any, Any], steps: int) -> gym.Env[Any, Any]:
    layer = env
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, _DelayedReward):
            raise InputError("wrapper 'time_limit' goes before 'delayed_reward': what it cuts off would never be paid")
        layer = layer.env
    return wrappers.TimeLimit(env, max_episode_steps=steps)


_WRAPPERS: dict[str, Callable[..., gym.Env[Any, Any]]] = {
    "time_limit": _time_limit,
    "observation_noise": _ObservationNoise,
    "delayed_reward": _DelayedReward,
    "distractors": _Distractors,
    "flatten": wrappers.FlattenObservation,
}
