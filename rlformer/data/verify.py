"""Whether a dataset's files hold what was written: cheaply at each opening, byte by byte where something changed.

`dataset.json` has a digest of every file, its own among them, and the sizes and times of the arrays when they were
finished: the stamp. While it stands, no array is read. A copy has other times: `.verified.json` is its stamp, once all
of it was read and found right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.spaces import ActionSpec, Array, Spaces, computable
from rlformer.data.arrays import ARRAYS, MEND, content_hash

STAMP = ".verified.json"
_DESCRIPTION = "dataset.json"
_ARRAY_FILES = tuple(f"{name}.npy" for name in ARRAYS)
_ROWS = 1 << 16  # checked at once; the arrays may be larger than memory

Stamp = dict[str, list[int]]


def stamp_of(folder: Path) -> Stamp:
    """Size, time of change and time of the entry's change, both in nanoseconds, of every array."""
    stats = {name: (folder / name).stat() for name in _ARRAY_FILES}
    return {name: [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for name, stat in stats.items()}


def is_stamped(folder: Path, stamp: Stamp, description: Mapping[str, Any]) -> bool:
    """Whether the arrays are, by size and time, those that were found right."""
    if description.get("stamp") == stamp:
        return True
    try:
        known = files.read_json(folder / STAMP)
    except InputError:  # none yet, or torn: the arrays are read
        return False
    return known.get("arrays") == stamp and known.get("hash") == description.get("hash")


def remember(folder: Path, stamp: Stamp, description: Mapping[str, Any]) -> None:
    """Keep that the arrays as they were at `stamp` are right, where the folder can be written."""
    if not is_stamped(folder, stamp, description):
        with suppress(OSError):  # a dataset that may only be read is read each time
            files.write_json(folder / STAMP, {"hash": description.get("hash"), "arrays": stamp})


def digests(folder: Path, description: Mapping[str, Any]) -> dict[str, str]:
    """Of each file: 16 hex digits over all of its bytes; of the description over all but digests and stamp."""
    found = {name: _digest(folder / name) for name in _ARRAY_FILES}
    return {**found, _DESCRIPTION: _digest_of(description)}


def check_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Raise InputError where dataset.json is not what was written."""
    known = description.get("digests")
    if known is not None and (not isinstance(known, Mapping) or known.get(_DESCRIPTION) != _digest_of(description)):
        raise InputError(f"{folder / _DESCRIPTION}: damaged: its content is not what was written; {MEND}")


def verify(folder: Path, description: Mapping[str, Any], spaces: Spaces, arrays: Mapping[str, Array]) -> None:
    """Read everything. Raises InputError, which names the file, where a byte is another one or a value cannot be.

    A dataset of a former version has one hash of all its arrays and no digest of each.
    """
    known = description.get("digests", {})
    for name in _ARRAY_FILES if known else ():
        if known.get(name) != _digest(folder / name):
            raise InputError(f"{folder / name}: damaged: its content is not what was written; {MEND}")
    if not known and content_hash(spaces, **arrays) != description["hash"]:
        raise InputError(f"{folder}: damaged: the content of {', '.join(_ARRAY_FILES)} is not what was written; {MEND}")
    for name, wrong in _wrong(spaces, arrays):
        raise InputError(f"{folder / name}: damaged: {wrong}; {MEND}")


def _digest_of(description: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in description.items() if key not in ("digests", "stamp")}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _wrong(spaces: Spaces, arrays: Mapping[str, Array]) -> Iterator[tuple[str, str]]:
    """File and words of each value that no episode has."""
    yield from _wrong_episodes(arrays["episodes"])
    checks: dict[str, Callable[[Array], Array]] = {
        "observations": lambda rows: _all(computable(rows)),
        "actions": lambda rows: _inside(spaces.actions, rows),
        "rewards": lambda rows: np.isfinite(rows),
    }
    words = {"actions": f"lies outside of {spaces.actions.describe()}"}
    for name, check in checks.items():
        array = arrays[name]
        for start in range(0, len(array), _ROWS):
            fine = check(np.asarray(array[start : start + _ROWS]))
            if not fine.all():
                yield f"{name}.npy", f"row {start + int(np.argmin(fine))} {words.get(name, 'is not finite')}"


def _wrong_episodes(rows: Array) -> Iterator[tuple[str, str]]:
    name = "episodes.npy"
    if (rows["length"] < 1).any():
        yield name, f"episode {int(np.argmax(rows['length'] < 1))} has no steps"
    for flag in ("terminated", "truncated"):
        if (rows[flag].view(np.uint8) > 1).any():
            yield name, f"'{flag}' is neither true nor false"
    for number in ("seed", "behaviour_steps"):
        if (rows[number] < -1).any():
            yield name, f"a negative {number}"


def _inside(actions: ActionSpec, rows: Array) -> Array:
    return np.asarray(actions.contains(rows) & _all(np.isfinite(rows)))


def _all(fine: Array) -> Array:
    return np.asarray(fine.reshape(len(fine), -1).all(axis=1))
