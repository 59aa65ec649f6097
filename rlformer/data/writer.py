"""Append episodes to a dataset folder; what was committed survives a kill.

The arrays grow as .npy files whose header is rewritten when the dataset is finished; `progress.json` says how
much of them is committed, so that a writer that opens an unfinished folder cuts what lies behind and goes on.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.frames import newest
from rlformer.core.records import SCHEMA, Episode
from rlformer.data.arrays import ARRAYS, EPISODE, array_forms, content_hash
from rlformer.data.checks import check_episode
from rlformer.data.dataset import Dataset, DatasetInfo
from rlformer.data.folder import LOCK, load
from rlformer.data.shards import exists
from rlformer.data.verify import digests, stamp_of

_HEADER = 256  # bytes; the longest description with 19-digit shapes fits


class DatasetWriter:
    """Streams episodes into `path`, or goes on with an unfinished dataset there.

    As a context manager it closes itself, leaving the dataset unfinished unless `finish` was called. Raises
    InputError where a finished dataset or something else stands there already, where the unfinished one was
    begun with other spaces, or where another process is writing it.
    """

    def __init__(self, path: Path, info: DatasetInfo) -> None:
        _check_free(path)
        self._path, self._info = path, info
        self._lock = ExitStack()
        self._lock.enter_context(files.locked_directory(path, LOCK, "dataset"))
        try:
            _check_free(path)  # again: who held the lock before may have finished
            files.clear(path)
            self._begin()
        except BaseException:
            self._lock.close()
            raise

    def _begin(self) -> None:
        forms = array_forms(self._info.spaces, 0, 0)
        self._dtypes = {name: dtype for name, (_, dtype) in forms.items()}
        self._shapes = {name: shape[1:] for name, (shape, _) in forms.items()}
        progress = self._restore()
        self.num_episodes, self.num_steps = progress["num_episodes"], progress["num_steps"]
        self.state: Mapping[str, Any] = progress["state"]  # what the caller committed with the episodes
        self._files: dict[str, IO[bytes]] = {}
        self._sums = {name: progress["sums"].get(name, 0) for name in ARRAYS}  # of the bytes behind the header
        self.commit()  # first of all: a folder with this file is known for an unfinished dataset
        for name in ARRAYS:
            self._files[name] = self._open(name)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, episode: Episode, behaviour_steps: int = -1) -> None:
        """Append one episode; InputError, and nothing written, where it does not fit."""
        check_episode(episode, self._info, f"episode {self.num_episodes}")
        seed = -1 if episode.seed is None else episode.seed
        ending = (episode.terminated, episode.truncated)
        row = np.array([(len(episode), *ending, seed, behaviour_steps)], EPISODE)
        shown = newest(episode.observations, self._info.spaces.observation)
        columns = (shown, episode.actions, episode.rewards, row)
        with _naming(self._path):
            for name, values in zip(ARRAYS, columns, strict=True):
                written = np.ascontiguousarray(values, self._dtypes[name]).tobytes()
                self._files[name].write(written)
                self._sums[name] = zlib.crc32(written, self._sums[name])
        self.num_episodes += 1
        self.num_steps += len(episode)

    def commit(self, state: Mapping[str, Any] | None = None) -> None:
        """Make what was added survive a kill, with `state` of the caller's beside it (None: as it was)."""
        self.state = dict(self.state if state is None else state)
        progress = {
            "schema": SCHEMA,
            "spaces": self._info.spaces.to_dict(),
            "num_episodes": self.num_episodes,
            "num_steps": self.num_steps,
            "sums": self._sums,
            "state": self.state,
        }
        with _naming(self._path):
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())  # before progress.json counts on it
            files.write_json(self._path / "progress.json", progress)

    def finish(
        self,
        provenance: Mapping[str, Any] | None = None,
        upstream_env_steps: int | None = None,
        upstream_cpu_seconds: float | None = None,
    ) -> Dataset:
        """Close the dataset and open it for reading. Raises InputError where it is empty."""
        if self.num_episodes == 0:
            raise InputError(f"{self._path}: no episode ended, so there is nothing to keep")
        with _naming(self._path):
            for name, file in self._files.items():
                file.seek(0)
                file.write(_header(self._dtypes[name], (self._rows(name), *self._shapes[name])))
                file.flush()
                os.fsync(file.fileno())
                file.close()
        arrays = {name: np.load(self._path / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        known, seconds = self._info.upstream_env_steps, upstream_cpu_seconds
        info = replace(
            self._info,
            provenance={**self._info.provenance, **(provenance or {})},
            upstream_env_steps=upstream_env_steps if upstream_env_steps is not None else known,
            upstream_cpu_seconds=self._info.upstream_cpu_seconds if seconds is None else seconds,
            num_episodes=self.num_episodes,
            num_steps=self.num_steps,
            hash=content_hash(self._info.spaces, **arrays),
        )
        about = json.loads(json.dumps(info.to_dict()))  # as it will be read
        about |= {"digests": digests(self._path, about), "stamp": stamp_of(self._path)}
        files.write_json(self._path / "dataset.json", about)
        (self._path / "progress.json").unlink()
        (self._path / LOCK).unlink()
        self._lock.close()
        return load(self._path)

    def close(self) -> None:
        """Leave the dataset unfinished; a writer opened on it later continues behind the last commit."""
        with self._lock, _naming(self._path), ExitStack() as closing:
            for file in self._files.values():
                closing.callback(file.close)  # of all, even where one has no room for what it still holds

    def discard(self) -> None:
        """Remove the unfinished dataset: what was to be written turned out to be none."""
        for file in self._files.values():
            file.close()
        for name in (*(f"{name}.npy" for name in ARRAYS), "progress.json", LOCK):
            (self._path / name).unlink(missing_ok=True)
        self._lock.close()
        if not any(self._path.iterdir()):
            self._path.rmdir()

    def rewind(self, behaviour_steps: int) -> None:
        """Drop episodes at the end that were made after `behaviour_steps`: training continues from there."""
        for file in self._files.values():
            file.flush()
        rows = np.fromfile(self._path / "episodes.npy", EPISODE, self.num_episodes, offset=_HEADER)
        kept = rows[rows["behaviour_steps"] <= behaviour_steps]
        if len(kept) == self.num_episodes:
            return
        self.num_episodes, self.num_steps = len(kept), int(kept["length"].sum())
        self._sums = {name: self._sum(self._path / f"{name}.npy", name) for name in ARRAYS}
        self.commit()  # before the arrays are cut: they may be longer than it says, never shorter
        for name in ARRAYS:
            self._files[name].truncate(self._bytes(name))
            self._files[name].seek(0, 2)

    def _restore(self) -> dict[str, Any]:
        path = self._path / "progress.json"
        if not path.is_file():
            return {"num_episodes": 0, "num_steps": 0, "sums": {}, "state": {}}
        progress = files.read_json(path)
        if progress.get("schema") != SCHEMA:
            raise InputError(f"{path}: schema {progress.get('schema')!r}, this version writes '{SCHEMA}'")
        if progress.get("spaces") != self._info.spaces.to_dict():  # cutting arrays of another shape would destroy them
            raise InputError(f"{self._path}: unfinished, of other spaces; remove it or choose another --out")
        counts = [progress.get(name) for name in ("num_episodes", "num_steps")]
        whole = all(type(count) is int and count >= 0 for count in counts)
        if not whole or not all(isinstance(progress.get(name), dict) for name in ("sums", "state")):
            raise InputError(f"{path}: damaged: not what a writer keeps; {self._again}")
        return progress

    def _rows(self, name: str) -> int:
        steps, episodes = self.num_steps, self.num_episodes
        return {"observations": steps + episodes, "episodes": episodes}.get(name, steps)

    def _bytes(self, name: str) -> int:
        per_row = self._dtypes[name].itemsize * int(np.prod(self._shapes[name], dtype=np.int64))
        return _HEADER + self._rows(name) * per_row

    def _open(self, name: str) -> IO[bytes]:
        path = self._path / f"{name}.npy"
        if self.num_episodes == 0:
            path.write_bytes(_header(self._dtypes[name], (0, *self._shapes[name])))
        if path.is_file():
            self._check_form(path, name)
        if not path.is_file() or path.stat().st_size < self._bytes(name):
            raise InputError(f"{path}: shorter than progress.json says; {self._again}")
        if self._sum(path, name) != self._sums[name]:
            raise InputError(f"{path}: damaged: its content is not what was written; {self._again}")
        file = path.open("r+b")
        file.truncate(self._bytes(name))
        file.seek(0, 2)
        return file

    def _check_form(self, path: Path, name: str) -> None:
        """Raise InputError where an array was begun in another form: former versions kept all parts in one type."""
        with path.open("rb") as file:
            try:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            except Exception:  # a damaged header makes numpy's reader raise whatever it likes: the sum tells of it
                return
        if (dtype, shape[1:]) != (self._dtypes[name], self._shapes[name]):
            raise InputError(
                f"{path}: unfinished, begun by another version of rlformer, which keeps rows of {shape[1:]} {dtype}, "
                f"this one of {self._shapes[name]} {self._dtypes[name]}; {self._again}"
            )

    @property
    def _again(self) -> str:
        return f"remove {self._path} and start again"

    def _sum(self, path: Path, name: str) -> int:
        """Of what is committed of an array."""
        left, found = self._bytes(name) - _HEADER, 0
        with path.open("rb") as file:
            file.seek(_HEADER)
            while left > 0 and (read := file.read(min(left, 1 << 20))):
                found, left = zlib.crc32(read, found), left - len(read)
        return found


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An error of the operating system, such as a full disk, says where it happened."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """A version 1.0 .npy header of exactly _HEADER bytes, so that it can be rewritten in place."""
    descr = np.lib.format.dtype_to_descr(dtype)
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode("latin1")
    prefix = b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little")
    return prefix + text + b" " * (_HEADER - len(prefix) - len(text) - 1) + b"\n"


def _check_free(path: Path) -> None:
    """Raise InputError unless `path` is nothing yet, empty, or an unfinished dataset.

    What a writer leaves that is killed before its first commit is nothing yet.
    """
    if exists(path):
        raise InputError(f"{path}: there is already a dataset; remove it or choose another --out")
    if not path.is_dir() or (path / "progress.json").is_file():
        return
    if any(entry.name != LOCK and not files.is_temporary(entry.name) for entry in path.iterdir()):
        raise InputError(f"{path}: the folder is not empty and holds no dataset")


def tidy(path: Path) -> None:
    """Remove what a writer left that was killed when its dataset had been finished."""
    left = [path / name for name in ("progress.json", LOCK) if (path / name).exists()]
    with suppress(OSError):  # of a folder that may only be read
        if left and files.is_free(path / LOCK):
            for file in left:
                file.unlink(missing_ok=True)
        files.clear(path)
