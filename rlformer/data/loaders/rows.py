"""Rows of a table in the order of time: sorted where they say so, and those without an action told from steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.data.loaders.names import Found

_FLAGS = ("terminated", "truncated", "ends")
_ENDED = "rows without an action"  # what marks the episodes then


@dataclass(frozen=True)
class Arranged:
    """The columns of a table whose rows are steps in order. replaced, added: what changes of where keys are found."""

    arrays: Mapping[str, Array]
    notes: tuple[str, ...] = ()
    final_observations: bool | None = None  # whether rows without an action held them all; None: there is none
    replaced: tuple[str, ...] = ()
    added: Mapping[str, Found] = field(default_factory=dict)


def arrange(columns: Mapping[str, Array], places: Mapping[str, Found]) -> Arranged:
    """Sort the rows by episode and step where both are known, and move what rows without an action observed.

    A row whose action is empty holds the last observation of its episode. Raises InputError where a step is there
    twice, or such a row stands within an episode or has a reward.
    """
    used = {name for found in places.values() for name in found.columns}
    lengths = {name: len(columns[name]) for name in used}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"columns of different lengths: {told}")
    for key in {*_FLAGS, "starts"} & {*places}:  # an empty cell marks nothing
        flag = columns[places[key].columns[0]]
        if flag.dtype.kind == "f":
            columns = {**columns, places[key].columns[0]: np.nan_to_num(flag)}
    if "episode" not in places:
        return _last_rows(Arranged(columns), places)
    name = places["episode"].columns[0]
    ids = _identities(columns[name], name)
    order, notes = _order(ids, columns[places["step"].columns[0]] if "step" in places else None)
    arrays = {**columns, name: ids if columns[name].dtype.kind not in "biuf" else np.ravel(columns[name])}
    if order is not None:
        arrays = {key: values[order] if key in used else values for key, values in arrays.items()}
    return _last_rows(Arranged(arrays, notes), places)


def _identities(values: Array, name: str) -> Array:
    """(T,) which episode each row is of, numbered as they appear."""
    flat = np.ravel(values)
    words = flat.dtype.kind not in "biuf"
    empty = np.array([value is None for value in flat]) if words else ~np.isfinite(flat)
    if empty.any():
        raise InputError(f"row {int(np.argmax(empty))}: no {name}")
    _, first, inverse = np.unique(flat.astype(str) if words else flat, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _order(ids: Array, steps: Array | None) -> tuple[Array | None, tuple[str, ...]]:
    """How to sort the rows, None where they are in order, and what to tell of it."""
    if steps is None or steps.dtype.kind not in "iuf":
        return None, ()
    steps = np.ravel(steps)
    order = np.lexsort((steps, ids))
    sorted_ids, sorted_steps = ids[order], steps[order]
    within = sorted_ids[1:] == sorted_ids[:-1]
    ahead = (sorted_steps[1:] - sorted_steps[:-1])[within]
    if (ahead == 0).any():
        at = int(np.flatnonzero(within)[np.argmax(ahead == 0)])
        again = f"step {sorted_steps[at]:g} of episode {sorted_ids[at]} (counted from 0) appears twice"
        raise InputError(f"{again}: rows {order[at]} and {order[at + 1]}")
    notes = []
    moved = not np.array_equal(order, np.arange(len(order)))
    if moved:
        notes.append("rows were sorted by episode and step")
    if len(ahead) and (gaps := int((ahead > np.min(ahead)).sum())):
        notes.append(f"steps are missing: their numbers jump {gaps:,} times within episodes")
    return order if moved else None, tuple(notes)


def _last_rows(table: Arranged, places: Mapping[str, Found]) -> Arranged:
    """Take rows without an action out of the steps: each is what its episode's last step led to."""
    arrays = table.arrays
    if not all(key in places for key in ("observations", "actions", "rewards")):
        return table
    empty = np.all([_missing(arrays[name]) for name in places["actions"].columns], axis=0)
    if not empty.any():
        return table
    rewards = arrays[places["rewards"].columns[0]]
    paid = empty & ~_missing(rewards) & (rewards.reshape(len(rewards), -1) != 0).any(axis=1)
    if paid.any():
        raise InputError(f"row {int(np.argmax(paid))}: a reward without an action; a row is a step")
    episode = _episodes(arrays, places, empty)
    ends = np.append(episode[1:] != episode[:-1], True)
    if (inside := empty & ~ends).any():
        raise InputError(f"row {int(np.argmax(inside))}: no action, and its episode goes on")
    starts = np.insert(ends[:-1], 0, True)
    if (alone := empty & starts).any():
        raise InputError(f"row {int(np.argmax(alone))}: an episode without a step")
    steps = ~empty
    changed = {}
    for key in set(_FLAGS) & set(places):  # the end may be marked on either of the last two rows
        flag = arrays[places[key].columns[0]] != 0
        flag[:-1] |= flag[1:] & empty[1:]
        changed[places[key].columns[0]] = flag[steps]
    last_of = np.flatnonzero(ends)
    shown = np.sort(np.concatenate([np.flatnonzero(steps), last_of]))  # the last row again where no row is without
    kept: dict[str, Array] = {}
    for key, found in places.items():
        for name in found.columns:
            kept[name] = arrays[name][shown if key == "observations" else steps]
    lacking = int((~empty[last_of]).sum())
    notes = [*table.notes]
    if lacking:
        notes.append(f"{lacking:,} of {len(last_of):,} episodes have no row for their last observation: it is repeated")
    kept |= changed | {_ENDED: episode[steps]}
    actions = places["actions"].columns
    kept |= {name: _whole(kept[name]) for name in actions}
    boundaries = ("starts", "episode", "step", "next_observations")
    return Arranged(kept, tuple(notes), lacking == 0, boundaries, {"episode": Found((_ENDED,))})


def _episodes(arrays: Mapping[str, Array], places: Mapping[str, Found], empty: Array) -> Array:
    """(T,) the episode of each row; one without an action is its episode's last."""
    if "episode" in places:
        return arrays[places["episode"].columns[0]]
    ended = empty.copy()
    for key in set(_FLAGS) & set(places):
        flag = arrays[places[key].columns[0]] != 0
        ended |= flag & ~np.append(empty[1:], False)
    return np.cumsum(np.insert(ended[:-1], 0, False))


def _missing(values: Array) -> Array:
    """(T,) bool: which rows are empty."""
    rows = values.reshape(len(values), -1)
    if rows.dtype.kind == "f":
        return np.asarray(np.isnan(rows).all(axis=1))
    if rows.dtype.kind == "O":
        return np.array([all(value is None for value in row) for row in rows])
    return np.zeros(len(rows), bool)


def _whole(values: Array) -> Array:
    """Categories that an empty cell had made reals are whole numbers again."""
    whole = values.dtype.kind == "f" and bool(((values >= 0) & (values == np.rint(values))).all())
    return values.astype(np.int64) if whole else values
