"""Where the episodes lie in flat columns, and how each ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.data.loaders.names import BOUNDARIES, KEYS, listed

_FLAGS = ("terminated", "truncated", "ends", "starts")


@dataclass(frozen=True)
class Cuts:
    """E episodes in flat columns."""

    starts: Array  # (E,) row of the first step
    ends: Array  # (E,) the row behind the last step
    terminated: Array  # (E,) bool
    truncated: Array  # (E,) bool; neither: not recorded, or the log ends in the middle of it
    rule: str  # how that is known, in words
    notes: tuple[str, ...] = ()


def find_cuts(
    marks: Mapping[str, Array], rows: int, limit: int | None, called: Mapping[str, str], held: Collection[str]
) -> Cuts:
    """The episodes of `rows` steps. marks: the columns that say something of it, by their names in `KEYS`.

    The first of `BOUNDARIES` that is there says where episodes end; `terminated` and `truncated`, how. Where nothing
    says how and the environment's time limit is known, an episode that reaches it was truncated and a shorter one
    terminated. Where `terminated` alone is there, episodes are cut at that limit too, as D4RL's `qlearning_dataset`
    does. called, held: what the file calls them, and all its names, for messages. Raises InputError where nothing
    marks the episodes, or marks contradict each other.
    """
    by = next((key for key in BOUNDARIES if key in marks), None)
    if by is None:
        names = ", ".join(KEYS[key].names[0] for key in ("terminated", "truncated", "ends", "episode"))
        raise InputError(
            f"nothing in it shows where episodes end ({names}, ...); it holds {listed(held)}; "
            "--map ends=COLUMN or --map episode=COLUMN names a column that does"
        )
    for key, values in marks.items():
        if values.dtype.kind == "f" and key != "returns" and not np.isfinite(values).all():
            raise InputError(f"NaN or infinity in {called[key]}")
    for key in {*_FLAGS} & {*marks}:
        values = marks[key]
        if (wrong := (values != 0) & (values != 1)).any():
            raise InputError(f"{called[key]} holds {values[wrong][0]:g}, which is not a flag (0 or 1)")
    flags = {key: _flag(marks[key]) for key in ("terminated", "truncated") if key in marks}
    if by in flags:
        if wrong := [key for key, flag in flags.items() if len(flag) != rows]:
            length = f"{called[wrong[0]]} {len(flags[wrong[0]])}"
            raise InputError(f"columns of different lengths: {length}, {called['actions']} {rows}")
        return _by_flags(flags, rows, limit)
    mark = marks[by]
    if by == "ends" and len(mark) == len(flags.get("truncated", ())):
        mark = _flag(mark) | flags["truncated"]  # some call done what is terminated alone
    ends = _ends(by, mark, rows, called[by])
    if "returns" in marks and len(marks["returns"]) != len(ends):
        raise InputError(f"{len(marks['returns'])} {called['returns']}, but {called[by]} marks {len(ends)} episodes")
    cuts = _how(called[by], ends, flags, rows, limit, cut_off=by == "ends" and not bool(_flag(mark)[-1]))
    if by != "ends" and len(marks.get("ends", ())) == rows:
        return replace(cuts, notes=(*cuts.notes, *_inside(_flag(marks["ends"]), ends, called["ends"], called[by])))
    return cuts


def _ends(by: str, mark: Array, rows: int, name: str) -> Array:
    """(E,) the row behind each episode's last step."""
    if by in ("indices", "lengths"):
        if (by == "lengths" and not len(mark)) or (mark != np.rint(mark)).any():
            raise InputError(f"{name} are not numbers of steps")
        ends = np.append(mark, rows) if by == "indices" else np.cumsum(mark)
        if (np.diff(ends, prepend=0) < 0).any() or ends[-1] != rows or not rows:
            raise InputError(f"{name} do not fit the {rows} steps of actions")
        if not np.diff(ends, prepend=0).all():
            raise InputError(f"{name} has an episode without a step")
        return ends.astype(np.int64)
    if len(mark) != rows:
        raise InputError(f"columns of different lengths: {name} {len(mark)}, actions {rows}")
    if by == "ends":
        ends = np.flatnonzero(_flag(mark)) + 1
        return ends if len(ends) and ends[-1] == rows else np.append(ends, rows)
    if by == "starts":
        starts = np.flatnonzero(_flag(mark))
        if not len(starts) or starts[0] != 0:
            raise InputError(f"{name} does not mark the first step")
    else:
        starts = np.flatnonzero(np.insert(mark[1:] <= mark[:-1] if by == "step" else mark[1:] != mark[:-1], 0, True))
    if by == "episode":
        ids, at = np.unique(mark[starts], return_index=True)
        if len(ids) < len(starts):
            again = int(starts[min(set(range(len(starts))) - set(at.tolist()))])
            raise InputError(f"{name} {mark[again]} appears again at row {again}: sort the rows by episode and step")
    return np.append(starts[1:], rows)


