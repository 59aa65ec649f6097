"""A user's spaces in canonical form: they are translated here and nowhere else.

An observation becomes one flat vector, made of named parts.

space             parts of an observation                                 dtype
Box               one vector                                              its own; bool is uint8
Discrete          one category, one-hot                                   uint8
MultiDiscrete     one category for each dimension, named by its number    uint8
MultiBinary       one vector of zeros and ones                            uint8
Dict, Tuple       those of what it holds, one after the other             what holds them all

Actions: zero-based categories, or float32 vectors. The environment gets them in its own dtype and shape: numbers of a
Box of integers are rounded, those of every Box clipped into its bounds.

A Dict's parts stand in Gymnasium's own order, that of `spaces.Dict.spaces` and of `gymnasium.spaces.flatten`: by name
where the space was made of a plain dict, as given where it was made of keywords, pairs, or with `sort_keys=False`;
the order of the keys in an observation plays no part. A Tuple's stand in its order and are named "0", "1", ...
A part within another is "outer.inner". An only part that has no name is called "observation".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, TransformAction

from rlformer.core.errors import InputError
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec, Part, Spaces, computable

_MOST_NUMBERS = 10**6  # of one observation, 4 MB in float32; categories are one-hot
_MOST_CATEGORIES = 10**5  # of one action: each is an output of a network, for every step of a batch


class ImageError(InputError):
    """An observation is an image, which no vector does justice."""


def spaces_in(env: gym.Env[Any, Any]) -> Spaces:
    """Both spaces of an environment that `make` made, with the names of the parts."""
    layer, observed, actions = env, None, None
    while isinstance(layer, (CanonicalActions, CanonicalObservations)):
        if isinstance(layer, CanonicalObservations):
            observed = layer.parts
        else:
            actions = layer.actions
        layer = layer.env
    return Spaces(observed or observation_spec(layer.observation_space), actions or action_spec(layer.action_space))


def native(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """An environment that `make` made, without what makes its spaces canonical."""
    layer = env
    while isinstance(layer, (CanonicalActions, CanonicalObservations, FlattenObservation)):
        layer = layer.env
    return layer


def is_image(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> bool:
    """Whether one observation of this shape and dtype is an image, which a flat vector would not do justice."""
    return len(shape) >= 3 or (len(shape) == 2 and dtype == np.uint8)


def stored_dtype(dtype: np.typing.DTypeLike) -> np.dtype[Any]:
    """In which observations of this dtype are kept: the same, in this machine's byte order; bool is uint8."""
    known = np.dtype(dtype)
    return np.dtype(np.uint8) if known == np.bool_ else known.newbyteorder("=")


def observation_spec(space: spaces.Space[Any]) -> ObservationSpec:
    """The canonical form of a Gymnasium observation space: flat, its parts named; see the table above.

    Raises ImageError for images, and InputError for spaces that have no vector form.
    """
    parts = _parts(space, "")
    if (size := sum(part.size for part in parts)) > _MOST_NUMBERS:
        raise InputError(
            f"an observation of {size:,} numbers (a category counts as many as it has values) is too large for a "
            f"vector; at most {_MOST_NUMBERS:,}: let the environment show features, or fewer categories"
        )
    if not size:
        raise InputError("observations without a single number are not supported")
    if len(parts) == 1 and not parts[0].name:
        parts = [replace(parts[0], name="observation")]
    return ObservationSpec(tuple(parts))


def _parts(space: spaces.Space[Any], name: str) -> list[Part]:
    if isinstance(space, spaces.Dict):
        return [part for key, inner in space.spaces.items() for part in _parts(inner, _within(name, key))]
    if isinstance(space, spaces.Tuple):
        return [part for i, inner in enumerate(space.spaces) for part in _parts(inner, _within(name, i))]
    if isinstance(space, spaces.Discrete):
        return [Part(name, "category", (int(space.n),), "uint8")]
    if isinstance(space, spaces.MultiDiscrete):
        sizes = enumerate(space.nvec.ravel().tolist())
        return [Part(_within(name, i), "category", (size,), "uint8") for i, size in sizes]
    if isinstance(space, spaces.MultiBinary):
        return [Part(name, "vector", (int(np.prod(space.shape)),), "uint8")]
    if not isinstance(space, spaces.Box):
        raise InputError(f"{type(space).__name__} observations are not supported")
    if is_image(space.shape, space.dtype):
        raise ImageError(f"image observations {space.shape} are not supported yet")
    return [Part(name, "vector", (int(np.prod(space.shape)),), str(stored_dtype(space.dtype)))]


def _within(outer: str, inner: str | int) -> str:
    return f"{outer}.{inner}" if outer else str(inner)


