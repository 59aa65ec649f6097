"""A folder for what libraries of this process and of its workers write for the moment: `/tmp` stays as it was.

It lies in the folder of runs and goes when the process ends. What a kill leaves there is removed by the next process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from multiprocessing.util import Finalize
from pathlib import Path

from rlformer.core import files

VARIABLE = "RLFORMER_SCRATCH"  # names the folder to the server of processes, which outlives a killed parent by a moment
_LAST = -110  # behind what multiprocessing removes itself; no child that is forked from the process does it
_SOCKET_ROOM = 75  # bytes of its path, so that a socket's below it stays within the 107 that systems allow

_made: dict[int, Path] = {}  # by process


def folder(root: Path) -> Path:
    """This process's folder below `root`; where that path is too long for sockets or not writable, in `/tmp`."""
    there = _made.get(os.getpid())
    if there is not None and there.is_dir():
        return there
    name = f".scratch.{os.uname().nodename}.{os.getpid()}.tmp"
    parents = [root.absolute(), Path(tempfile.gettempdir()), Path("/tmp")]
    for parent in parents:
        if parent.is_dir():
            _clear(parent)
    made = next((parent / name for parent in parents if _fits(parent, name)), parents[1] / name)
    made.mkdir(mode=0o700, exist_ok=True)
    _made[os.getpid()] = made
    Finalize(None, _remove, args=(made,), exitpriority=_LAST)
    return made


def _fits(parent: Path, name: str) -> bool:
    return len(os.fsencode(parent / name)) <= _SOCKET_ROOM and os.access(parent, os.W_OK | os.X_OK)


def remove_at_exit() -> None:
    """In the server of processes: remove the folder of the process that started it, once that has died."""
    path = os.environ.get(VARIABLE)
    if path and files.is_temporary(Path(path).name):
        Finalize(None, _remove, args=(Path(path),), exitpriority=_LAST)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _clear(parent: Path) -> None:
    for path in parent.glob(".scratch.*.tmp"):
        files.clear_one(path)
