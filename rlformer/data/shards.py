"""A log in shards: a folder whose `shards.json` lists logs that are read as one, in this order.

    shards.json      {"schema", "made", "shards": [{"path", "num_episodes", "num_steps", "hash"}, ...]}
    shard-0000/ ...  each a complete log of its own; a path may also lead elsewhere, relative to the folder

`made` is what the command that listed them was asked for, so that the same one leaves them alone.

The log's hash follows from the hashes of its shards, so that nothing of them is read for it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA
from rlformer.data.arrays import MEND

if TYPE_CHECKING:
    from rlformer.data.dataset import Dataset
    from rlformer.data.info import DatasetInfo

SHARDS = "shards.json"
ONE_LOG = "dataset.json"
_OF_ONE = ("episodes", "steps", "first_episode")  # what a collected shard says of its size and place


@dataclass(frozen=True)
class Shard:
    """A line of `shards.json`."""

    path: str  # relative to the folder
    num_episodes: int
    num_steps: int
    hash: str

    @classmethod
    def of(cls, dataset: Dataset, folder: Path) -> Shard:
        """That of a log on disk."""
        assert dataset.path is not None
        path = os.path.relpath(dataset.path.resolve(), folder.resolve())
        return cls(path, dataset.info.num_episodes, dataset.info.num_steps, dataset.info.hash)

    def check(self, info: DatasetInfo) -> None:
        """Raise InputError where another log lies there now."""
        listed = (self.num_episodes, self.num_steps, self.hash)
        if (info.num_episodes, info.num_steps, info.hash) != listed:
            raise InputError(
                f"{self.path} is another log than the one that was listed: {info.num_episodes} episodes, "
                f"{info.num_steps} steps, hash {info.hash}, but {SHARDS} says {', '.join(map(str, listed))}; {MEND}"
            )


def exists(path: Path) -> bool:
    """Whether a finished log of ours lies there, in one piece or in shards."""
    return (path / ONE_LOG).is_file() or (path / SHARDS).is_file()


def write(folder: Path, shards: Sequence[Dataset], made: Mapping[str, Any] | None = None) -> None:
    """List logs that lie on disk, in this order. made: what was asked for, JSON-ready."""
    lines = [asdict(Shard.of(shard, folder)) for shard in shards]
    files.write_json(folder / SHARDS, {"schema": SCHEMA, "made": dict(made or {}), "shards": lines})


def made_by(folder: Path) -> Mapping[str, Any]:
    """What the command that listed the shards was asked for. Raises InputError where the list is torn."""
    made = files.read_json(folder / SHARDS).get("made")
    return made if isinstance(made, Mapping) else {}


def folder_of(folder: Path, number: int) -> Path:
    """Where a shard lies that is made for the log, counted from 0."""
    return folder / f"shard-{number:04d}"


def listed(folder: Path) -> list[Shard]:
    """What the folder lists. Raises InputError where that is no list of shards, or is empty."""
    path = folder / SHARDS
    data = files.read_json(path)
    if data.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema {data.get('schema')!r}, this version reads '{SCHEMA}'; make the log again")
    found = data.get("shards")
    if not isinstance(found, list):
        raise InputError(f"{path}: damaged: no list of shards; {MEND}")
    if not found:
        raise InputError(f"{path}: no shards: a log has one at least")
    return [_shard(path, place, line) for place, line in enumerate(found, 1)]


def _shard(path: Path, place: int, line: object) -> Shard:
    kinds = {"path": str, "num_episodes": int, "num_steps": int, "hash": str}
    if not isinstance(line, Mapping) or {*line} != {*kinds}:
        raise InputError(f"{path}: damaged: shard {place} has not {', '.join(kinds)}; {MEND}")
    for key, kind in kinds.items():
        if type(line[key]) is not kind or (kind is int and line[key] < 1):
            raise InputError(f"{path}: damaged: {key} {line[key]!r} of shard {place}; {MEND}")
    return Shard(**line)


def combined_hash(hashes: Iterable[str]) -> str:
    """Of the log that has shards of these hashes, in this order: 16 hex digits."""
    return hashlib.sha256("\n".join(["shards", *hashes]).encode()).hexdigest()[:16]


def check_alike(shards: Sequence[Dataset]) -> None:
    """Raise InputError, naming the folder, where one is not of the first one's task, or is there twice."""
    seen: dict[str, Dataset] = {}
    for shard in shards:
        _check_same_task(shards[0], shard)
        made = json.dumps([shard.info.hash, _plain(shard.info.provenance)], sort_keys=True)
        for key in (made, str(shard.path and shard.path.resolve())):
            if key in seen:
                raise InputError(f"{shard.path}: the same log as {seen[key].path}: a shard twice")
        seen |= {made: shard, str(shard.path and shard.path.resolve()): shard}


