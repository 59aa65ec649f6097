"""Zip files that anybody may have written: what they say of themselves is checked before anything is expanded."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rlformer.core.errors import InputError
from rlformer.core.machine import gigabytes, memory_bytes

_MOST_MEMBERS = 10_000
_LONGEST_NAME = 255  # bytes
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
# What is larger, and this many times as large as its file, was made to fill a memory: zeros alone compress so well.
_LARGE, _TIMES = 256 << 20, 200


def check_zip(path: Path, what: str = "zip file") -> list[zipfile.ZipInfo]:
    """What the zip says that it holds. what: how messages call it.

    Raises InputError, without the file's name, where it is no zip or damaged, encrypted, expands to more than fits, or
    names files outside of itself.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, EOFError) as error:
        raise InputError(f"a truncated or damaged {what} ({' '.join(str(error).split())})") from error
    if len(members) > _MOST_MEMBERS:
        raise InputError(f"a {what} of {len(members):,} members; at most {_MOST_MEMBERS:,} are allowed")
    names = [member.filename for member in members]
    for member in members:
        _check_member(member, what)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"a {what} with two members of the name '{twice[:60]}'")
    check_expansion(sum(member.file_size for member in members), path)
    return members


def check_expansion(size: int, path: Path, in_memory: bool = True) -> None:
    """Raise InputError where what lies in the file is suspiciously large, or does not fit into this machine's memory.

    size: bytes, as the file declares them. in_memory: whether all of it is read at once.
    """
    if in_memory and size > (there := memory_bytes()):
        raise InputError(f"expands to {gigabytes(size)}, and this machine has {gigabytes(there)} of memory")
    if size > _LARGE and size > _TIMES * path.stat().st_size:
        times = size // max(1, path.stat().st_size)
        raise InputError(
            f"expands to {gigabytes(size)}, {times:,} times the size of its file, as no log does; if this is intended, "
            "store it uncompressed"
        )


def _check_member(member: zipfile.ZipInfo, what: str) -> None:
    name = member.filename
    if member.flag_bits & 1:
        raise InputError(f"an encrypted {what}: decrypt it first")
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        raise InputError(f"a {what} with a name of over {_LONGEST_NAME} bytes, '{name[:40]}...'")
    if name.startswith(("/", "\\")) or ".." in Path(name.replace("\\", "/")).parts:
        raise InputError(f"a {what} with a member outside of itself, '{name[:60]}'")
    if member.compress_type not in _METHODS:
        raise InputError(f"a {what} compressed by a method that is not supported ({member.compress_type})")
