"""Logs that are made in Python: from arrays, or from a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from gymnasium import spaces as gym_spaces
from numpy.typing import ArrayLike

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset, from_episodes
from rlformer.data.loaders.base import ForeignLog, Native
from rlformer.data.loaders.flat import Columns, open_flat
from rlformer.data.loaders.names import NEEDED, Choice
from rlformer.data.loaders.tables import unboxed
from rlformer.data.open import Progress
from rlformer.data.writer import DatasetWriter
from rlformer.envs import cards as env_cards
from rlformer.studies.logs import named
from rlformer.studies.shards import join_logs

Observations: TypeAlias = ArrayLike | Mapping[str, ArrayLike]
NativeSpaces: TypeAlias = tuple[gym_spaces.Space[Any], gym_spaces.Space[Any]]  # of observations, of actions


class Frame(Protocol):
    """What is asked of a frame: pandas' and polars' are such."""

    @property
    def columns(self) -> Iterable[Any]:
        """Names of its columns."""
        ...

    def __getitem__(self, name: str, /) -> Any:
        """A column, with `to_numpy`."""
        ...


def dataset(
    *,
    observations: Observations | None = None,
    actions: ArrayLike | None = None,
    rewards: ArrayLike | None = None,
    ends: ArrayLike | None = None,
    terminated: ArrayLike | None = None,
    truncated: ArrayLike | None = None,
    next_observations: Observations | None = None,
    frame: Frame | None = None,
    map: Mapping[str, str | Sequence[str]] | None = None,
    reward_column: int | None = None,
    env: str | None = None,
    spaces: NativeSpaces | None = None,
    out: str | Path | None = None,
) -> Dataset:
    """A log from arrays with a row for each of S steps, or from a frame: what `open_data` gives for a file.

    observations: (S, ...), or (S + E, ...) with the last one of each of E episodes; a dict of such for a Dict space,
    its parts in the order of `envs.spaces`. actions: (S, ...). rewards: (S,), (S, 1), or (S, k) with `reward_column`.
    Where episodes end: `terminated` and `truncated`, (S,) flags; or `ends` alone, which does not say how. next_
    observations: (S, ...), of which the last of each episode is kept; without any, last observations are repeated.

    frame: a row is a step, and columns are found by their names or by `map` (docs/logs.md has the table); pandas and
    polars frames are such. env: a card or Gymnasium id, gives the spaces and the time limit. spaces: an observation and
    an action space of Gymnasium instead; without either they are inferred. out: a folder to keep the log in, which
    `compare` needs; by default it is in memory. Raises InputError where something is missing, unsound or does not fit.
    """
    if env is not None and spaces is not None:
        raise InputError("env or spaces: an environment has its own spaces")
    given = {
        "observations": observations,
        "actions": actions,
        "rewards": rewards,
        "ends": ends,
        "terminated": terminated,
        "truncated": truncated,
        "next_observations": next_observations,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if frame is not None and given:
        raise InputError(f"frame or arrays: {', '.join(given)} may be columns of the frame, named in map")
    if frame is None:
        _check_given(given, map)
    native = None if env is None else Native.of(env_cards.environment(env))
    if spaces is not None:
        native = _spaces_alone(spaces)
    columns = Columns.of(_of_arrays(given)) if frame is None else Columns.of(_of_frame(frame), table=True)
    choice = Choice.of(map, reward_column)
    log = open_flat("dataset", columns, native, choice, {"source": "arrays"})
    if log.notes:
        log = replace(log, info=replace(log.info, provenance={**log.info.provenance, "notes": list(log.notes)}))
    if spaces is not None:
        provenance = {**log.info.provenance, "action_space": "given"}
        log = replace(log, info=replace(log.info, env=None, env_definition={}, provenance=provenance))
    return _in_memory(log) if out is None else _written(log, Path(out))


def join(
    parts: Sequence[str | Path],
    out: str | Path,
    *,
    env: str | None = None,
    map: Mapping[str, str | Sequence[str]] | None = None,
    reward_column: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Several logs as one in shards, in this order, in the folder `out`; see `studies.shards.join_logs`.

    Each part is what `open_data` takes, and env, map and reward_column are as there. Our own datasets stay where they
    are and are not copied. Raises InputError where parts are not of one task or one is there twice.
    """
    spec = None if env is None else env_cards.environment(env)
    texts = [named(part) for part in parts]
    return join_logs(texts, Path(out), spec, progress, Choice.of(map, reward_column))


def _check_given(given: Mapping[str, object], map: Mapping[str, str | Sequence[str]] | None) -> None:
    """Raise InputError where arrays are missing, or are named as if they were columns."""
    if map:
        raise InputError("map names columns of a frame; pass arrays by their own names")
    if missing := [name for name in NEEDED if name not in given]:
        raise InputError(f"no {' and no '.join(missing)}: dataset needs {', '.join(NEEDED)}, or a frame")
    if not {"ends", "terminated", "truncated"} & {*given}:
        raise InputError("nothing marks where episodes end: give terminated= and truncated=, or ends=")


def _in_memory(log: ForeignLog) -> Dataset:
    return from_episodes(log.info, list(log.episodes(0)))


def _written(log: ForeignLog, out: Path) -> Dataset:
    with DatasetWriter(out, log.info) as writer:
        try:
            for episode in log.episodes(0):
                writer.add(episode)
            return writer.finish()
        except InputError:
            writer.discard()
            raise


def _spaces_alone(spaces: NativeSpaces) -> Native:
    pair: Sequence[object] = spaces
    if len(pair) != 2 or not all(isinstance(space, gym_spaces.Space) for space in pair):
        raise InputError("spaces: an observation space and an action space of Gymnasium")
    return Native("the given spaces", {}, spaces[0], spaces[1], time_limit=None)


def _of_arrays(given: Mapping[str, Any]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name, value in given.items():
        if not isinstance(value, Mapping):
            arrays[name] = _array(name, value)
        elif name not in ("observations", "next_observations"):
            raise InputError(f"{name}: an array, not a dict")
        else:
            arrays |= {path: _array(path, part) for path, part in _parts(name, value)}
    return arrays


def _parts(name: str, value: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, part in value.items():
        path = f"{name}/{key}"
        yield from _parts(path, part) if isinstance(part, Mapping) else [(path, part)]


def _array(name: str, value: Any) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:
        advice = "concatenate the episodes and mark where they end"
        raise InputError(f"{name} is not an array, since its rows differ in length: {advice}") from error


def _of_frame(frame: Frame) -> dict[str, Array]:
    try:
        names = list(frame.columns)
    except (AttributeError, TypeError) as error:
        kind = type(frame).__name__
        raise InputError(f"frame: a {kind} has no columns; a pandas or polars frame is expected") from error
    if twice := [str(name) for name in names if names.count(name) > 1]:
        raise InputError(f"frame: two columns are called {twice[0]}")
    return {str(name): _cells(frame[name], str(name)) for name in names}


def _cells(column: Any, name: str) -> Array:
    values = np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)
    return unboxed(list(values), name) if values.dtype.kind == "O" else values
