"""Which statistics of observations (a VecNormalize of stable-baselines3) belong to a .zip, by the names of both files.

VecNormalize is saved in a file of its own, and nothing inside tells of which agent it is. Names that are in use:
`vecnormalize.pkl` or `vec_normalize.pkl` beside the .zip (stable-baselines3's documentation, the Hugging Face Hub) or
in a folder of its name (rl-baselines3-zoo), `PREFIX_vecnormalize_STEPS_steps.pkl` beside `PREFIX_STEPS_steps.zip`
(`CheckpointCallback`), and the agent's name before or behind the word. An agent without its statistics acts on numbers
that it never saw, and scores like one that never learned: where it is not plain which file is meant, a person says it.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError

FILE = "vecnormalize.pkl"
_SUFFIXES = (".pkl", ".pickle")
_STATISTICS = re.compile(r"vec_?norm(ali[sz](ed?|er|ation))?|norm(ali[sz](ed?|er|ation))")
_STEPS = re.compile(r"_?(\d+)_steps$|_steps_(\d+)$")
_OTHER = re.compile(r"replay_?buffer")  # a pickle that is known to be none
_LARGEST = 2**26  # bytes of a description
_SAYS_NOTHING = {"model", "agent", "policy", "obs", "observation", "env", "stats", "statistics"}


@dataclass(frozen=True)
class Normalization:
    """What a person says of the statistics that a .zip is read with."""

    file: Path | None = None  # these; None: those beside it whose name fits
    wanted: bool = True  # False: none, whatever lies beside it

    @classmethod
    def of(cls, given: str | Path | bool | None) -> Normalization:
        """A file; False: none; None or True: what lies beside the .zip."""
        if given is None or isinstance(given, bool):
            return cls(wanted=given is not False)
        return cls(Path(given))


@dataclass(frozen=True)
class _Name:
    """What a file's name tells, without its suffix."""

    owner: str  # of an agent, without what says nothing; "" where there is none
    steps: int | None  # of training
    statistics: bool  # whether it says that it holds some

    @classmethod
    def of(cls, path: Path) -> _Name:
        text = re.sub(r"[^a-z0-9]+", "_", path.stem.lower())
        counted = _STEPS.search(text)
        rest = text[: counted.start()] if counted else text
        found = _STATISTICS.search(rest) if path.suffix in _SUFFIXES else None
        if found:
            rest = f"{rest[: found.start()]}_{rest[found.end() :]}"
        words = [word for word in rest.split("_") if word and word not in _SAYS_NOTHING]
        steps = int(counted[1] or counted[2]) if counted else None
        return cls("_".join(words), steps, found is not None)


@dataclass(frozen=True)
class _Agent:
    """A .zip, as far as its name and its description tell."""

    path: Path
    name: _Name
    steps: int | None  # it was trained for, in its name or inside
    normalized: bool | None  # whether it was trained behind a VecNormalize; None: it does not tell

    @classmethod
    def of(cls, path: Path, data: Mapping[str, Any]) -> _Agent:
        name, inside = _Name.of(path), data.get("num_timesteps")
        steps = name.steps if name.steps is not None else inside if isinstance(inside, int) else None
        return cls(path, name, steps, trained_normalized(data))


def trained_normalized(data: Mapping[str, Any]) -> bool | None:
    """Whether the last training of this description went through a VecNormalize; None: it does not tell.

    Stable-baselines3 keeps the original observation beside the one that was read only then; off-policy always.
    """
    if not data.get("num_timesteps") or "_last_original_obs" not in data or "learning_starts" in data:
        return None
    return data["_last_original_obs"] is not None


