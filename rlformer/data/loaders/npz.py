"""The loader of NPZ files of expert episodes, as stable-baselines 2 recorded them.

`episode_starts` marks first steps; nothing marks last ones or says how they came about. An episode as long as
the environment's time limit was truncated and a shorter one terminated; where the environment is not known,
neither is claimed. The last observation is repeated, since the one after it was not recorded.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import Episode
from rlformer.core.spaces import Array
from rlformer.data.loaders import safe
from rlformer.data.loaders.base import ForeignLog, Loader, Native, file_with
from rlformer.data.loaders.columns import check_columns, from_arrays, with_last

_NEEDED = ("obs", "actions", "rewards", "episode_starts")


def open_npz(path: Path, env: Native | None) -> ForeignLog:
    """The log in that file. Raises InputError where it is damaged, lacks a key, or does not fit `env`."""
    columns = _read(path)
    starts = np.flatnonzero(np.ravel(columns["episode_starts"]))
    if not len(starts) or starts[0] != 0:
        raise InputError("episode_starts does not mark the first step")
    if (said := len(columns.get("episode_returns", starts))) != len(starts):
        raise InputError(f"{said} episode_returns, but episode_starts marks {len(starts)} episodes")
    ends = np.append(starts[1:], len(columns["rewards"]))
    limit = env.time_limit if env else None

    def episodes(first: int) -> Iterator[Episode]:
        for start, end in zip(starts[first:], ends[first:], strict=True):
            yield Episode(
                with_last(columns["obs"][start:end], None),
                columns["actions"][start:end],
                np.ravel(columns["rewards"][start:end]),
                terminated=limit is not None and end - start < limit,
                truncated=limit is not None and end - start >= limit,
            )

    rule = "not recorded" if limit is None else f"truncated at the limit of {limit} steps, terminated before it"
    return from_arrays(
        path.name,
        episodes,
        len(starts),
        env,
        provenance={"source": "npz", "file": path.name, "endings": rule},
        final_observations=False,
    )


def _read(path: Path) -> dict[str, Array]:
    safe.check_npz(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            found = file.files
            columns = {name: _array(file, name) for name in (*_NEEDED, "episode_returns") if name in found}
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"a truncated or damaged NPZ file ({' '.join(str(error).split())})") from error
    check_columns({name: columns.get(name) for name in _NEEDED}, found)
    return columns


def _array(file: np.lib.npyio.NpzFile, name: str) -> Array:
    try:
        return np.asarray(file[name])
    except ValueError as error:
        raise InputError(f"{name} cannot be read without unpickling, which is never done ({error})") from error


NPZ = Loader("npz", "an NPZ of expert episodes", file_with(b"PK\x03\x04"), open_npz)
