"""Logs that are plain arrays with no word on their spaces, as HDF5 and NPZ files hold them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import Array, ObservationSpec, Spaces
from rlformer.data.checks import INFERRED
from rlformer.data.dataset import DatasetInfo
from rlformer.data.loaders.base import (
    Episodes,
    ForeignLog,
    Native,
    canonical_actions,
    canonical_observations,
    in_dtype,
)
from rlformer.envs.spaces import action_spec, is_image, stored_dtype


def from_arrays(
    source: str,
    episodes: Episodes,
    count: int,
    env: Native | None,
    *,
    provenance: Mapping[str, Any],
    final_observations: bool,
    categorical: bool | None = None,
) -> ForeignLog:
    """The log of these `count` native episodes, whose spaces are the environment's or else inferred.

    Observations get the environment's dtype, or keep that of the file. categorical: whether actions are categories,
    where the file says so. Raises InputError where the episodes do not fit the environment.
    """
    first = next(episodes(0)).observations
    shape = first.shape[1:]
    if env is None:
        if is_image(shape, first.dtype):
            raise InputError(f"image observations {shape} are not supported yet")
        width = int(np.prod(shape, dtype=np.int64))
        action_space = infer_action_space((e.actions for e in episodes(0)), categorical)
        own = Spaces(ObservationSpec.vector(width, str(stored_dtype(first.dtype))), action_spec(action_space))
    else:
        own, action_space = env.spaces, env.action_space
        width = own.observation.size
        if shape != (width,) and not _is_native(env.observation_space, shape):
            raise InputError(f"observations have shape {shape}, but those of '{env.name}' have ({width},)")

    def translated(episode: Episode) -> Episode:
        values = episode.observations
        if env is None or shape == (width,):
            observations = in_dtype(values.reshape(len(values), -1), own.observation.dtype)
        else:
            observations = canonical_observations(env.observation_space, values)
        actions = canonical_actions(action_space, episode.actions)
        return replace(episode, observations=observations, actions=actions)

    def canonical(first: int) -> Iterator[Episode]:
        for i, episode in enumerate(episodes(first), first):
            try:
                yield translated(episode)
            except InputError as error:
                raise InputError(f"episode {i}: {error}") from error

    info = DatasetInfo(
        env=env.name if env else None,
        env_definition=env.definition if env else {},
        spaces=own,
        provenance={**provenance, "action_space": f"of {env.name}" if env else INFERRED},
        final_observations=final_observations,
    )
    return ForeignLog(source, info, count, canonical)


def infer_action_space(actions: Iterable[Array], categorical: bool | None = None) -> spaces.Space[Any]:
    """The smallest usual space that holds all these (T, ...) actions.

    Integers, or any numbers where the file says that they are `categorical`, count from 0 to the largest one
    seen. Reals lie within -1 and 1, or in a symmetric interval as wide as the largest one seen, by dimension.
    """
    largest, magnitude, integers = np.zeros(1), np.zeros(1), categorical
    for block in actions:
        rows = np.where(np.isfinite(block), block, 0).reshape(len(block), -1)
        integers = block.dtype.kind in "iub" if integers is None else integers
        largest = np.maximum(largest, rows.max(axis=0))
        magnitude = np.maximum(magnitude, np.abs(rows).max(axis=0))
    if not integers:
        bound = in_dtype(np.maximum(magnitude, 1.0), np.dtype(np.float32))
        return spaces.Box(-bound, bound, dtype=np.float32)
    counts = largest.astype(np.int64) + 1
    return spaces.Discrete(int(counts[0])) if len(counts) == 1 else spaces.MultiDiscrete(counts)


def check_columns(columns: Mapping[str, Any], found: Iterable[str]) -> None:
    """Raise InputError unless every column (None: absent) is there, numeric, and of the one length, not 0.

    found: the names of all that the file holds, for the message.
    """
    if missing := [name for name, column in columns.items() if column is None]:
        held = ", ".join(sorted(found)[:12]) or "nothing"
        raise InputError(f"no {' and no '.join(missing)} in it; it holds {held}")
    for name, column in columns.items():
        if getattr(column, "dtype", np.dtype(object)).kind not in "biuf" or not column.shape:
            raise InputError(f"{name} is not an array of numbers")
    lengths = {name: column.shape[0] for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("columns of different lengths: " + ", ".join(f"{k} {n}" for k, n in lengths.items()))
    if 0 in lengths.values():
        raise InputError("no steps in it")


def with_last(observations: Array, last: Array | None) -> Array:
    """(T, ...) observations and the one behind them, or the last again where it is not known: (T+1, ...)."""
    return np.concatenate([observations, observations[-1:] if last is None else last[None]])


def _is_native(space: spaces.Space[Any], shape: tuple[int, ...]) -> bool:
    return shape == space.shape or (isinstance(space, spaces.Discrete) and shape == (1,))
