"""The folder of a log in shards while it is made: one process holds it, and it is known for an unfinished log."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA
from rlformer.data import shards as listing
from rlformer.data.folder import LOCK

_PROGRESS = "progress.json"  # what `data.folder` knows an unfinished log by


def unfinished(folder: Path) -> Mapping[str, Any] | None:
    """What the command was asked for that began a log in shards there; None: none was begun.

    Raises InputError where something else stands there, or the file is torn.
    """
    if listing.exists(folder) and not (folder / listing.SHARDS).is_file():
        raise InputError(f"{folder}: there is already a dataset; remove it or choose another --out")
    if (folder / _PROGRESS).is_file():
        made = files.read_json(folder / _PROGRESS).get("made")
        if not isinstance(made, Mapping):
            raise InputError(f"{folder}: an unfinished dataset in one piece; remove it or choose another --out")
        return made
    if folder.is_dir() and not (folder / listing.SHARDS).is_file():
        others = (entry.name for entry in folder.iterdir() if not files.is_temporary(entry.name))
        if any(name != LOCK for name in others):
            raise InputError(f"{folder}: the folder is not empty and holds no dataset")
    return None


@contextmanager
def making(folder: Path, made: Mapping[str, Any]) -> Iterator[None]:
    """Hold the folder, which says until the end of this that its log is unfinished. made: what was asked for.

    What a kill leaves is continued by the same command. Raises InputError where the folder cannot be written, and
    files.Busy where another process makes the log.
    """
    with files.locked_directory(folder, LOCK, "dataset"):
        files.clear(folder)
        files.write_json(folder / _PROGRESS, {"schema": SCHEMA, "made": dict(made)})
        yield
        (folder / _PROGRESS).unlink()
        (folder / LOCK).unlink()


def discard(folder: Path) -> None:
    """Remove the shards that were made in a folder which is held, and all else that `making` left there."""
    for shard in folder.glob("shard-*"):
        shutil.rmtree(shard)
    for name in (_PROGRESS, LOCK):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
