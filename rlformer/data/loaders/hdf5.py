"""The loader of HDF5 files in the styles of D4RL and of d3rlpy.

style       layout                                          an episode ends where
D4RL        flat columns, with `timeouts`                   `terminals` or `timeouts` is set
d3rlpy 1    flat columns, with `episode_terminals`          `episode_terminals` is set
d3rlpy 2    `observations_0`, `actions_0`, ... by episode   its arrays do

d3rlpy 1 may set `terminals` on an episode's last two steps: it says how an episode ended, not where. A D4RL
file without `timeouts` is cut at the environment's time limit, as D4RL's own `qlearning_dataset` cuts it.
Only D4RL's `next_observations` hold what was observed last; without them the last observation is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import Array
from rlformer.data.loaders import minari, safe
from rlformer.data.loaders.base import ForeignLog, Loader, Native, file_with
from rlformer.data.loaders.columns import check_columns, from_arrays, with_last

_READ = ("observations", "actions", "rewards")
_ROWS_AT_ONCE = 1 << 16


def open_hdf5(path: Path, env: Native | None) -> ForeignLog:
    """The log in that file. Raises InputError where it is damaged, lacks a key, or does not fit `env`."""
    with _opened(path) as file:
        by_episode = "columns" in file and "num_episodes" in file
    return _open_episodes(path, env) if by_episode else _open_columns(path, env)


def _open_columns(path: Path, env: Native | None) -> ForeignLog:
    with _opened(path) as file:
        optional = ("timeouts", "episode_terminals", "next_observations")
        names = (*_READ, "terminals", *(name for name in optional if name in file))
        check_columns({name: file.get(name) for name in names}, file)
        if "next_observations" in names and file["next_observations"].shape != file["observations"].shape:
            raise InputError("next_observations and observations have different shapes")
        cuts = _cuts(file, env)
        categorical = bool(file["discrete_action"][()]) if "discrete_action" in file else None

    def episodes(first: int) -> Iterator[Episode]:
        with _opened(path) as file:
            for part in _in_blocks(cuts.ends, first):
                start, stop = int(cuts.starts[part[0]]), int(cuts.ends[part[-1]])
                block = {name: file[name][start:stop] for name in _READ}
                following = file["next_observations"][start:stop] if "next_observations" in names else None
                for i in part:
                    rows = slice(cuts.starts[i] - start, cuts.ends[i] - start)
                    yield Episode(
                        with_last(block["observations"][rows], None if following is None else following[rows][-1]),
                        block["actions"][rows],
                        np.ravel(block["rewards"][rows]),
                        bool(cuts.terminated[i]),
                        bool(cuts.truncated[i]),
                    )

    return from_arrays(
        path.name,
        episodes,
        len(cuts.ends),
        env,
        provenance={"source": "hdf5", "file": path.name, "endings": cuts.rule},
        final_observations="next_observations" in names,
        categorical=categorical,
    )


def _open_episodes(path: Path, env: Native | None) -> ForeignLog:
    """d3rlpy 2: a dataset for each column of each episode."""
    with _opened(path) as file:
        count = int(file["num_episodes"][()])
    if count == 0:
        raise InputError("no episodes in it")

    def episodes(first: int) -> Iterator[Episode]:
        with _opened(path) as file:
            for i in range(first, count):
                check_columns({f"{name}_{i}": file.get(f"{name}_{i}") for name in _READ}, file)
                observations, actions, rewards = (file[f"{name}_{i}"][()] for name in _READ)
                terminated = bool(file[f"terminated_{i}"][()])
                last = with_last(observations, None)
                yield Episode(last, actions, np.ravel(rewards), terminated, not terminated)

    return from_arrays(
        path.name,
        episodes,
        count,
        env,
        provenance={"source": "hdf5", "file": path.name, "endings": "each episode's own"},
        final_observations=False,
    )


@dataclass(frozen=True)
class _Cuts:
    """Where E episodes lie in flat columns, and how each ended."""

    starts: Array  # (E,) first row
    ends: Array  # (E,) the row behind the last
    terminated: Array  # (E,) bool
    truncated: Array  # (E,) bool; neither: the log ends in the middle of it
    rule: str  # in words


def _cuts(file: h5py.File, env: Native | None) -> _Cuts:
    terminals = _flags(file, "terminals")
    if "episode_terminals" in file:
        ended, rule = _flags(file, "episode_terminals"), "episode_terminals"
        truncated = ended & ~terminals
    else:
        if "timeouts" in file:
            truncated, rule = _flags(file, "timeouts"), "terminals or timeouts"
        elif env is not None and env.time_limit:
            truncated, rule = _at_limit(terminals, env.time_limit), f"terminals or {env.time_limit} steps"
        else:
            truncated, rule = np.zeros_like(terminals), "terminals"
        ended = terminals | truncated
    ends = np.flatnonzero(ended) + 1
    if not len(ends) or ends[-1] != len(ended):
        ends = np.append(ends, len(ended))
    last = ends - 1
    return _Cuts(_behind(ends), ends, terminals[last], truncated[last], rule)


def _at_limit(terminals: Array, limit: int) -> Array:
    """(S,) bool: each step that is the `limit`-th, or a multiple of it, since a terminal."""
    ends = np.append(np.flatnonzero(terminals) + 1, len(terminals))
    starts = _behind(ends)
    elapsed = np.arange(1, len(terminals) + 1) - np.repeat(starts, ends - starts)
    return (elapsed % limit == 0) & ~terminals


def _behind(ends: Array) -> Array:
    """Where each stretch begins: at 0 or where the one before it ends."""
    return np.concatenate([[0], ends[:-1]])


def _in_blocks(ends: Array, first: int) -> Iterator[range]:
    """Runs of episodes, from `first` on, of about `_ROWS_AT_ONCE` rows: one read for many short episodes."""
    while first < len(ends):
        start = ends[first - 1] if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, start + _ROWS_AT_ONCE, side="right")))
        yield range(first, stop)
        first = stop


def _flags(file: h5py.File, name: str) -> Array:
    return np.ravel(file[name][()]).astype(bool)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file; what the library raises while it is read is about the file."""
    try:
        with safe.hdf5(path) as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"a truncated or damaged HDF5 file ({reason})") from error


def _recognise(text: str) -> Path | None:
    """An HDF5 file, unless it is the one in which a Minari dataset keeps its episodes."""
    return None if minari.find(text) is not None else _IS_HDF5(text)


_IS_HDF5 = file_with(b"\x89HDF\r\n\x1a\n")
HDF5 = Loader("hdf5", "an HDF5 file (D4RL, d3rlpy)", _recognise, open_hdf5)