def _by_flags(flags: Mapping[str, Array], rows: int, limit: int | None) -> Cuts:
    none = np.zeros(rows, bool)
    terminals = flags.get("terminated", none)
    notes: tuple[str, ...] = ()
    if "truncated" in flags:
        truncated, rule = flags["truncated"], " or ".join(flags)
    elif limit:
        truncated, rule = _at_limit(terminals, limit), f"terminated or {limit} steps"
    else:
        truncated, rule = none, "terminated"
        notes = ("time limits are not recorded: --env ENV cuts episodes at the environment's own",)
    ends = np.flatnonzero(terminals | truncated) + 1
    if not len(ends) or ends[-1] != rows:
        ends = np.append(ends, rows)
    last = ends - 1
    return Cuts(_behind(ends), ends, terminals[last], truncated[last], rule, notes)


def _how(by: str, ends: Array, flags: Mapping[str, Array], rows: int, limit: int | None, cut_off: bool) -> Cuts:
    """How the episodes ended that `by` marks, from one flag a step or an episode."""
    lengths, notes = np.diff(ends, prepend=0), list[str]()
    known = {}
    for key, flag in flags.items():
        if len(flag) not in (rows, len(ends)):
            raise InputError(f"columns of different lengths: {key} {len(flag)}, actions {rows}, episodes {len(ends)}")
        if len(flag) == rows:
            notes += _inside(flag, ends, key, by)
            flag = flag[ends - 1]
        known[key] = flag
    ended = np.ones(len(ends), bool)
    ended[-1] = not cut_off
    if len(known) == 2:
        terminated, truncated, rule = known["terminated"], known["truncated"], f"{by}; terminated or truncated"
    elif "terminated" in known:
        terminated, rule = known["terminated"], f"{by}; truncated where not terminated"
        truncated = ended & ~terminated
    elif "truncated" in known:
        truncated, rule = known["truncated"], f"{by}; terminated where not truncated"
        terminated = ended & ~truncated
    elif limit is not None:
        terminated, truncated = ended & (lengths < limit), lengths >= limit
        rule = f"{by}; truncated at the limit of {limit} steps, terminated before it"
    else:
        terminated = truncated = np.zeros(len(ends), bool)
        rule = f"{by}; how episodes ended is not recorded"
    return Cuts(_behind(ends), ends, terminated, truncated, rule, tuple(notes))


def _inside(flag: Array, ends: Array, name: str, by: str) -> list[str]:
    """A sentence on steps within episodes that are marked as an end."""
    inside = int(flag.sum() - flag[ends - 1].sum())
    return [f"{inside:,} steps inside of episodes are marked as {name}: {by} says that they go on"] if inside else []


def _at_limit(terminals: Array, limit: int) -> Array:
    """(S,) bool: each step that is the `limit`-th, or a multiple of it, since a terminal."""
    ends = np.append(np.flatnonzero(terminals) + 1, len(terminals))
    starts = _behind(ends)
    elapsed = np.arange(1, len(terminals) + 1) - np.repeat(starts, ends - starts)
    return (elapsed % limit == 0) & ~terminals


def _behind(ends: Array) -> Array:
    """Where each stretch begins: at 0 or where the one before it ends."""
    return np.concatenate([[0], ends[:-1]]).astype(np.int64)


def _flag(values: Array) -> Array:
    return np.ravel(values).astype(bool)
