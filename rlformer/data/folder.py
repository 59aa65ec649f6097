"""Opening a dataset's folder, and moving a damaged one out of the way. Its form: see `data.dataset`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.frames import rebuilt
from rlformer.core.records import SCHEMA
from rlformer.core.spaces import Array
from rlformer.data import shards as listing
from rlformer.data import verify as checking
from rlformer.data.arrays import ARRAYS, MEND, array_forms, open_array
from rlformer.data.dataset import Dataset, firsts, join
from rlformer.data.info import DatasetInfo

LOCK = ".lock"  # in its folder, held by whoever writes it


def load(path: Path, *, remember: bool = False, verify: bool = False) -> Dataset:
    """Open a dataset folder, of one log or of shards; the arrays stay on disk until they are read.

    Where the sizes or times of the arrays are not those of when they were last found right, all is read once and must
    be what was written. remember: keep that they were found right, for the next opening. verify: read all in any case.
    Raises InputError, which names the file, where the folder is none, is unfinished, was written by another version,
    or a file is damaged.
    """
    if (path / listing.SHARDS).is_file():
        return _load_shards(path, remember, verify)
    if not (path / "dataset.json").is_file():
        if (path / "progress.json").is_file():
            raise InputError(f"{path}: an unfinished dataset; run the command that makes it again")
        raise InputError(f"{path}: not a dataset (no dataset.json in it)")
    data = files.read_json(path / "dataset.json")
    if data.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema {data.get('schema')!r}, this version reads '{SCHEMA}'; make the log again")
    try:
        info = DatasetInfo.from_dict(data)
        steps, episodes = info.num_steps, info.num_episodes
        forms = array_forms(info.spaces, steps, episodes)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path / 'dataset.json'}: a damaged dataset: {missing}; {MEND}") from error
    arrays = {name: open_array(path / f"{name}.npy", *forms[name]) for name in ARRAYS[1:]}
    arrays = {ARRAYS[0]: _observations(path, info, forms[ARRAYS[0]]), **arrays}
    arrays["episodes"] = np.array(arrays["episodes"])  # small, and read all the time
    if (total := int(arrays["episodes"]["length"].sum())) != steps:
        raise InputError(f"{path}: a damaged dataset: {total} steps in episodes, dataset.json says {steps}")
    checking.check_description(path, data)
    stamp = checking.stamp_of(path)
    if verify or not checking.is_stamped(path, stamp, data):
        checking.verify(path, data, info.spaces, arrays)
    if remember or verify:
        checking.remember(path, stamp, data)
    stored, actions, rewards, rows = (arrays[name] for name in ARRAYS)
    observations = rebuilt(stored, info.spaces.observation, firsts(rows))
    return Dataset(info, observations, actions, rewards, rows, index=np.arange(episodes), path=path)


def _observations(path: Path, info: DatasetInfo, form: tuple[tuple[int, ...], np.dtype[Any]]) -> Array:
    """As they are kept, in the form of this version; or of one that knew no rows of bytes."""
    file, seen = path / f"{ARRAYS[0]}.npy", info.spaces.observation
    try:
        return open_array(file, *form)
    except InputError:
        if not seen.packed:
            raise
        with suppress(InputError):
            return open_array(file, (form[0][0], *seen.shape), seen.dtype)
        raise


def _load_shards(path: Path, remember: bool, verify: bool) -> Dataset:
    """See `load`; the message names the shard too."""
    found, lines = [], listing.listed(path)
    for place, line in enumerate(lines, 1):
        try:
            found.append(_load_shard(path / line.path, remember, verify))
            line.check(found[-1].info)
        except InputError as error:
            raise InputError(f"{path}: shard {place} of {len(lines)}: {error}") from error
    return join(found, path)


def _load_shard(path: Path, remember: bool, verify: bool) -> Dataset:
    if (path / listing.SHARDS).is_file():
        raise InputError(f"{path}: has shards itself; rlformer data join lists those")
    if not path.is_dir():
        raise InputError(f"{path} is missing: {MEND}")
    return load(path, remember=remember, verify=verify)


def set_aside_damaged(path: Path) -> None:
    """Move a finished dataset of which a file is damaged out of the way, as PATH.damaged-N; nothing is deleted.

    Raises files.Busy where another process makes it anew already.
    """
    if not _is_damaged(path):
        return
    with suppress(FileNotFoundError), files.locked(path / LOCK, "dataset"):
        if _is_damaged(path):  # still: another process may have been faster
            files.set_aside(path)


def _is_damaged(path: Path) -> bool:
    """Whether a finished dataset stands there of which a file is damaged."""
    try:
        if listing.exists(path):
            load(path, remember=True)
    except InputError:
        return True
    return False
