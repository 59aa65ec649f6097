"""Logs whose steps stand one below the other in named columns, in any format: HDF5, NPZ, tables, Python arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.data.loaders.base import ForeignLog, Native, one_reward
from rlformer.data.loaders.columns import Observed, Raw, check_columns, from_arrays, joined_rows, with_last, word_in
from rlformer.data.loaders.cuts import Cuts, find_cuts
from rlformer.data.loaders.names import BOUNDARIES, NEEDED, Choice, Found, listed, locate
from rlformer.data.loaders.rows import arrange

_ROWS_AT_ONCE = 1 << 16
_COMPARED = 20_000  # steps, at most, whose next observation is held against the following row
_MARKS = (*BOUNDARIES, "returns")


@dataclass(frozen=True)
class Columns:
    """Named arrays with rows in front.

    forms: what tells shape and dtype of each. reading: opens them; `data[name][rows]` reads then. table: whether they
    are columns of a table, held in memory, whose rows may need sorting and may hold no action.
    """

    forms: Mapping[str, Any]
    reading: Callable[[], AbstractContextManager[Any]]
    table: bool = False

    @classmethod
    def of(cls, arrays: Mapping[str, Array], table: bool = False) -> Columns:
        """Of arrays in memory."""
        return cls(arrays, lambda: nullcontext(arrays), table)


def open_flat(
    source: str,
    columns: Columns,
    env: Native | None,
    choice: Choice,
    provenance: Mapping[str, Any],
    *,
    categorical: bool | None = None,
    held: Sequence[str] | None = None,
) -> ForeignLog:
    """The log in these columns. held: the names of all that the source holds, where columns are not all.

    Raises InputError where one is missing or unsound, or they do not fit `env`.
    """
    held = list(columns.forms) if held is None else held
    places = by_member(locate(list(columns.forms), choice, env.feature_names if env else ()), env)
    check_needed(places, held)
    notes: list[str] = []
    whole: bool | None = None
    if columns.table:
        arranged = arrange(columns.forms, places)
        columns, notes, whole = Columns.of(arranged.arrays), [*arranged.notes], arranged.final_observations
        kept = {key: found for key, found in places.items() if key not in arranged.replaced}
        places = {**kept, **arranged.added}
    rows = _rows(columns, places)
    with columns.reading() as data:
        marks = {key: _mark(data, key, places[key].columns[0]) for key in _MARKS if key in places}
    called = {key: found.columns[0] for key, found in places.items()}
    cuts = find_cuts(marks, rows, env.time_limit if env else None, called, held)
    layout = _layout(columns, places, cuts, rows)
    notes += [*cuts.notes, *_discontinuity(columns, layout)]

    def episodes(first: int) -> Iterator[Raw]:
        with columns.reading() as data:
            for part in _in_blocks(cuts.ends, first):
                yield from _read(data, layout, part, choice)

    used = [column for found in places.values() for column in found.columns]
    named = {key: [*found.columns] for key, found in places.items() if {*found.columns} <= {*held} - {key}}
    last = "of next_observations" if layout.following else "its own row" if layout.behind else "the one before, again"
    return from_arrays(
        source,
        episodes,
        len(cuts.ends),
        env,
        provenance={
            **provenance,
            "endings": cuts.rule,
            "last_observation": last,
            "columns": named,
            "not_read": [name for name in held if name not in used],
            **({"reward_column": choice.reward_column} if choice.reward_column is not None else {}),
        },
        final_observations=bool(layout.following or layout.behind) if whole is None else whole,
        categorical=categorical,
        notes=tuple(notes),
    )


def by_member(places: Mapping[str, Found], env: Native | None) -> dict[str, Found]:
    """The same, but that columns of the names of all members of the environment's Dict, in any order, are those."""
    space = None if env is None else env.observation_space
    if not isinstance(space, spaces.Dict):
        return dict(places)
    return {
        key: Found(found.columns, found.columns) if not found.parts and {*found.columns} == {*space} else found
        for key, found in places.items()
    }


def check_needed(places: Mapping[str, Found], found: Collection[str]) -> None:
    """Raise InputError where what every log needs is not there."""
    if missing := [key for key in NEEDED if key not in places]:
        maps = " ".join(f"--map {key}=COLUMN" for key in missing)
        advice = f"{maps} names another" if len(found) else "is it a log?"
        raise InputError(f"no {' and no '.join(missing)} in it; it holds {listed(found)}; {advice}")


@dataclass(frozen=True)
class _Layout:
    """Which rows of which columns an episode takes."""

    places: Mapping[str, Found]
    cuts: Cuts
    following: bool  # whether the last observation is that of `next_observations`
    behind: bool  # whether observations have a row more in each episode


def _rows(columns: Columns, places: Mapping[str, Found]) -> int:
    """How many steps there are. Raises InputError unless what has one row a step is numbers of that many rows."""
    keys = [key for key in ("observations", "actions", "rewards", "next_observations") if key in places]
    named = {column: columns.forms[column] for key in keys for column in places[key].columns}
    for column, form in named.items():
        check_columns({column: form})
    rows = int(columns.forms[places["actions"].columns[0]].shape[0])
    observed = {columns.forms[column].shape[0] for column in places["observations"].columns}
    if len(observed) == 1 and observed != {rows}:  # a row more in each episode, perhaps: see `_layout`
        named = {name: form for name, form in named.items() if name not in places["observations"].columns}
    check_columns(named)
    return rows


