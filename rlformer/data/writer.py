"""Append episodes to a dataset folder; what was committed survives a kill.

The arrays grow as .npy files whose header is rewritten when the dataset is finished; `progress.json` says how much
of them is committed, so that a writer that opens an unfinished folder cuts what lies behind and goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from rlformer.data.dataset import ARRAYS, EPISODE, Dataset, DatasetInfo, check_episode, load
from rlformer.errors import InputError
from rlformer.runs import files
from rlformer.types import SCHEMA, Episode

_HEADER = 256  # bytes; the longest description with 19-digit shapes fits


class DatasetWriter:
    """Streams episodes into `path`. Raises InputError where a finished dataset stands there already."""

    def __init__(self, path: Path, info: DatasetInfo) -> None:
        if (path / "dataset.json").exists():
            raise InputError(f"{path}: a dataset stands there already; choose another --out or remove it")
        if path.is_dir() and any(path.iterdir()) and not (path / "progress.json").is_file():
            raise InputError(f"{path}: the folder is not empty and holds no dataset")
        self._path, self._info = files.writable_directory(path), info
        obs, act = info.observation_shape, info.actions
        self._dtypes: dict[str, np.dtype[Any]] = {
            "observations": np.dtype(np.float32),
            "actions": np.dtype(act.dtype),
            "rewards": np.dtype(np.float64),
            "episodes": EPISODE,
        }
        self._shapes = {"observations": obs, "actions": act.shape, "rewards": (), "episodes": ()}
        progress = self._restore()
        self.num_episodes, self.num_steps = progress["num_episodes"], progress["num_steps"]
        self.state: Mapping[str, Any] = progress["state"]  # what the caller committed with the episodes
        self._files = {name: self._open(name) for name in ARRAYS}
        self.commit(self.state)

    def add(self, episode: Episode, behaviour_steps: int = -1) -> None:
        """Append one episode; InputError, and nothing written, where it does not fit."""
        check_episode(episode, self._info, f"episode {self.num_episodes}")
        seed = -1 if episode.seed is None else episode.seed
        row = np.array([(len(episode), episode.terminated, episode.truncated, seed, behaviour_steps)], EPISODE)
        for name, values in (
            ("observations", episode.observations),
            ("actions", episode.actions),
            ("rewards", episode.rewards),
            ("episodes", row),
        ):
            self._files[name].write(np.ascontiguousarray(values, self._dtypes[name]).tobytes())
        self.num_episodes += 1
        self.num_steps += len(episode)

    def commit(self, state: Mapping[str, Any] | None = None) -> None:
        """Make what was added so far survive a kill, with `state` of the caller's beside it."""
        self.state = dict(state or {})
        for file in self._files.values():
            file.flush()
        files.write_json(
            self._path / "progress.json",
            {
                "schema": SCHEMA,
                "num_episodes": self.num_episodes,
                "num_steps": self.num_steps,
                "state": self.state,
            },
        )

    def finish(self, provenance: Mapping[str, Any] | None = None, upstream_env_steps: int | None = None) -> Dataset:
        """Close the dataset and open it for reading. Raises InputError where it is empty."""
        if self.num_episodes == 0:
            raise InputError(f"{self._path}: no episode ended, so there is nothing to keep")
        digest = hashlib.sha256()
        for name in ARRAYS:
            file = self._files[name]
            file.seek(0)
            file.write(_header(self._dtypes[name], (self._rows(name), *self._shapes[name])))
            file.flush()
            if name != "episodes":  # when an episode was made does not change what it teaches
                _hash_into(digest, file)
            file.close()
        lengths = np.load(self._path / "episodes.npy")["length"]
        digest.update(lengths.tobytes())
        info = replace(
            self._info,
            provenance={**self._info.provenance, **(provenance or {})},
            upstream_env_steps=self._info.upstream_env_steps if upstream_env_steps is None else upstream_env_steps,
            num_episodes=self.num_episodes,
            num_steps=self.num_steps,
            hash=digest.hexdigest()[:16],
        )
        files.write_json(self._path / "dataset.json", info.to_dict())
        (self._path / "progress.json").unlink()
        return load(self._path)

    def close(self) -> None:
        """Leave the dataset unfinished; a writer opened on the folder later continues behind the last commit."""
        for file in self._files.values():
            file.close()

    def rewind(self, behaviour_steps: int) -> None:
        """Drop episodes at the end that were made after `behaviour_steps`: training continues from there."""
        for file in self._files.values():
            file.flush()
        rows = np.fromfile(self._path / "episodes.npy", EPISODE, self.num_episodes, offset=_HEADER)
        kept = rows[rows["behaviour_steps"] <= behaviour_steps]
        self.num_episodes, self.num_steps = len(kept), int(kept["length"].sum())
        for name in ARRAYS:
            self._files[name].truncate(self._bytes(name))
            self._files[name].seek(0, 2)

    def _restore(self) -> dict[str, Any]:
        path = self._path / "progress.json"
        return files.read_json(path) if path.is_file() else {"num_episodes": 0, "num_steps": 0, "state": {}}

    def _rows(self, name: str) -> int:
        steps, episodes = self.num_steps, self.num_episodes
        return {"observations": steps + episodes, "actions": steps, "rewards": steps, "episodes": episodes}[name]

    def _bytes(self, name: str) -> int:
        per_row = self._dtypes[name].itemsize * int(np.prod(self._shapes[name], dtype=np.int64))
        return _HEADER + self._rows(name) * per_row

    def _open(self, name: str) -> IO[bytes]:
        path = self._path / f"{name}.npy"
        if not path.exists():
            path.write_bytes(_header(self._dtypes[name], (0, *self._shapes[name])))
        if path.stat().st_size < self._bytes(name):
            raise InputError(f"{path}: shorter than progress.json says; remove {self._path} and start again")
        file = path.open("r+b")
        file.truncate(self._bytes(name))
        file.seek(0, 2)
        return file


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """A version 1.0 .npy header of exactly _HEADER bytes, so that it can be rewritten in place."""
    descr = np.lib.format.dtype_to_descr(dtype)
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode("latin1")
    prefix = b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little")
    return prefix + text + b" " * (_HEADER - len(prefix) - len(text) - 1) + b"\n"


def _hash_into(digest: Any, file: IO[bytes]) -> None:
    file.seek(0)
    while block := file.read(1 << 22):
        digest.update(block)


