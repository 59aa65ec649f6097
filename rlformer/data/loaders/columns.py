"""Logs that are plain arrays with no word on their spaces: from native episodes to a canonical log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import Array, ObservationSpec, Spaces
from rlformer.data.checks import INFERRED
from rlformer.data.dataset import DatasetInfo
from rlformer.data.loaders.base import (
    ForeignLog,
    Native,
    canonical_actions,
    canonical_observations,
    check_return,
    in_dtype,
)
from rlformer.data.precision import is_finer, merged_in_float32
from rlformer.envs.images import is_image, same_image
from rlformer.envs.spaces import action_spec, observation_spec, stored_dtype

_LOOKED_AT = 50  # episodes in which columns are looked for that lose precision
_MOST_SEARCHED = 10**6  # rows, for a word among numbers
_MOST_GUESSED = 256  # categories that whole numbers stored as reals are taken for, at most
_GUESSED = (
    "actions are stored as reals, but each is a whole number: taken for {} categories; "
    "--env ENV gives the environment's own action space"
)

Observed: TypeAlias = Array | Mapping[str, Array]  # rows in front; members of a Dict by their names


@dataclass(frozen=True)
class Raw:
    """One episode of T steps as a file holds it."""

    observations: Observed  # T + 1 rows
    actions: Array  # (T, ...)
    rewards: Array  # (T,)
    terminated: bool
    truncated: bool


RawEpisodes: TypeAlias = Callable[[int], Iterator[Raw]]  # those from this position on


def from_arrays(
    source: str,
    episodes: RawEpisodes,
    count: int,
    env: Native | None,
    *,
    provenance: Mapping[str, Any],
    final_observations: bool,
    categorical: bool | None = None,
    notes: tuple[str, ...] = (),
) -> ForeignLog:
    """The log of these `count` native episodes, whose spaces are the environment's or else inferred.

    Observations get the environment's dtype, or keep that of the file. categorical: whether actions are categories,
    where the file says so. Raises InputError where the episodes do not fit the environment.
    """
    first = next(episodes(0))
    if env is None:
        inferred, space = _inferred(first.observations)
        action_space = infer_action_space((e.actions for e in episodes(0)), categorical)
        own = Spaces(inferred, action_spec(action_space))
        if isinstance(action_space, spaces.Discrete) and first.actions.dtype.kind == "f" and categorical is None:
            notes = (*notes, _GUESSED.format(action_space.n))
    else:
        own, action_space, space = env.spaces, env.action_space, env.observation_space
        _check_shape(env, first.observations)
        notes = (*notes, *_merged(episodes, own.observation))

    def translated(raw: Raw) -> Episode:
        rows = raw.observations
        if isinstance(rows, Mapping) and isinstance(space, spaces.Dict | spaces.Tuple):
            rows = canonical_observations(space, _members(space, rows))
        rows = _joined(rows)
        image = own.observation.has_images or rows.shape[1:] != (own.observation.size,)
        if image and space is not None and not isinstance(raw.observations, Mapping):
            rows = canonical_observations(space, rows)
        rows = in_dtype(rows.reshape(len(rows), *own.observation.shape), own.observation.dtype)
        actions = canonical_actions(action_space, raw.actions)
        check_return(raw.rewards)
        return Episode(rows, actions, raw.rewards, raw.terminated, raw.truncated)

    def canonical(first: int) -> Iterator[Episode]:
        for i, raw in enumerate(episodes(first), first):
            try:
                yield translated(raw)
            except InputError as error:
                raise InputError(f"episode {i}: {error}") from error

    info = DatasetInfo(
        env=env.name if env else None,
        env_definition=env.definition if env else {},
        spaces=own,
        provenance={**provenance, "action_space": f"of {env.name}" if env else INFERRED},
        final_observations=final_observations,
    )
    return ForeignLog(source, info, count, canonical, notes)


def infer_action_space(actions: Iterable[Array], categorical: bool | None = None) -> spaces.Space[Any]:
    """The smallest usual space that holds all these (T, ...) actions.

    Integers, or any numbers where the file says that they are `categorical`, count from 0 to the largest one
    seen; so do reals that are a single whole number from 0 to 255 each and not all 0. Other reals lie within -1 and
    1, or in a symmetric interval as wide as the largest one seen, by dimension.
    """
    largest, magnitude, integers = np.zeros(1), np.zeros(1), categorical
    whole = True  # every number, and none negative
    for block in actions:
        rows = np.where(np.isfinite(block), block, 0).reshape(len(block), -1)
        integers = block.dtype.kind in "iub" if integers is None else integers
        whole = whole and bool((rows >= 0).all() and (rows == np.rint(rows)).all())
        largest = np.maximum(largest, rows.max(axis=0, initial=0))
        magnitude = np.maximum(magnitude, np.abs(rows).max(axis=0, initial=0))
    if categorical is None and whole and len(largest) == 1 and 0 < largest[0] < _MOST_GUESSED:
        integers = True
    if not integers:
        bound = in_dtype(np.maximum(magnitude, 1.0), np.dtype(np.float32))
        return spaces.Box(-bound, bound, dtype=np.float32)
    counts = largest.astype(np.int64) + 1
    return spaces.Discrete(int(counts[0])) if len(counts) == 1 else spaces.MultiDiscrete(counts)


def word_in(column: Any) -> str:
    """Of a column of words, which one is no number and in which row, for a message; "" of any other.

    >>> word_in(np.array(["1", "2.5", "high"]))
    ": row 2 is 'high'"
    """
    if getattr(column, "ndim", 0) != 1 or column.dtype.kind not in "UO":
        return ""
    for row in range(min(len(column), _MOST_SEARCHED)):
        value = column[row]
        try:
            float(value)
        except (TypeError, ValueError):
            return f": row {row} is {str(value)[:40]!r}"
    return ""


def check_columns(columns: Mapping[str, Any], rows: int | None = None) -> None:
    """Raise InputError unless every array is numeric and of the one length, not 0. rows: that length, where known."""
    for name, column in columns.items():
        if getattr(column, "dtype", np.dtype(object)).kind not in "biuf" or not column.shape:
            raise InputError(f"{name} is not an array of numbers{word_in(column)}")
    lengths = {name: column.shape[0] for name, column in columns.items()}
    if len({*lengths.values(), *([] if rows is None else [rows])}) > 1:
        raise InputError("columns of different lengths: " + ", ".join(f"{k} {n}" for k, n in lengths.items()))
    if 0 in lengths.values():
        raise InputError("no steps in it")


def joined_rows(columns: list[Array]) -> Array:
    """Columns of the same rows as one array: the only one as it is, several one beside the other, (T, n)."""
    if len(columns) == 1:
        return columns[0]
    return np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1)


def with_last(observations: Observed, last: Observed | None) -> Observed:
    """T rows and the one behind them, or the last again where it is not known: T + 1 rows."""
    if isinstance(observations, Mapping):
        behind = last if isinstance(last, Mapping) else {}
        return {name: np.concatenate([rows, behind.get(name, rows[-1:])]) for name, rows in observations.items()}
    return np.concatenate([observations, observations[-1:] if last is None else np.asarray(last)])


def _joined(rows: Observed) -> Array:
    return joined_rows(list(rows.values())) if isinstance(rows, Mapping) else rows


def _inferred(first: Observed) -> tuple[ObservationSpec, spaces.Space[Any] | None]:
    """The canonical form of observations like these, and the space of an image or of a Dict's members."""
    if not isinstance(first, Mapping):
        shape = first.shape[1:]
        if is_image(shape, first.dtype):
            space = _nested({(): first})
            return observation_spec(space), space
        width = int(np.prod(shape, dtype=np.int64))
        if width == 0:
            raise InputError("observations without any numbers are not supported")
        return ObservationSpec.vector(width, str(stored_dtype(first.dtype))), None
    space = _nested({tuple(re.split(r"[./]", name)): rows for name, rows in first.items()})
    try:
        return observation_spec(space), space
    except InputError as error:
        raise InputError(f"{error}; --map observations=COLUMN,... chooses which ones to read") from error


