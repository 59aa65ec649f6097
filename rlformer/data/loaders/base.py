"""What every loader shares: what it recognises and opens, and how native spaces become canonical.

A foreign log is written in the environment's native spaces, before `envs.spaces` translates them. A loader opens a
file as a `ForeignLog`, whose episodes are read and translated one after another. What a loader raises does not name the
file: that is added once, where a log is opened or written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array, Spaces, computable
from rlformer.data.dataset import DatasetInfo
from rlformer.data.loaders.names import AS_NAMED, Choice
from rlformer.envs.checked import time_limit
from rlformer.envs.make import make
from rlformer.envs.spaces import action_spec, canonical_rows, leaves, native, observation_spec

Episodes = Callable[[int], Iterator[Episode]]  # those from this position on


@dataclass(frozen=True)
class ForeignLog:
    """A log in another format, opened; its numbers are read as `episodes` is iterated."""

    source: str  # what messages call it
    info: DatasetInfo
    num_episodes: int
    episodes: Episodes  # in canonical form
    notes: tuple[str, ...] = ()  # what was decided or looks wrong, one sentence each, for people


@dataclass(frozen=True)
class Native:
    """An environment as its author declares it."""

    name: str
    definition: Mapping[str, Any]
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    time_limit: int | None
    feature_names: tuple[str, ...] = ()  # of its card

    @classmethod
    def of(cls, env: EnvSpec) -> Native:
        """Made once to see its spaces. Raises InputError where it cannot be made."""
        made = make(env)
        inner = native(made)
        made.close()
        return cls(
            env.name,
            env.definition,
            inner.observation_space,
            inner.action_space,
            time_limit(made),
            env.feature_names,
        )

    @property
    def spaces(self) -> Spaces:
        """Canonical."""
        return Spaces(observation_spec(self.observation_space), action_spec(self.action_space))


class Open(Protocol):
    """The log at a place, for an environment (None: unknown), read as chosen.

    Raises InputError, without the file's name, where it is damaged, lacks something, or does not fit the environment.
    """

    def __call__(self, path: Path, env: Native | None, choice: Choice = AS_NAMED, /) -> ForeignLog: ...


@dataclass(frozen=True)
class Loader:
    """Reads logs of one kind.

    recognise: where the log that a text names lies, or None where it is not of this kind; nothing is raised. What one
    loader recognises no other does.
    """

    name: str  # of the kind, and its `source` in a dataset's provenance
    words: str  # what it reads, for messages
    recognise: Callable[[str], Path | None]
    open: Open
    title: Callable[[Path], str] = lambda path: path.stem  # what an import of the log there is called
    absent: Callable[[str], str | None] = lambda text: None  # what to say of a name of its form that is not here
    suffixes: tuple[str, ...] = ()  # of its files, for what to say of a file that has one and is none


def file_with(signature: bytes) -> Callable[[str], Path | None]:
    """A loader's `recognise`: a file that begins with these bytes."""

    def recognise(text: str) -> Path | None:
        path = Path(text)
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return path if file.read(len(signature)) == signature else None

    return recognise


def canonical_observations(space: spaces.Space[Any], values: Any) -> Array:
    """T observations of a native space as (T, *obs) in canonical form: see `envs.spaces.observation_spec`.

    values: an array with T in front, or a dict or tuple of such for spaces made of others. Without images each row
    equals `gymnasium.spaces.flatten` of its observation. Raises InputError for spaces that have no such form, for
    images of another size or without pixels, and for numbers that the space's dtype cannot hold.
    """
    spec = observation_spec(space)
    if spec.has_images:
        parts = leaves(space, values)
        for part, rows in zip(spec.parts, parts, strict=True):
            if part.kind != "image":
                in_dtype(rows, np.dtype(part.dtype))
        return canonical_rows(parts, spec)
    return in_dtype(_flat(space, values), spec.dtype)