def action_spec(space: spaces.Space[Any]) -> ActionSpec:
    """The canonical form of a Gymnasium action space.

    Raises InputError for Tuple, Dict and other spaces that have none, and for those too large to be learned.
    """
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        count = int(np.sum(space.n if isinstance(space, spaces.Discrete) else space.nvec, dtype=np.float64))
        if count > _MOST_CATEGORIES:
            raise InputError(f"{count:,} actions to choose from are too many; at most {_MOST_CATEGORIES:,}")
    if isinstance(space, spaces.Discrete):
        return ActionSpec("discrete", nvec=(int(space.n),))
    if isinstance(space, spaces.MultiDiscrete):
        return ActionSpec("multidiscrete", nvec=tuple(int(n) for n in space.nvec.ravel()))
    if isinstance(space, spaces.MultiBinary):
        return ActionSpec("multibinary", nvec=(2,) * int(np.prod(space.shape)))
    if space.shape is not None and 0 in space.shape:
        raise InputError("actions without a single number are not supported")
    if isinstance(space, spaces.Box):
        if not (space.low <= space.high).all():
            i = int(np.argmin((space.low <= space.high).ravel()))
            least, most = space.low.ravel()[i], space.high.ravel()[i]
            raise InputError(f"action[{i}] has no value: its least is {least:.4g}, its greatest {most:.4g}")
        low = np.where(space.bounded_below, space.low, -np.inf).ravel().astype(np.float64)
        high = np.where(space.bounded_above, space.high, np.inf).ravel().astype(np.float64)
        low[~computable(low)], high[~computable(high)] = -np.inf, np.inf  # beyond what a canonical action can be
        own = np.dtype(space.dtype).newbyteorder("=")
        native = str(own) if own.kind != "f" or own.itemsize < 4 else "float32"
        return ActionSpec("box", (), tuple(low.tolist()), tuple(high.tolist()), native)
    raise InputError(
        f"action space {type(space).__name__} is not supported; valid: Discrete, MultiDiscrete, MultiBinary, Box"
    )


def action_space(actions: ActionSpec) -> spaces.Space[Any]:
    """The canonical space of these actions.

    Around integers it is wider by a half on both sides, so that every integer has the same share of it.
    """
    if actions.kind == "discrete":
        return spaces.Discrete(actions.nvec[0])
    if actions.kind == "multidiscrete":
        return spaces.MultiDiscrete(list(actions.nvec))
    if actions.kind == "multibinary":
        return spaces.MultiBinary(len(actions.nvec))
    half = 0.5 if actions.whole else 0.0
    low, high = np.array(actions.low) - half, np.array(actions.high) + half
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def canonical(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment with canonical spaces; wrapped only where they are not canonical already.

    Raises InputError where a space is not supported.
    """
    observed = env.observation_space
    spec = observation_spec(observed)
    flat = isinstance(observed, spaces.Box) and len(observed.shape) == 1 and observed.dtype == spec.dtype
    if not flat:
        env = CanonicalObservations(env)
    action_spec(env.action_space)  # known, or an error
    return env if _takes_canonical_actions(env.action_space) else CanonicalActions(env)


def _takes_canonical_actions(space: spaces.Space[Any]) -> bool:
    if isinstance(space, spaces.Discrete):
        return bool(space.start == 0)
    if isinstance(space, spaces.MultiDiscrete):
        return space.nvec.ndim == 1 and not space.start.any() and space.dtype == np.int64
    return isinstance(space, spaces.Box) and len(space.shape) == 1 and space.dtype == np.float32


class CanonicalObservations(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Observations as one flat vector in the dtype of their `parts`."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._native, self.parts = env.observation_space, observation_spec(env.observation_space)
        self._dtype = self.parts.dtype
        flat = spaces.flatten_space(self._native)
        assert isinstance(flat, spaces.Box)
        low, high = flat.low.astype(self._dtype), flat.high.astype(self._dtype)
        self.observation_space = spaces.Box(low, high, dtype=self._dtype.type)

    def observation(self, observation: Any) -> Array:
        """(D,): see `gymnasium.spaces.flatten`."""
        return np.asarray(spaces.flatten(self._native, observation), self._dtype)


class CanonicalActions(TransformAction[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Canonical actions, translated back into the environment's own space: what it gets lies in that space."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)  # before the parent's, whose function no file can hold
        self.actions = action_spec(env.action_space)
        super().__init__(env, translation(env.action_space), action_space(self.actions))


def translation(space: spaces.Space[Any]) -> Callable[[Any], Any]:
    """From a canonical action to one of this space, in its dtype: reals are rounded where it needs integers, then
    clipped.
    """
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return lambda action: int(action) + start
    shape, dtype = space.shape, np.dtype(space.dtype)
    assert shape is not None
    if isinstance(space, spaces.MultiDiscrete):
        offset = space.start
        return lambda action: (np.reshape(action, shape) + offset).astype(dtype)
    if isinstance(space, spaces.MultiBinary):
        return lambda action: np.reshape(action, shape).astype(dtype)
    assert isinstance(space, spaces.Box)
    return _reals(space, dtype) if dtype.kind == "f" else _integers(space, dtype)


def _reals(space: spaces.Box, dtype: np.dtype[Any]) -> Callable[[Any], Array]:
    low, high, shape = space.low, space.high, space.shape

    def translate(action: Any) -> Array:
        own = np.reshape(action, shape).astype(dtype)
        np.maximum(own, low, out=own)
        return np.minimum(own, high, out=own)

    return translate


def _integers(space: spaces.Box, dtype: np.dtype[Any]) -> Callable[[Any], Array]:
    shape = space.shape
    # Real numbers of the bounds that are cast back without an overflow: the largest integers have none of their own.
    low = np.array([_inside(int(b), np.inf) for b in space.low.ravel()]).reshape(shape)
    high = np.array([_inside(int(b), -np.inf) for b in space.high.ravel()]).reshape(shape)

    def translate(action: Any) -> Array:
        whole = np.rint(np.reshape(action, shape).astype(np.float64))
        if np.isnan(whole).any():
            raise InputError(f"the policy's action is not a number: {np.asarray(action).tolist()}")
        return np.asarray(np.clip(whole, low, high)).astype(dtype)

    return translate


def _inside(bound: int, towards: float) -> float:
    """The real number nearest to an integer, and not beyond it."""
    near = float(bound)
    beyond = int(near) > bound if towards < 0 else int(near) < bound
    return float(np.nextafter(near, towards)) if beyond else near