def _nested(members: Mapping[tuple[str, ...], Array]) -> spaces.Space[Any]:
    """The space of members by their path: a Tuple where all are numbered, else a Dict, by name."""
    if () in members:
        rows = members[()]
        shape, dtype = rows.shape[1:] or (1,), np.dtype(np.uint8) if rows.dtype == np.bool_ else rows.dtype
        if is_image(shape, dtype):  # what is no pixel is told where it is read
            return spaces.Box(0, 1 if dtype.kind == "f" else 255, shape, dtype.type)
        low, high = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return spaces.Box(low, high, shape, dtype.type)
    heads = list(dict.fromkeys(path[0] for path in members))
    inner = {head: _nested({p[1:]: rows for p, rows in members.items() if p[0] == head}) for head in heads}
    if set(heads) == {str(i) for i in range(len(heads))}:
        return spaces.Tuple([inner[str(i)] for i in range(len(heads))])
    return spaces.Dict(inner)


def _members(space: spaces.Space[Any], rows: Mapping[str, Array], within: str = "") -> Any:
    """What `canonical_observations` takes, from members by name. Raises InputError where one is missing."""
    if isinstance(space, spaces.Dict):
        return {key: _members(inner, rows, f"{within}.{key}" if within else str(key)) for key, inner in space.items()}
    if isinstance(space, spaces.Tuple):
        parts = enumerate(space.spaces)
        return tuple(_members(inner, rows, f"{within}.{i}" if within else str(i)) for i, inner in parts)
    by_name = {name.replace("/", "."): values for name, values in rows.items()}
    if within not in by_name:
        raise InputError(f"observations hold {', '.join(by_name)}, and no {within}")
    values = by_name[within]
    size = int(np.prod(space.shape or (1,)))
    if int(np.prod(values.shape[1:])) != size:
        raise InputError(f"observations hold {within} of shape {values.shape[1:]}, expected {space.shape}")
    return values


