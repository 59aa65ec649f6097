"""Files that are never half written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

import tomli_w

from rlformer.core import untrusted
from rlformer.core.errors import InputError

DRIVER = "driver.json"  # of the one that hands work out in a folder; what it and its workers say stands in .driver-*
_GRACE = 0.25  # seconds in which somebody who only looked at a lock, or is just dying, has let go of it
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # of a file system on which nothing is locked


class Busy(InputError):
    """Another process holds a lock; `path` is the lock's file."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message, path)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A sibling to write; it takes the place of `path` at once when the block ends without an error.

    Siblings that writers of the same file left behind when they were killed on this machine are removed.
    """
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")
    for other in path.parent.glob(".*.tmp"):
        if _left_behind(other.name) == path.name:
            other.unlink(missing_ok=True)
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        if temporary.stat().st_mode != mode:  # some writers leave files that their owner alone may read
            with suppress(OSError):  # of file systems without modes
                temporary.chmod(mode)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove what writers below a folder left behind when they were killed on this machine."""
    for path in folder.rglob(".*"):
        clear_one(path)


def clear_one(path: Path) -> None:
    """Remove a temporary file or folder that a killed process of this machine left; nothing else."""
    if _left_behind(path.name) is None:
        return
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one that a writer here makes and removes again, of whatever process."""
    return name == DRIVER or (
        name.startswith(".") and (name.endswith(".tmp") or name.startswith((".probe-", ".driver-")))
    )


def _left_behind(name: str) -> str | None:
    """Of which file a dead process of this machine wrote the temporary sibling `name`; None: it is none."""
    if name.startswith(".probe-"):  # of former versions
        head, pid = "", name.removeprefix(".probe-")
    elif name.startswith(".") and name.endswith(".tmp"):
        start, _, pid = name[1:-4].rpartition(".")
        node = f".{os.uname().nodename}"  # processes of other machines have numbers of their own
        if not start.endswith(node):
            return None
        head = start.removesuffix(node)
    else:
        return None
    return head if pid.isdecimal() and not alive(int(pid)) else None


def alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file atomically. Not-a-number is an error: JSON has none."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_toml(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a TOML file atomically."""
    write_text(path, tomli_w.dumps(value))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises InputError where the file is absent or torn."""
    return untrusted.json_object(path)


def read_toml(path: Path) -> dict[str, Any]:
    """A table of TOML. Raises InputError where the file is absent or torn."""
    return untrusted.toml_table(path)


def writable_directory(path: Path) -> Path:
    """The directory, made if need be. Raises InputError where it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (NotADirectoryError, FileExistsError) as error:
        raise InputError(f"{path}: there is a file where a folder is needed") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):  # nothing is made to find out: a kill would leave it
        raise InputError(f"{path}: cannot be written: no permission, or the file system is read-only")
    return path


@contextmanager
def locked(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on a file; the operating system frees it when the process dies, however it dies.

    Raises Busy where another process holds it, unless `wait` says to stand in line. `what` the lock guards ("run",
    "dataset") is for the message.
    """
    until = time.monotonic() + _GRACE
    while True:
        with path.open("a+") as file:
            if _take(file, wait):
                if not _is(file, path):
                    continue  # who held it has removed or moved it: that one guards nothing
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                yield
                return
            if time.monotonic() >= until:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise Busy(f"{path.parent}: another process ({owner}) is working on this {what}", path)
        time.sleep(0.02)


@contextmanager
def locked_directory(folder: Path, lock: str, what: str) -> Iterator[None]:
    """Hold the lock of that name in a folder, which is made if need be; another process may just have moved it away.

    Raises as `writable_directory` and `locked` do.
    """
    with ExitStack() as held:
        for last in (*[False] * 9, True):
            try:
                held.enter_context(locked(writable_directory(folder) / lock, what))
                break
            except FileNotFoundError:
                if last:
                    raise
        yield


def set_aside(path: Path) -> Path:
    """Move what is damaged out of the way, as PATH.damaged-N, and say where it is now; nothing is deleted."""
    places = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    return path.rename(next(place for place in places if not place.exists()))


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock of this file at the moment."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def lockable(folder: Path) -> bool:
    """Whether files of this folder can be locked: those of some network file systems cannot."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    finally:
        os.close(handle)
    return True


def _take(file: IO[str], wait: bool) -> bool:
    """Where nothing can be locked one driver has the study: see `studies.executors.lease`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is(file: IO[str], path: Path) -> bool:
    """Whether the open file is still the one that stands at this path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def slug(name: str) -> str:
    """A name as one path component.

    >>> slug("rlformer:rlformer/KeyDoor-v0"), slug("CartPole-v1"), slug("../x")
    ('rlformer-rlformer-KeyDoor-v0', 'CartPole-v1', 'x')
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)
    return safe.strip(".-") or "unnamed"