def _layout(columns: Columns, places: Mapping[str, Found], cuts: Cuts, rows: int) -> _Layout:
    observed = int(columns.forms[places["observations"].columns[0]].shape[0])
    if observed not in (rows, rows + len(cuts.ends)):
        name = places["observations"].columns[0]
        more = f" (or {rows + len(cuts.ends)}, with the last one of each episode)"
        raise InputError(f"columns of different lengths: {name} {observed}, actions {rows}{more}")
    behind = observed != rows
    following = "next_observations" in places and not behind
    if following:
        shapes = [
            [columns.forms[column].shape[1:] for column in places[key].columns]
            for key in ("observations", "next_observations")
        ]
        if shapes[0] != shapes[1] or places["observations"].parts != places["next_observations"].parts:
            raise InputError("next_observations and observations have different shapes")
    return _Layout(places, cuts, following, behind)


def _read(data: Any, layout: _Layout, part: range, choice: Choice) -> Iterator[Raw]:
    """The episodes at these positions, read at once."""
    cuts, places = layout.cuts, layout.places
    start, stop = int(cuts.starts[part[0]]), int(cuts.ends[part[-1]])
    first, more = (part[0], len(part)) if layout.behind else (0, 0)
    block = _observed(data, places["observations"], slice(start + first, stop + first + more))
    following = _observed(data, places["next_observations"], slice(start, stop)) if layout.following else None
    actions = joined_rows([_column(data, name, slice(start, stop)) for name in places["actions"].columns])
    rewards = one_reward(_column(data, places["rewards"].columns[0], slice(start, stop)), choice.reward_column)
    for i in part:
        low, high = int(cuts.starts[i]) - start, int(cuts.ends[i]) - start
        shift = i - first if layout.behind else 0
        observations = _taken(block, slice(low + shift, high + shift + layout.behind))
        if not layout.behind:
            last = None if following is None else _taken(following, slice(high - 1, high))
            observations = with_last(observations, last)
        ending = bool(cuts.terminated[i]), bool(cuts.truncated[i])
        yield Raw(observations, actions[low:high], rewards[low:high], *ending)


def _observed(data: Any, found: Found, rows: slice) -> Observed:
    arrays = [_column(data, name, rows) for name in found.columns]
    return dict(zip(found.parts, arrays, strict=True)) if found.parts else joined_rows(arrays)


def _column(data: Any, name: str, rows: slice) -> Array:
    return np.asarray(data[name][rows])


def _taken(observed: Observed, rows: slice) -> Observed:
    if isinstance(observed, Mapping):
        return {name: values[rows] for name, values in observed.items()}
    return observed[rows]


def _mark(data: Any, key: str, name: str) -> Array:
    values = np.asarray(data[name][()])
    if values.ndim > 1 and values.size != len(values):
        raise InputError(f"{name} has shape {values.shape}, and marks one thing a row")
    values = values.ravel()
    if values.dtype.kind not in "biuf" and key != "episode":  # which alone may be words
        raise InputError(f"{name} is not an array of numbers{word_in(values)}")
    return values


def _in_blocks(ends: Array, first: int) -> Iterator[range]:
    """Runs of episodes, from `first` on, of about `_ROWS_AT_ONCE` rows: one read for many short episodes."""
    while first < len(ends):
        start = ends[first - 1] if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, start + _ROWS_AT_ONCE, side="right")))
        yield range(first, stop)
        first = stop


def _discontinuity(columns: Columns, layout: _Layout) -> list[str]:
    """A sentence where next observations are not what the following rows show."""
    if not layout.following:
        return []
    with columns.reading() as data:
        shown, following = (
            _flat(_observed(data, layout.places[key], slice(0, _COMPARED)))
            for key in ("observations", "next_observations")
        )
    inside = np.ones(len(shown) - 1, bool)
    ends = layout.cuts.ends - 1
    inside[ends[ends < len(inside)]] = False
    if not inside.any():
        return []
    broken = float((~_same(following[:-1], shown[1:]))[inside].mean())
    if broken <= 0.01:
        return []
    swapped = float(_same(shown[:-1], following[1:])[inside].mean())
    if swapped > 0.9:
        return ["observations and next_observations look swapped: each next observation was seen the row before"]
    return [
        f"next_observations are not what the following row observes at {100 * broken:.0f} % of the steps: "
        "rows that are shuffled or sampled make no episodes, and other columns may have been swapped"
    ]


def _flat(observed: Observed) -> Array:
    arrays = list(observed.values()) if isinstance(observed, Mapping) else [observed]
    return np.concatenate([np.asarray(a, np.float64).reshape(len(a), -1) for a in arrays], axis=1)


def _same(rows: Array, others: Array) -> Array:
    """(T,) bool, but for what rounding to float32 changes."""
    return np.asarray(np.isclose(rows, others, rtol=1e-5, atol=1e-6).all(axis=1))