def _flat(space: spaces.Space[Any], values: Any) -> Array:
    if isinstance(space, spaces.Dict):
        return np.concatenate([_flat(inner, values[key]) for key, inner in space.spaces.items()], axis=1)
    if isinstance(space, spaces.Tuple):
        parts = zip(space.spaces, values, strict=True)
        return np.concatenate([_flat(inner, value) for inner, value in parts], axis=1)
    values = np.asarray(values)
    if isinstance(space, spaces.Discrete):
        return _one_hot(values.reshape(len(values), 1) - space.start, (int(space.n),))
    if isinstance(space, spaces.MultiDiscrete):
        categories = values.reshape(len(values), -1) - space.start.ravel()
        return _one_hot(categories, tuple(int(n) for n in space.nvec.ravel()))
    return values.reshape(len(values), -1)


def canonical_actions(space: spaces.Space[Any], values: Any) -> Array:
    """T actions of a native space as `core.spaces.ActionSpec` has them: zero-based categories, or float32 vectors.

    Raises InputError where their shape is another or a number is no category. Not-a-number is passed on, for
    the check of the whole episode to name its step.
    """
    spec = action_spec(space)
    values = np.asarray(values)
    rows = values.reshape(len(values), -1)
    if rows.shape[1] != (spec.shape[0] if spec.shape else 1):
        raise InputError(f"actions of shape {values.shape[1:]}, expected {spec.shape}")
    if spec.kind == "box":
        return in_dtype(rows, np.dtype(np.float32))
    if not np.isfinite(rows).all():
        return rows.reshape(len(rows), *spec.shape)
    if (broken := rows != np.rint(rows)).any():
        raise InputError(f"action {rows[broken][0]:g} is not one of the categories of a {spec.kind} space")
    start = np.ravel(getattr(space, "start", 0)).astype(np.int64)
    return (rows.astype(np.int64) - start).reshape(len(rows), *spec.shape)


def in_dtype(values: Array, dtype: np.dtype[Any]) -> Array:
    """The same numbers in another dtype: real ones are rounded, whole ones must be representable.

    What is too large for a real dtype becomes infinite, for the check of the episode to name. Raises InputError where
    a dtype of whole numbers does not hold a number.
    """
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
    if dtype.kind in "iu" and (changed := cast != values).any():
        raise InputError(f"observation {values[changed][0]:g} is not a number that {dtype} holds")
    return cast


def one_reward(values: Any, column: int | None) -> Array:
    """(T,) float64, from (T,), (T, 1), or a column of (T, k). Raises InputError where it must be chosen or is none."""
    rewards = np.asarray(values)
    if rewards.dtype.kind not in "biuf":
        raise InputError("rewards is not an array of numbers")
    rows = rewards.reshape(len(rewards), int(np.prod(rewards.shape[1:], dtype=np.int64)))
    width = rows.shape[1]
    if width == 0:
        raise InputError("rewards has no number in a row")
    if column is None and width > 1:
        raise InputError(f"rewards have {width} columns: --reward-column N, from 0 to {width - 1}, chooses one")
    if column is not None and column >= width:
        raise InputError(f"--reward-column {column}: rewards have {width} column{'s' * (width > 1)}, counted from 0")
    return np.asarray(rows[:, column or 0], np.float64)


def check_return(rewards: Array) -> None:
    """Raise InputError where finite rewards add up, on the way, to more than float32 holds, in which models compute."""
    with np.errstate(over="ignore"):
        total = np.abs(rewards).sum(keepdims=True)
    if np.isfinite(rewards).all() and not computable(total).all():
        raise InputError("rewards add up to more than float32 holds: scale them")


def _one_hot(categories: Array, sizes: tuple[int, ...]) -> Array:
    """categories: (T, d) zero-based, d of these sizes. Returns (T, sum of sizes) uint8."""
    if not ((categories >= 0) & (categories < sizes)).all():
        raise InputError(f"an observation lies outside of its categories {list(sizes)}")
    offsets = np.cumsum((0, *sizes[:-1]))
    hot = np.zeros((len(categories), sum(sizes)), np.uint8)
    np.put_along_axis(hot, categories.astype(np.int64) + offsets, 1, axis=1)
    return hot
