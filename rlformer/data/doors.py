"""From what a user types to a dataset: ours, Minari's, an HDF5 file, or an NPZ file.

A foreign log is imported once, below `datasets/`, under a name that holds a hash of its contents and of the
environment it was read for; whoever names it again gets the import.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rlformer.data import foreign, minari
from rlformer.data.dataset import Dataset, load
from rlformer.data.foreign import ForeignLog, Native, Progress
from rlformer.data.hdf5 import open_hdf5
from rlformer.data.npz import open_npz
from rlformer.errors import InputError
from rlformer.runs import files
from rlformer.types import EnvSpec

_SIGNATURES: dict[bytes, Callable[[Path, Native | None], ForeignLog]] = {
    b"\x89HDF\r\n\x1a\n": open_hdf5,
    b"PK\x03\x04": open_npz,
}
_KINDS = "a dataset folder, a Minari id or folder, an HDF5 file (D4RL, d3rlpy), or an NPZ of expert episodes"


def open_data(
    text: str, root: Path = Path("datasets"), env: EnvSpec | None = None, progress: Progress | None = None
) -> Dataset:
    """The dataset that `text` names; a foreign log is imported below `root`, or was already.

    env: gives a foreign log its action space, and its observations must fit; a dataset of ours is taken as it
    is. Several processes may ask at once: one imports, the others wait. Raises InputError where `text` names
    no log or a broken one.
    """
    if _is_ours(Path(text)):
        return load(Path(text))
    place = _locate(text)
    native = Native.of(env) if env else None
    key = _key(place, native)
    folder = root / f"{files.slug(place.name)}-{key[:10]}"
    if (finished := foreign.finished_import(folder, key)) is not None:
        return finished
    with files.locked(files.writable_directory(root) / ".lock", "import", wait=True):
        return foreign.write(_open(place, native, text), folder, key, progress)


def import_data(
    text: str, out: Path, env: EnvSpec | None = None, progress: Progress | None = None
) -> Dataset:
    """A foreign log as a dataset in the folder `out`. Raises InputError as `open_data` does, and where `text`
    already is a dataset of ours.
    """
    if _is_ours(Path(text)):
        raise InputError(f"{text}: already a dataset, which needs no import")
    place = _locate(text)
    native = Native.of(env) if env else None
    return foreign.write(_open(place, native, text), out, _key(place, native), progress)


@dataclass(frozen=True)
class _Place:
    """Where a foreign log lies, and the door that opens it."""

    name: str
    path: Path
    door: Callable[[Path, Native | None], ForeignLog]


def _is_ours(path: Path) -> bool:
    return (path / "dataset.json").is_file() or (path / "progress.json").is_file()


def _locate(text: str) -> _Place:
    path = Path(text)
    if path.is_file() and not (path.name == "main_data.hdf5" and minari.find(str(path.parent))):
        with path.open("rb") as file:
            start = file.read(8)
        for signature, door in _SIGNATURES.items():
            if start.startswith(signature):
                return _Place(path.stem, path, door)
        raise InputError(f"{text}: no dataset: neither HDF5 nor NPZ by its first bytes; a log is {_KINDS}")
    folder = minari.find(str(path.parent) if path.is_file() else text)
    if folder is not None:
        return _Place(_minari_name(text, folder), folder, minari.open_minari)
    if path.is_dir():
        raise InputError(f"{text}: no dataset: no dataset.json in it, and no metadata.json of Minari's")
    if minari.is_id(text):
        raise InputError(
            f"Minari dataset '{text}' is not in {minari.datasets_path()}; to get it: minari download {text}"
        )
    raise InputError(f"'{text}': no such file or folder, and no Minari id (name-v0); a log is {_KINDS}")


def _minari_name(text: str, folder: Path) -> str:
    return text if minari.is_id(text) else folder.parent.name if folder.name == "data" else folder.name


def _open(place: _Place, env: Native | None, text: str) -> ForeignLog:
    try:
        return place.door(place.path, env)
    except InputError as error:
        raise InputError(f"{text}: {error}") from error


def _key(place: _Place, env: Native | None) -> str:
    """A hash of all bytes of the log, by the order of its files' names, and of the environment's definition."""
    definition = json.dumps(env.definition if env else None, sort_keys=True)
    digest = hashlib.sha256(definition.encode())
    for path in sorted(place.path.rglob("*")) if place.path.is_dir() else [place.path]:
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
