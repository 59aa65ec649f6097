"""What every door shares: a foreign log's own spaces become canonical, and it streams into a folder of ours.

A foreign log is written in the environment's native spaces, before `environments` translates them. Each door
opens a file as a `ForeignLog`, whose episodes are read and translated one after another. What a door raises
does not name the file: that is added once, where a door is opened or a log is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces, wrappers

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset, DatasetInfo, load
from rlformer.data.writer import DatasetWriter
from rlformer.envs import environments
from rlformer.runs.metrics import Throttle

Progress = Callable[[int, int], None]  # (episodes done, episodes in all)
Episodes = Callable[[int], Iterator[Episode]]  # those from this position on

_CANONICAL = (wrappers.TransformAction, wrappers.TransformObservation, wrappers.FlattenObservation)


@dataclass(frozen=True)
class ForeignLog:
    """A log in another format, opened; its numbers are read as `episodes` is iterated."""

    source: str  # what messages call it
    info: DatasetInfo
    num_episodes: int
    episodes: Episodes  # in canonical form


@dataclass(frozen=True)
class Native:
    """An environment as its author declares it."""

    name: str
    definition: Mapping[str, Any]
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    time_limit: int | None

    @classmethod
    def of(cls, env: EnvSpec) -> Native:
        """Made once to see its spaces. Raises InputError where it cannot be made."""
        made = layer = environments.make(env)
        while isinstance(layer, _CANONICAL):
            layer = layer.env
        made.close()
        time_limit = made.spec.max_episode_steps if made.spec else None
        return cls(env.name, env.definition, layer.observation_space, layer.action_space, time_limit)


def canonical_observations(space: spaces.Space[Any], values: Any) -> Array:
    """T observations of a native space as (T, n) float32, each equal to `gymnasium.spaces.flatten` of it.

    values: an array with T in front, or a dict or tuple of such for spaces made of others. Raises InputError
    for images and for spaces that have no vector form.
    """
    if isinstance(space, spaces.Dict):
        return np.concatenate([canonical_observations(s, values[k]) for k, s in space.spaces.items()], axis=1)
    if isinstance(space, spaces.Tuple):
        parts = zip(space.spaces, values, strict=True)
        return np.concatenate([canonical_observations(s, v) for s, v in parts], axis=1)
    values = np.asarray(values)
    if isinstance(space, spaces.Discrete):
        return _one_hot(values.reshape(len(values), 1) - space.start, (int(space.n),))
    if isinstance(space, spaces.MultiDiscrete):
        categories = values.reshape(len(values), -1) - space.start.ravel()
        return _one_hot(categories, tuple(int(n) for n in space.nvec.ravel()))
    if isinstance(space, spaces.Box) and environments.is_image(space.shape, space.dtype):
        raise InputError(f"image observations {space.shape} are not supported yet")
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return as_float32(values.reshape(len(values), -1))
    raise InputError(f"observation space {type(space).__name__} cannot be flattened")


def canonical_actions(space: spaces.Space[Any], values: Any) -> Array:
    """T actions of a native space as `types.ActionSpec` has them: zero-based categories, or float32 vectors.

    Raises InputError where their shape is another or a number is no category. Not-a-number is passed on, for
    the check of the whole episode to name its step.
    """
    spec = environments.action_spec(space)
    values = np.asarray(values)
    rows = values.reshape(len(values), -1)
    if rows.shape[1] != (spec.shape[0] if spec.shape else 1):
        raise InputError(f"actions of shape {values.shape[1:]}, expected {spec.shape}")
    if spec.kind == "box":
        return as_float32(rows)
    if not np.isfinite(rows).all():
        return rows.reshape(len(rows), *spec.shape)
    if (broken := rows != np.rint(rows)).any():
        raise InputError(f"action {rows[broken][0]:g} is not one of the categories of a {spec.kind} space")
    start = np.ravel(getattr(space, "start", 0)).astype(np.int64)
    return (rows.astype(np.int64) - start).reshape(len(rows), *spec.shape)


def write(log: ForeignLog, path: Path, key: str, progress: Progress | None = None) -> Dataset:
    """The log as a dataset at `path`, going on with an unfinished import and leaving a finished one alone.

    key: identifies what is imported, contents and environment. Raises InputError where the log is not sound,
    with nothing left behind, and where `path` holds something else.
    """
    if (finished := finished_import(path, key)) is not None:
        return finished
    state, due = {"import": key}, Throttle(5.0)
    info = replace(log.info, provenance={**log.info.provenance, **state})
    with DatasetWriter(path, info) as writer:
        if writer.num_episodes and writer.state != state:
            raise InputError(f"{path}: an unfinished dataset from elsewhere; remove it or choose another --out")
        writer.commit(state)
        try:
            for episode in log.episodes(writer.num_episodes):
                writer.add(episode)
                if due():
                    writer.commit()
                    if progress:
                        progress(writer.num_episodes, log.num_episodes)
            dataset = writer.finish()
        except InputError as error:
            writer.discard()
            raise InputError(f"{log.source}: {error}") from error
    if progress:
        progress(log.num_episodes, log.num_episodes)
    return dataset


def finished_import(path: Path, key: str) -> Dataset | None:
    """The dataset at `path`, if it is there and was imported from the same."""
    if not (path / "dataset.json").is_file():
        return None
    dataset = load(path)
    return dataset if dataset.info.provenance.get("import") == key else None


def as_float32(values: Array) -> Array:
    """Rounded to float32; what is too large becomes infinite, for the check of the episode to name."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _one_hot(categories: Array, sizes: tuple[int, ...]) -> Array:
    """categories: (T, d) zero-based, d of these sizes. Returns (T, sum of sizes) float32."""
    if not ((categories >= 0) & (categories < sizes)).all():
        raise InputError(f"an observation lies outside of its categories {list(sizes)}")
    offsets = np.cumsum((0, *sizes[:-1]))
    hot = np.zeros((len(categories), sum(sizes)), np.float32)
    np.put_along_axis(hot, categories.astype(np.int64) + offsets, 1.0, axis=1)
    return hot
