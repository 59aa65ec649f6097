"""The loader of HDF5 files: columns, flat or in groups, or arrays by episode, under the names of `loaders.names`.

style       layout                                          an episode ends where
D4RL        flat columns, with `timeouts`                   `terminals` or `timeouts` is set
d3rlpy 1    flat columns, with `episode_terminals`          `episode_terminals` is set
d3rlpy 2    `observations_0`, `actions_0`, ... by episode   its arrays do; tuples are `observations_0_0`, ...
robomimic   a group for each episode, below `data`          its arrays do
ManiSkill   a group for each episode, at the top            its arrays do

d3rlpy 1 may set `terminals` on an episode's last two steps: it says how an episode ended, not where. A D4RL
file without `timeouts` is cut at the environment's time limit, as D4RL's own `qlearning_dataset` cuts it.
A group of observations is a Dict. Only `next_observations`, or a row more in each episode, hold what was observed
last; without them the last observation is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rlformer.core.errors import InputError
from rlformer.data.loaders import minari, safe
from rlformer.data.loaders.base import ForeignLog, Loader, Native, file_with
from rlformer.data.loaders.flat import Columns, open_flat
from rlformer.data.loaders.groups import Group, open_groups
from rlformer.data.loaders.names import AS_NAMED, BOUNDARIES, Choice, locate, located

_COLUMNS_OF_D3RLPY = ("observations", "actions", "rewards", "terminated")


@dataclass(frozen=True)
class _Form:
    """Shape and dtype of an array that lies in the file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def open_hdf5(path: Path, env: Native | None, choice: Choice = AS_NAMED) -> ForeignLog:
    """The log in that file. Raises InputError where it is damaged, lacks a key, or does not fit `env`."""
    provenance = {"source": "hdf5", "file": path.name}
    categorical, inside = None, "/"
    with _opened(path) as file:
        groups = _episodes_of_d3rlpy(file) if "columns" in file and "num_episodes" in file else _grouped(file, choice)
        if groups is not None and (only := _columns_in(groups)) is not None:
            groups, inside = None, only
        if groups is None:
            forms = _arrays(file[inside])
            if forms.pop("discrete_action", None) is not None:
                categorical = bool(np.any(file[inside]["discrete_action"][()]))
    if groups is not None:
        return open_groups(path.name, groups, lambda: _opened(path), env, choice, provenance)
    columns = Columns(forms, lambda: _opened(path, inside))
    return open_flat(path.name, columns, env, choice, provenance, categorical=categorical)


def _arrays(group: h5py.Group) -> dict[str, _Form]:
    """Every array below a group, by its path there; links are not followed."""
    found: dict[str, _Form] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = _Form(item.shape or (), item.dtype)

    group.visititems(visit)
    return found


def _grouped(file: h5py.File, choice: Choice) -> list[Group] | None:
    """The episodes of a file that has a group for each, in the order of their numbers; None where it has not."""
    for parent in (file, file.get("data")):
        if not isinstance(parent, h5py.Group) or {"actions", "rewards"} & {*located(_direct(parent), choice)}:
            continue
        groups = []
        for name in sorted(_groups(parent), key=_natural):
            forms = _arrays(parent[name])
            places = located(list(forms), choice)
            if "actions" in places:
                base = parent[name].name.strip("/")
                steps = forms[places["actions"].columns[0]].shape[:1]
                groups.append(Group(name, {key: f"{base}/{key}" for key in forms}, steps[0] if steps else 1))
        if groups:
            return groups
    return None


def _columns_in(groups: list[Group]) -> str | None:
    """The path of a file's only group that says itself where episodes end: it holds flat columns."""
    if len(groups) != 1 or not {*BOUNDARIES} & {*locate(list(groups[0].paths))}:
        return None
    name, path = next(iter(groups[0].paths.items()))
    return path.removesuffix(f"/{name}")


def _direct(group: h5py.Group) -> list[str]:
    return [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]


def _groups(group: h5py.Group) -> list[str]:
    return [name for name in _direct(group) if group.get(name, getclass=True) is h5py.Group]


def _natural(name: str) -> list[tuple[int, str]]:
    """demo_2 before demo_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _episodes_of_d3rlpy(file: h5py.File) -> list[Group]:
    count = int(file["num_episodes"][()])
    groups = []
    for i in range(count):
        paths: dict[str, str] = {}
        for key in _COLUMNS_OF_D3RLPY:
            if f"{key}_{i}" in file:
                paths[key] = f"{key}_{i}"
                continue
            for part in range(len(file)):  # of a tuple
                if f"{key}_{i}_{part}" not in file:
                    break
                paths[f"{key}/{part}"] = f"{key}_{i}_{part}"
        missing = [f"{key}_{i}" for key in _COLUMNS_OF_D3RLPY if not any(p.split("/")[0] == key for p in paths)]
        if missing:
            raise InputError(f"no {' and no '.join(missing)} in it; num_episodes says {count}")
        groups.append(Group(f"episode {i}", paths, _steps(file, paths)))
    return groups


def _steps(file: h5py.File, paths: Mapping[str, str]) -> int:
    shape = getattr(file.get(paths.get("actions", "")), "shape", None)
    return int(shape[0]) if shape else 1


@contextmanager
def _opened(path: Path, inside: str = "/") -> Iterator[Any]:
    """The file, or a group in it; what the library raises while it is read is about the file."""
    try:
        with safe.hdf5(path) as file:
            yield file[inside]
    except (OSError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"a truncated or damaged HDF5 file ({reason})") from error


def _recognise(text: str) -> Path | None:
    """An HDF5 file, unless it is the one in which a Minari dataset keeps its episodes."""
    return None if minari.find(text) is not None else _IS_HDF5(text)


_IS_HDF5 = file_with(b"\x89HDF\r\n\x1a\n")
HDF5 = Loader(
    "hdf5",
    "an HDF5 file (D4RL, d3rlpy, robomimic)",
    _recognise,
    open_hdf5,
    suffixes=(".h5", ".hdf5"),
)
