"""The loader of NPZ files: flat columns under the names of `loaders.names`.

style                 an episode ends where
D4RL's names          `terminals` or `timeouts` is set
stable-baselines 2    the next of `episode_starts` is; nothing says how it came about
imitation             `indices` says that the next begins; `obs` has a row more in each, `terminal` one flag for each

An episode whose end is marked but not told, as by `episode_starts` or `dones`, was truncated if it is as long as
the environment's time limit and terminated if shorter; where the environment is not known, neither is claimed.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.data.loaders import safe
from rlformer.data.loaders.base import ForeignLog, Loader, Native, file_with
from rlformer.data.loaders.flat import Columns, check_needed, open_flat
from rlformer.data.loaders.names import AS_NAMED, Choice, locate


def open_npz(path: Path, env: Native | None, choice: Choice = AS_NAMED) -> ForeignLog:
    """The log in that file. Raises InputError where it is damaged, lacks a key, or does not fit `env`."""
    features = env.feature_names if env else ()
    arrays, held = _read(path, choice, features)
    provenance = {"source": "npz", "file": path.name}
    return open_flat(path.name, Columns.of(arrays), env, choice, provenance, held=held)


def _read(path: Path, choice: Choice, features: tuple[str, ...]) -> tuple[dict[str, Array], list[str]]:
    """The arrays that are used, and the names of all; pickles among the others, as imitation's `infos`, stay closed."""
    safe.check_npz(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            places = locate(file.files, choice, features)
            check_needed(places, file.files)
            used = [name for found in places.values() for name in found.columns]
            return {name: _array(file, name) for name in used}, list(file.files)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"a truncated or damaged NPZ file ({' '.join(str(error).split())})") from error


def _array(file: np.lib.npyio.NpzFile, name: str) -> Array:
    try:
        return np.asarray(file[name])
    except ValueError as error:
        raise InputError(f"{name} cannot be read without unpickling, which is never done ({error})") from error


NPZ = Loader("npz", "an NPZ of flat columns", file_with(b"PK\x03\x04"), open_npz, suffixes=(".npz",))
