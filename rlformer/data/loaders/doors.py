"""From what a user types to a dataset: ours, Minari's, an HDF5 file, or an NPZ file.

A foreign log is imported once, below `datasets/`, under a name that holds a hash of its contents and of the
environment it was read for; whoever names it again gets the import.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import Dataset, check_spaces, load
from rlformer.data.loaders import foreign, minari
from rlformer.data.loaders.foreign import ForeignLog, Native, Progress
from rlformer.data.loaders.hdf5 import open_hdf5
from rlformer.data.loaders.npz import open_npz
from rlformer.envs import environments

_SIGNATURES: dict[bytes, Callable[[Path, Native | None], ForeignLog]] = {
    b"\x89HDF\r\n\x1a\n": open_hdf5,
    b"PK\x03\x04": open_npz,
}
_KINDS = "a dataset folder, a Minari id or folder, an HDF5 file (D4RL, d3rlpy), or an NPZ of expert episodes"


def open_data(
    text: str, root: Path = Path("datasets"), env: EnvSpec | None = None, progress: Progress | None = None
) -> Dataset:
    """The dataset that `text` names; a foreign log is imported below `root`, or was already.

    env: gives a foreign log its action space, and its observations must fit; the spaces of a dataset of ours
    must be the environment's. Several processes may ask at once: one imports, the others wait. Raises InputError
    where `text` names no log or a broken one, or it does not fit `env`.
    """
    if _is_ours(Path(text)):
        dataset = load(Path(text))
        if env is not None:
            _check_fit(text, dataset, env)
        return dataset
    place = _locate(text, env)
    folder = root / f"{files.slug(place.name)}-{place.key[:10]}"
    if (finished := foreign.finished_import(folder, place.key)) is not None:
        return finished
    with files.locked(files.writable_directory(root) / ".lock", "import", wait=True):
        return foreign.write(place.open(), folder, place.key, progress)


def import_data(text: str, out: Path, env: EnvSpec | None = None, progress: Progress | None = None) -> Dataset:
    """A foreign log as a dataset in the folder `out`; a finished import of the same is left alone.

    Raises InputError as `open_data` does, where `text` is a dataset of ours, and where `out` holds another.
    """
    if _is_ours(Path(text)):
        raise InputError(f"{text}: already a dataset, which needs no import")
    place = _locate(text, env)
    if (finished := foreign.finished_import(out, place.key)) is not None:
        return finished
    return foreign.write(place.open(), out, place.key, progress)


@dataclass(frozen=True)
class _Place:
    """Where a foreign log lies, and the door that opens it for an environment."""

    text: str
    name: str
    path: Path
    door: Callable[[Path, Native | None], ForeignLog]
    env: Native | None

    @cached_property
    def key(self) -> str:
        """A hash of all bytes of the log, in the order of file names, and of what `env` is: 16 hex digits."""
        definition = json.dumps(self.env.definition if self.env else None, sort_keys=True)
        digest = hashlib.sha256(definition.encode())
        for path in sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]:
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def open(self) -> ForeignLog:
        """The log. Raises InputError, which names it, where it is broken or does not fit the environment."""
        try:
            return self.door(self.path, self.env)
        except InputError as error:
            raise InputError(f"{self.text}: {error}") from error


def _check_fit(text: str, dataset: Dataset, env: EnvSpec) -> None:
    spaces = environments.spaces_of(env)
    try:
        check_spaces(dataset.info, env.name, spaces)
    except InputError as error:
        raise InputError(f"{text}: {error}") from error


def _is_ours(path: Path) -> bool:
    return (path / "dataset.json").is_file() or (path / "progress.json").is_file()


def _locate(text: str, env: EnvSpec | None) -> _Place:
    path, native = Path(text), Native.of(env) if env else None
    folder = minari.find(path.parent if path.name == minari.MAIN_FILE else text)
    if folder is not None:
        return _Place(text, minari.name_of(folder), folder, minari.open_minari, native)
    if path.is_file():
        return _Place(text, path.stem, path, _door(path), native)
    if path.is_dir():
        raise InputError(f"{text}: no dataset: no dataset.json in it, and no metadata.json of Minari's")
    if minari.is_id(text):
        here = minari.datasets_path()
        raise InputError(f"Minari dataset '{text}' is not in {here}; to get it: minari download {text}")
    raise InputError(f"'{text}': no such file or folder, and no Minari id (name-v0); a log is {_KINDS}")


def _door(path: Path) -> Callable[[Path, Native | None], ForeignLog]:
    with path.open("rb") as file:
        start = file.read(8)
    for signature, door in _SIGNATURES.items():
        if start.startswith(signature):
            return door
    raise InputError(f"{path}: no dataset: by its first bytes neither HDF5 nor NPZ; a log is {_KINDS}")
