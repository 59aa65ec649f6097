"""A user's spaces in canonical form: they are translated here and nowhere else.

An observation becomes one array of named parts: of one part in its own shape, of several flat.

space             parts of an observation                                 dtype
Box               one vector                                              its own; bool is uint8
Box of an image   one image (C, H, W)                                     uint8, or float32 from 0 to 1
Discrete          one category, one-hot                                   uint8
MultiDiscrete     one category for each dimension, named by its number    uint8
MultiBinary       one vector of zeros and ones                            uint8
Dict, Tuple       those of what it holds, one after the other             what holds them all

Actions: zero-based categories, or float32 vectors. The environment gets them in its own dtype and shape: numbers of a
Box of integers are rounded, those of every Box clipped into its bounds.

What is an image, and where its channels stand, `envs.images` says.

A Dict's parts stand in Gymnasium's own order, that of `spaces.Dict.spaces` and of `gymnasium.spaces.flatten`: by name
where the space was made of a plain dict, as given where it was made of keywords, pairs, or with `sort_keys=False`;
the order of the keys in an observation plays no part. A Tuple's stand in its order and are named "0", "1", ...
A part within another is "outer.inner". An only part that has no name is called "observation".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, TransformAction

from rlformer.core.errors import InputError
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec, Part, Spaces, computable
from rlformer.envs.images import UnreadableError, channels_first, check_pixels, image_part, is_image, same_image

_MOST_NUMBERS = 10**6  # of one observation, 4 MB in float32; categories are one-hot
_MOST_CATEGORIES = 10**5  # of one action: each is an output of a network, for every step of a batch


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


def stored_dtype(dtype: np.typing.DTypeLike) -> np.dtype[Any]:
    """In which observations of this dtype are kept: the same, in this machine's byte order; bool is uint8."""
    known = np.dtype(dtype)
    return np.dtype(np.uint8) if known == np.bool_ else known.newbyteorder("=")


def observation_spec(space: spaces.Space[Any]) -> ObservationSpec:
    """The canonical form of a Gymnasium observation space, its parts named; see the table above.

    Raises ImageError for images whose numbers are no pixels, and InputError for spaces that have no such form.
    """
    parts = _parts(space, "")
    if (size := sum(part.size for part in parts)) > _MOST_NUMBERS:
        raise InputError(
            f"an observation of {size:,} numbers (a category counts as many as it has values) is too large for a "
            f"vector; at most {_MOST_NUMBERS:,}: let the environment show features, or fewer categories"
        )
    if not size:
        raise InputError("observations without any numbers are not supported")
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
    if isinstance(space, spaces.Text):
        raise InputError(
            f"Text observations are not supported{f': {name!r}' * bool(name)}: where a finite set holds every text, a "
            "wrapper of your own makes a Discrete of it, else it leaves the text out"
        )
    if not isinstance(space, spaces.Box):
        raise UnreadableError(f"{type(space).__name__} observations are not supported")
    if is_image(space.shape, space.dtype):
        return [image_part(space, name)]
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
        raise InputError("actions without any numbers are not supported")
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


def canonical(env: gym.Env[Any, Any], name: str = "") -> gym.Env[Any, Any]:
    """The environment with canonical spaces; wrapped only where they are not canonical already. name: for messages.

    Raises InputError where a space is not supported.
    """
    observed = env.observation_space
    spec = observation_spec(observed)
    as_it_is = isinstance(observed, spaces.Box) and observed.shape == spec.shape and observed.dtype == spec.dtype
    if not as_it_is or (spec.has_images and spec.dtype.kind == "f"):  # whose range is looked at
        env = CanonicalObservations(env, name)
    action_spec(env.action_space)  # known, or an error
    return env if _takes_canonical_actions(env.action_space) else CanonicalActions(env)


def _takes_canonical_actions(space: spaces.Space[Any]) -> bool:
    if isinstance(space, spaces.Discrete):
        return bool(space.start == 0)
    if isinstance(space, spaces.MultiDiscrete):
        return space.nvec.ndim == 1 and not space.start.any() and space.dtype == np.int64
    return isinstance(space, spaces.Box) and len(space.shape) == 1 and space.dtype == np.float32


