"""Files that are never half written."""

from __future__ import annotations

import fcntl
import glob
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tomli_w

from rlformer.core import untrusted
from rlformer.core.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A sibling to write; it takes the place of `path` at once when the block ends without an error.

    Siblings that writers of the same file left behind when they were killed on this machine are removed.
    """
    start = f".{path.name}.{os.uname().nodename}."  # processes of other machines have numbers of their own
    temporary = path.with_name(f"{start}{os.getpid()}.tmp")
    for other in path.parent.glob(f"{glob.escape(start)}*.tmp"):
        pid = other.name.removeprefix(start).removesuffix(".tmp")
        if pid.isdecimal() and not _alive(int(pid)):
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


def _alive(pid: int) -> bool:
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


def writable_directory(path: Path) -> Path:
    """The directory, made if need be. Raises InputError where it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (NotADirectoryError, FileExistsError) as error:
        raise InputError(f"{path}: a file stands where a folder is needed") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    return path


@contextmanager
def locked(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on a file; the operating system frees it when the process dies, however it dies.

    Raises InputError where another process holds it, unless `wait` says to stand in line. `what` the lock
    guards ("run", "dataset") is for the message.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise InputError(f"{path.parent}: another process ({owner}) is working on this {what}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def slug(name: str) -> str:
    """A name as one path component.

    >>> slug("rlformer:rlformer/KeyDoor-v0"), slug("CartPole-v1"), slug("../x")
    ('rlformer-rlformer-KeyDoor-v0', 'CartPole-v1', 'x')
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)
    return safe.strip(".-") or "unnamed"