def description(path: Path) -> dict[str, Any]:
    """What the .zip says of its agent, as JSON. Raises InputError where it is none of stable-baselines3."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo("data").file_size
            if size > _LARGEST:
                raise ValueError(f"its description would have {size:,} bytes, {_LARGEST:,} at most are read")
            found = json.loads(archive.read("data"))
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{path}: not a stable-baselines3 .zip ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: not a stable-baselines3 .zip (its 'data' is no JSON object)")
    return found


def find(path: Path, data: Mapping[str, Any]) -> Path | None:
    """The statistics that belong to this .zip, `data` being its description; None: there are none beside it.

    The most particular name wins: a folder or a file of the agent's own, the steps of a checkpoint, then what is
    called by the general name alone, which serves one agent. Raises InputError, saying how to tell, where several
    files or several agents have the same claim, and where a pickle lies beside it that no agent there claims.
    """
    agent, folder = _Agent.of(path, data), path.parent
    pickles = _pickles(folder)
    own = _own(agent, pickles)
    if own:
        return _only(path, own)
    others = [_Agent.of(zipped, described) for zipped, described in _agents(folder) if zipped.name != path.name]
    taken = {pickle for other in others for pickle in _own(other, pickles)}
    possible = _possible(agent, [pickle for pickle in pickles if pickle not in taken])
    if possible:
        rivals = [other for other in others if other.normalized is not False and not _own(other, pickles)]
        sharing = [other for other in rivals if set(possible) & set(_possible(other, possible))]
        if not sharing:
            return _only(path, possible)
        if agent.normalized is not False:
            names = ", ".join(sorted([path.name, *(other.path.name for other in sharing)]))
            raise _unclear(path, possible[0], f"{possible[0].name} is beside several agents ({names})")
    shared = [found for inner in _zoo_folders(folder) for found in _named(inner)]
    if shared and agent.normalized is not False:
        return _only(path, shared)
    unused = [one for one in pickles if one not in possible and (one not in taken or agent.normalized is not False)]
    if unused:
        raise _unclear(
            path, unused[0], f"{unused[0].name} is beside it but is not used, because its name does not match"
        )
    return None


def _own(agent: _Agent, pickles: list[Path]) -> list[Path]:
    """The files that name this agent, those that do it most exactly."""
    folder = agent.path.with_suffix("")
    inside = _named(folder) if folder.is_dir() else []
    named = [(pickle, name) for pickle in pickles if (name := _Name.of(pickle)).owner == agent.name.owner]
    levels = (
        inside,
        [pickle for pickle in pickles if pickle.stem == agent.path.stem],
        [pickle for pickle, name in named if name.statistics and name.steps == agent.steps is not None],
        [pickle for pickle, name in named if name.statistics and name.owner and name.steps == agent.name.steps],
    )
    return next((level for level in levels if level), [])


def _possible(agent: _Agent, pickles: list[Path]) -> list[Path]:
    """The statistics that name no agent, or the family of its checkpoints: first those with its number of steps."""
    named = [(pickle, name) for pickle in pickles if (name := _Name.of(pickle)).statistics]
    last = agent.name.steps is None  # the last of the checkpoints may have another name
    counted = [p for p, name in named if name.steps == agent.steps is not None and (last or not name.owner)]
    return counted or [p for p, name in named if name.steps is None and name.owner in ("", agent.name.owner)]


def _only(path: Path, found: list[Path]) -> Path:
    if len(found) > 1:
        raise _unclear(path, found[0], f"{', '.join(sorted(one.name for one in found))} could all be its statistics")
    return found[0]


def _unclear(path: Path, pickle: Path, what: str) -> InputError:
    return InputError(
        f"{path}: {what}: --normalization {pickle} if that holds its VecNormalize, --no-normalization if none does"
    )


def _pickles(folder: Path) -> list[Path]:
    found = [one for one in folder.iterdir() if one.suffix in _SUFFIXES and one.is_file()]
    return sorted(one for one in found if not _OTHER.search(one.stem.lower()))


def _named(folder: Path) -> list[Path]:
    """Files in a folder whose names say that they hold statistics."""
    return [pickle for pickle in _pickles(folder) if _Name.of(pickle).statistics]


def _zoo_folders(folder: Path) -> list[Path]:
    """Where rl-baselines3-zoo keeps what all agents of one training share."""
    return sorted(inner.parent for inner in folder.glob("*/args.yml"))


def _agents(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The other .zip files that hold agents, with their descriptions; there are others, such as of metrics."""
    found = []
    for path in sorted(folder.glob("*.zip")):
        try:
            found.append((path, description(path)))
        except InputError:
            continue
    return found