class CanonicalObservations(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Observations as one array in the dtype of their `parts`: an image (C, H, W), all else flat."""

    def __init__(self, env: gym.Env[Any, Any], name: str = "") -> None:
        gym.utils.RecordConstructorArgs.__init__(self, name=name)
        super().__init__(env)
        self._name = name
        self._native, self.parts = env.observation_space, observation_spec(env.observation_space)
        self._dtype = self.parts.dtype
        if self.parts.has_images:
            ends = [canonical_rows(bound, self.parts) for bound in _bounds(self._native)]
            low, high = (np.asarray(end, self._dtype)[0] for end in ends)
        else:
            flat = spaces.flatten_space(self._native)
            assert isinstance(flat, spaces.Box)
            low, high = flat.low.astype(self._dtype), flat.high.astype(self._dtype)
        self.observation_space = spaces.Box(low, high, dtype=self._dtype.type)

    def observation(self, observation: Any) -> Array:
        """(*obs): without images see `gymnasium.spaces.flatten`. Raises InputError where an image has no pixels."""
        if not self.parts.has_images:
            return np.asarray(spaces.flatten(self._native, observation), self._dtype)
        try:
            return canonical_rows(leaves(self._native, _one(observation)), self.parts)[0]
        except InputError as error:
            raise InputError(f"environment '{self._name}': {error}" if self._name else str(error)) from error


def canonical_rows(parts: list[Array], spec: ObservationSpec) -> Array:
    """Parts of T observations, as `leaves` gives them, as (T, *obs). Raises InputError where an image has no pixels."""
    rows = []
    for part, values in zip(spec.parts, parts, strict=True):
        if part.kind == "image":
            values = channels_first(values) if values.shape[1:] != part.shape else values
            if values.dtype != part.dtype or values.dtype != np.uint8:
                check_pixels(values, part)
        rows.append(values if len(parts) == 1 else values.reshape(len(values), part.size))
    whole = rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)
    return np.ascontiguousarray(whole, spec.dtype)


def leaves(space: spaces.Space[Any], values: Any) -> list[Array]:
    """T observations of a native space, an array or a dict or tuple of such, part by part as in `observation_spec`.

    Categories become one-hot; an image may be flat, and its channels may stand elsewhere than in the space. Raises
    InputError where a category lies outside, or an image is of another size.
    """
    if isinstance(space, spaces.Dict):
        return [leaf for key, inner in space.spaces.items() for leaf in leaves(inner, values[key])]
    if isinstance(space, spaces.Tuple):
        return [leaf for inner, value in zip(space.spaces, values, strict=True) for leaf in leaves(inner, value)]
    values = np.asarray(values)
    if isinstance(space, spaces.Discrete):
        return [_one_hot(values.reshape(len(values)) - space.start, int(space.n))]
    if isinstance(space, spaces.MultiDiscrete):
        columns = (values.reshape(len(values), -1) - space.start.ravel()).T
        return [_one_hot(column, int(n)) for column, n in zip(columns, space.nvec.ravel(), strict=True)]
    if isinstance(space, spaces.Box) and is_image(space.shape, space.dtype):
        if (shape := values.shape[1:]) == space.shape:
            return [values]
        if same_image(shape, space.shape):
            return [channels_first(values)]
        if len(shape) > 1:
            raise InputError(f"an image has shape {shape}, expected {space.shape}")
        return [values.reshape(len(values), *space.shape)]
    return [values.reshape(len(values), -1)]


def _one_hot(categories: Array, size: int) -> Array:
    """(T,) zero-based -> (T, size) uint8."""
    if not ((categories >= 0) & (categories < size)).all():
        raise InputError(f"an observation lies outside of its categories [{size}]")
    return np.asarray(categories[:, None] == np.arange(size), np.uint8)


def _one(observation: Any) -> Any:
    """One observation as T = 1 of them."""
    if isinstance(observation, dict):
        return {key: _one(value) for key, value in observation.items()}
    if isinstance(observation, tuple):
        return tuple(map(_one, observation))
    return np.asarray(observation)[None]


def _bounds(space: spaces.Space[Any]) -> Iterator[list[Array]]:
    """The least and the greatest numbers of each part, T = 1 of them."""
    for end in ("low", "high"):
        yield [_bound(part, leaf, end) for part, leaf in _flat_spaces(space)]


def _flat_spaces(space: spaces.Space[Any]) -> Iterator[tuple[Part, spaces.Space[Any]]]:
    """Each part with the space that it comes from."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for inner in space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces:
            yield from _flat_spaces(inner)
    else:
        for part in _parts(space, ""):
            yield part, space


def _bound(part: Part, space: spaces.Space[Any], end: str) -> Array:
    if isinstance(space, spaces.Box):
        own: Array = getattr(space, end)
        return own.reshape(1, *(space.shape if part.kind == "image" else (-1,))).astype(part.dtype)
    return np.full((1, part.size), end == "high", np.uint8)


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