def _check_shape(env: Native, first: Observed) -> None:
    """Raise InputError unless the environment shows such observations."""
    space, width = env.observation_space, env.spaces.observation.size
    if isinstance(first, Mapping):
        if isinstance(space, spaces.Dict | spaces.Tuple):
            _members(space, first)
            return
        if len(first) > 1 and not all(name.isdecimal() for name in first):
            raise InputError(
                f"observations are a Dict of {', '.join(first)}, but those of '{env.name}' are one vector: "
                "--map observations=A,B,... names what it holds, in its order"
            )
        found: tuple[int, ...] = _joined(first).shape[1:]
    else:
        found = first.shape[1:]
    if found != (width,) and not _is_native(space, found):
        raise InputError(f"observations have shape {found}, but those of '{env.name}' have {_shown(env)}")


def _shown(env: Native) -> tuple[int, ...]:
    """The shape of what it shows: an image's own, else of the flat vector."""
    spec = env.spaces.observation
    return env.observation_space.shape or spec.shape if len(spec.shape) > 1 else (spec.size,)


def _is_native(space: spaces.Space[Any], shape: tuple[int, ...]) -> bool:
    if shape == () and isinstance(space, spaces.Box):
        shape = (1,)
    if isinstance(space, spaces.Box) and is_image(space.shape, space.dtype) and same_image(shape, space.shape):
        return True
    return shape == space.shape or (isinstance(space, spaces.Discrete) and shape == (1,))


def _merged(episodes: RawEpisodes, spec: ObservationSpec) -> list[str]:
    """A sentence on columns in float64 whose values the environment's dtype does not tell apart."""
    if spec.dtype != np.float32:
        return []
    some = [_joined(raw.observations) for raw in islice(episodes(0), _LOOKED_AT)]
    if not is_finer(some[0].dtype) or some[0].reshape(len(some[0]), -1).shape[1] != spec.size:
        return []
    rows = np.concatenate([part.reshape(len(part), -1) for part in some])
    columns = merged_in_float32(rows)
    if not columns:
        return []
    named = ", ".join(f"observation[{i}]" for i in columns)
    return [f"{named}: values that differ in the file become equal in float32, the environment's dtype"]