def _check_same_task(first: Dataset, other: Dataset) -> None:
    one, two = first.info, other.info
    where = f"{other.path}: does not belong to one log with {first.path}: "
    if one.env != two.env:
        raise InputError(f"{where}it is of environment {two.env or 'unknown'}, not {one.env or 'unknown'}")
    if one.spaces != two.spaces:
        raise InputError(f"{where}it has {two.spaces.describe()}, not {one.spaces.describe()}")
    if one.env_definition and two.env_definition and one.env_definition != two.env_definition:
        raise InputError(f"{where}its environment '{two.env}' is defined differently (arguments, wrappers)")
    columns = [info.provenance.get("reward_column") for info in (one, two)]
    if columns[0] != columns[1]:
        names = ["its only one" if column is None else f"column {column}" for column in columns]
        raise InputError(f"{where}its rewards are {names[1]}, not {names[0]}")


def combined_provenance(infos: Sequence[DatasetInfo]) -> dict[str, Any]:
    """What all of them say alike, but for what only one shard is; and the notes and keys of imports of each."""
    first = infos[0].provenance
    shared = {
        key: value
        for key, value in first.items()
        if key not in _OF_ONE and all(key in info.provenance and info.provenance[key] == value for info in infos)
    }
    notes = list(dict.fromkeys(str(note) for info in infos for note in info.provenance.get("notes", ())))
    imports = [str(info.provenance["import"]) for info in infos if "import" in info.provenance]
    return {
        **{"source": "several logs", **shared},
        **({"notes": notes} if notes else {}),
        **({"import": combined_hash(imports)} if imports else {}),
        "shards": len(infos),
    }


def _plain(provenance: Mapping[str, Any]) -> Any:
    """As JSON, which is what is compared."""
    return json.loads(json.dumps(dict(provenance), default=str))


def maker_of(info: DatasetInfo) -> str | None:
    """What tells the policy that made a log from every other; None where the log does not say it.

    A training's own log and what its agent played later have one maker.
    """
    made = info.provenance
    policy = made.get("behaviour_policy")
    maker = policy if isinstance(policy, Mapping) else made
    spec = maker.get("spec_hash") or maker.get("spec")
    if spec is not None:
        return f"{spec}/{maker.get('seed')}"
    if policy is not made and isinstance(policy, Mapping):
        return json.dumps(
            {key: value for key, value in policy.items() if key != "sampled"}, sort_keys=True, default=str
        )
    return None


def steps_behind(views: Sequence[Dataset]) -> list[int] | None:
    """How many environment steps each of these logs adds to those behind the logs before it; None where one is unknown.

    The steps of a maker are counted once, those that it played in each log.
    """
    counted: dict[str, int] = {}
    added = []
    for place, view in enumerate(views):
        steps = view.upstream_env_steps
        if steps is None:
            return None
        played = view.num_steps if isinstance(view.info.provenance.get("behaviour_policy"), Mapping) else 0
        maker = maker_of(view.info) or f"unknown {place}"
        made, before = max(0, steps - played), counted.get(maker, 0)
        counted[maker] = max(made, before)
        added.append(counted[maker] - before + min(steps, played))
    return added
