"""Opening files that anybody may have written, without following them anywhere or expanding them unchecked.

Nothing here names the file: that is added once, where a log is opened.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from rlformer.core.archives import check_expansion, check_zip
from rlformer.core.errors import InputError

_MOST_OBJECTS = 10_000_000
_FILTERS = {1, 2, 3, 4, 5, 6, 32000}  # what the library brings itself: deflate, shuffle, ..., LZF; others are plugins


@contextmanager
def hdf5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file whose data lie in it alone.

    Raises InputError where a link, a storage or a virtual dataset points out of it, where a filter is a plugin, or what
    it declares is suspiciously large for its size.
    """
    with h5py.File(path, "r") as file:
        _check_links(file)
        check_expansion(_check_datasets(file), path, in_memory=False)
        yield file


def check_hdf5(path: Path) -> None:
    """As `hdf5`, for a file that another library will open; one that cannot be opened is left to that library."""
    try:
        with hdf5(path):
            pass
    except (OSError, RuntimeError, KeyError):
        return


def check_npz(path: Path) -> None:
    """Raise InputError where an array of the NPZ is not of the size that its header says, or all are too large."""
    members = check_zip(path, "NPZ file")
    with zipfile.ZipFile(path) as archive:
        for member in members:
            if member.filename.endswith(".npy"):
                _check_array(archive, member)


def _check_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Of pickled objects the header says no size: they are refused where they are read."""
    name = member.filename.removesuffix(".npy")
    try:
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
                version
            )
            if read is None:
                raise InputError(f"{name} is not an array of numbers")
            shape, _, dtype = read(file)
            held = member.file_size - file.tell()
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} is damaged ({' '.join(str(error).split())[:160]})") from error
    said = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and (said != held or min(shape, default=0) < 0):
        raise InputError(f"{name} is damaged: its header says {said:,} bytes, and it holds {held:,}")


def _check_links(file: h5py.File) -> None:
    """Every link of the file, none of which is followed."""
    count = 0

    def wrong(name: bytes, info: h5py.h5l.LinkInfo) -> str | None:
        nonlocal count
        count += 1
        where = name.decode("utf-8", "backslashreplace")[:80]
        if info.type == h5py.h5l.TYPE_SOFT:
            return f"'{where}' is a link by name; such links of HDF5 are not followed"
        if info.type != h5py.h5l.TYPE_HARD:
            return f"'{where}' points outside of the file; such files are not read"
        return f"it holds over {_MOST_OBJECTS:,} objects; such files are not read" if count > _MOST_OBJECTS else None

    # The first answer ends the visit: the library passes no exception through.
    if (reason := file.id.links.visit(wrong, info=True)) is not None:
        raise InputError(reason)


def _check_datasets(file: h5py.File) -> int:
    """How many bytes all datasets hold, as they declare them."""
    total = 0

    def wrong(name: str, item: object) -> str | None:
        nonlocal total
        if not isinstance(item, h5py.Dataset):
            return None
        where = f"'{name[:80]}'"
        layout = item.id.get_create_plist()
        if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
            return f"{where} points outside of the file; such files are not read"
        numbers = {layout.get_filter(i)[0] for i in range(layout.get_nfilters())}
        if plugins := numbers - _FILTERS:
            return f"{where} needs the HDF5 plugin {min(plugins)}, which is not loaded: repack it without"
        total += math.prod(item.shape or (0,)) * item.dtype.itemsize
        return None

    if (reason := file.visititems(wrong)) is not None:
        raise InputError(reason)
    return total
