"""A log of trajectories as flat memory-mapped arrays: the one form that everything else reads.

A dataset is a folder. S steps in E episodes:

    observations.npy  (S + E, *obs)           each episode's T + 1 rows in a row: the final one included; in the
                                              environment's own dtype; of images of several frames the newest
                                              frame alone (`core.frames`)
    actions.npy       (S, *act)               int64, or float32 for Box
    rewards.npy       (S,) float64
    episodes.npy      (E,) records            length, terminated, truncated, seed, behaviour_steps
    dataset.json                              spaces, provenance, hash, schema version; see `data.verify`
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.frames import Frames, newest, rebuilt
from rlformer.core.records import SCHEMA, Cost, Episode
from rlformer.core.spaces import ActionSpec, Array, Spaces
from rlformer.data import verify as checking
from rlformer.data.arrays import ARRAYS, EPISODE, array_forms, content_hash
from rlformer.data.checks import check_episode
from rlformer.runs.inputs import Recipe

LOCK = ".lock"  # in its folder, held by whoever writes it


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a log besides its numbers; `dataset.json`."""

    env: str | None  # a card's name or a Gymnasium id
    spaces: Spaces
    provenance: Mapping[str, Any] = field(default_factory=dict)  # source, behaviour policy, versions
    final_observations: bool = True  # False: the source had none, the last row repeats the one before
    upstream_env_steps: int | None = None  # all environment steps behind the log; None: unknown
    env_definition: Mapping[str, Any] = field(default_factory=dict)
    upstream_cpu_seconds: float | None = None  # of those who made it, where they are not the run that it lies in
    hash: str = ""
    num_episodes: int = 0
    num_steps: int = 0

    def __post_init__(self) -> None:
        for name in ("num_episodes", "num_steps", "upstream_env_steps"):
            number = getattr(self, name)
            if type(number) is not int and not (name == "upstream_env_steps" and number is None):
                raise TypeError(f"{name}: a whole number expected, not {number!r}")
            if number is not None and number < 0:
                raise ValueError(f"{name}: {number} is negative")
        seconds = self.upstream_cpu_seconds
        if seconds is not None and (type(seconds) not in (int, float) or not 0 <= seconds < math.inf):
            raise ValueError(f"upstream_cpu_seconds: {seconds!r} is no amount")
        for name, kind in (("env", str | None), ("hash", str), ("final_observations", bool)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name}: {getattr(self, name)!r} is no such value")
        for name in ("provenance", "env_definition"):
            if not isinstance(getattr(self, name), Mapping):
                raise TypeError(f"{name}: an object expected, not {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        seconds = self.upstream_cpu_seconds
        return {
            "schema": SCHEMA,
            "env": self.env,
            "env_definition": dict(self.env_definition),
            "spaces": self.spaces.to_dict(),
            "final_observations": self.final_observations,
            "upstream_env_steps": self.upstream_env_steps,
            **({} if seconds is None else {"upstream_cpu_seconds": seconds}),
            "provenance": dict(self.provenance),
            "num_episodes": self.num_episodes,
            "num_steps": self.num_steps,
            "hash": self.hash,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DatasetInfo:
        """The inverse of `to_dict`."""
        known = {k: v for k, v in data.items() if k not in ("schema", "digests", "stamp")}
        return cls(**{**known, "spaces": Spaces.from_dict(known["spaces"])})

    @property
    def actions(self) -> ActionSpec:
        """The action space."""
        return self.spaces.actions

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Of one stored observation."""
        return self.spaces.observation.shape


@dataclass(frozen=True, eq=False)
class Dataset:
    """Episodes of a log. `select` and its kin return views: another list of episodes over the same arrays."""

    info: DatasetInfo
    observations: Array | Frames = field(repr=False)  # (S + E, *obs)
    actions: Array = field(repr=False)  # (S, *act)
    rewards: Array = field(repr=False)  # (S,)
    episodes: Array = field(repr=False)  # (E,) of EPISODE, all that the arrays hold
    index: Array = field(repr=False)  # (n,) which of them this view holds, in its order
    selection: str = ""  # how the view was chosen, in words; "" is everything
    recipe: Recipe = field(default_factory=Recipe)  # how it was made and cut, alike for every seed of a study
    path: Path | None = None

    @property
    def num_episodes(self) -> int:
        """Episodes in this view."""
        return len(self.index)

    @cached_property
    def lengths(self) -> Array:
        """(n,) steps of each episode."""
        return np.asarray(self.episodes["length"][self.index])

    @cached_property
    def num_steps(self) -> int:
        """Steps in this view."""
        return int(self.lengths.sum())

    @cached_property
    def starts(self) -> Array:
        """(n,) row of each episode's first step in `actions` and `rewards`."""
        return (np.cumsum(self.episodes["length"]) - self.episodes["length"])[self.index]

    @cached_property
    def observation_starts(self) -> Array:
        """(n,) row of each episode's first observation: each episode before it has a row more than steps."""
        return self.starts + self.index

    @cached_property
    def returns(self) -> Array:
        """(n,) undiscounted return of each episode."""
        return self.episode_sums(self.rewards)

    def episode_sums(self, values: Array) -> Array:
        """(n,) float64: the sum over each episode's steps of `values` (S,), which belong to the rows of `rewards`."""
        starts = np.cumsum(self.episodes["length"]) - self.episodes["length"]
        sums = np.add.reduceat(values, starts, dtype=np.float64) if len(self.episodes) else np.zeros(0)
        return np.asarray(sums[self.index])

    @property
    def hash(self) -> str:
        """Identifies the numbers of this view."""
        if not self.selection:
            return self.info.hash
        digest = hashlib.sha256(self.info.hash.encode())
        digest.update(np.ascontiguousarray(self.index, np.int64).tobytes())
        return digest.hexdigest()[:16]

    @property
    def upstream_env_steps(self) -> int | None:
        """All environment steps behind the episodes of this view; None where unknown.

        For a prefix of a training log these are the steps of that training up to the prefix's end; for a part of a
        collected one the episodes left out had not been needed.
        """
        behind = self.episodes["behaviour_steps"][self.index]
        if self.selection and len(behind) and (behind >= 0).all():
            return int(behind.max())
        if not self.selection or self.info.upstream_env_steps is None:
            return self.info.upstream_env_steps
        return self.info.upstream_env_steps - (self.info.num_steps - self.num_steps)

    @property
    def cost(self) -> Cost:
        """What a learner pays that reads this view."""
        return Cost(logged_steps=self.num_steps, upstream_env_steps=self.upstream_env_steps)

    def __len__(self) -> int:
        return self.num_episodes

    def __getitem__(self, i: int) -> Episode:
        """Episode i of this view; its arrays are views of the flat ones."""
        start, first, length = int(self.starts[i]), int(self.observation_starts[i]), int(self.lengths[i])
        row = self.episodes[self.index[i]]
        return Episode(
            self.observations[first : first + length + 1],
            self.actions[start : start + length],
            self.rewards[start : start + length],
            bool(row["terminated"]),
            bool(row["truncated"]),
            None if row["seed"] < 0 else int(row["seed"]),
        )

    def __iter__(self) -> Iterator[Episode]:
        return (self[i] for i in range(len(self)))

    def select(self, positions: Array, why: str) -> Dataset:
        """The episodes at these positions of this view. `why` says how they were chosen."""
        chosen = f"{self.selection}, {why}" if self.selection else why
        return replace(self, index=self.index[positions], selection=chosen)

    def prefix(self, env_steps: int) -> Dataset:
        """The episodes that had ended when the behaviour policy had taken `env_steps` training steps.

        Raises InputError where the log does not say when its episodes were made.
        """
        behind = self.episodes["behaviour_steps"][self.index]
        if (behind < 0).any():
            raise InputError("no prefix: this log does not say at which training step its episodes were made")
        return self.select(np.flatnonzero(behind <= env_steps), f"prefix of {env_steps} training steps")

    def some(self, num_steps: int, rng: np.random.Generator) -> Dataset:
        """Whole episodes drawn at random, as many as together have at most `num_steps` steps, one at least.

        With the same stream a smaller number of steps takes a part of what a larger one takes.
        """
        order = rng.permutation(len(self))
        count = max(1, int(np.searchsorted(np.cumsum(self.lengths[order]), num_steps, side="right")))
        return self.select(np.sort(order[:count]), f"{count} episodes drawn at random")

    def top(self, fraction: float) -> Dataset:
        """The best `fraction` of the episodes by return, one at least; ties go to the earlier episode."""
        count = max(1, round(fraction * len(self)))
        best = np.argsort(-self.returns, kind="stable")[:count]
        return self.select(np.sort(best), f"best {100 * fraction:g} % of episodes")

    def split(self, held_out: float, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
        """Whole episodes drawn at random into (training, held out); one at least on each side.

        Raises InputError where there are fewer than two episodes.
        """
        if len(self) < 2:
            raise InputError(f"{len(self)} episode(s) do not split into a training and a held-out part: two at least")
        count = min(max(1, round(held_out * len(self))), len(self) - 1)
        order = rng.permutation(len(self))
        training, rest = np.sort(order[count:]), np.sort(order[:count])
        return self.select(training, "training part"), self.select(rest, "held out")


def load(path: Path, *, remember: bool = False, verify: bool = False) -> Dataset:
    """Open a dataset folder; the arrays stay on disk until they are read.

    Where the sizes or times of the arrays are not those of when they were last found right, all is read once and must
    be what was written. remember: keep that they were found right, for the next opening. verify: read all in any case.
    Raises InputError, which names the file, where the folder is none, is unfinished, was written by another version,
    or a file is damaged.
    """
    if not (path / "dataset.json").is_file():
        if (path / "progress.json").is_file():
            raise InputError(f"{path}: an unfinished dataset; run the command that makes it again")
        raise InputError(f"{path}: not a dataset (no dataset.json in it)")
    data = files.read_json(path / "dataset.json")
    if data.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema {data.get('schema')!r}, this version reads '{SCHEMA}'; make the log again")
    try:
        info = DatasetInfo.from_dict(data)
        steps, episodes = info.num_steps, info.num_episodes
        forms = array_forms(info.spaces, steps, episodes)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path / 'dataset.json'}: a damaged dataset: {missing}; {checking.MEND}") from error
    arrays = {name: _open_array(path / f"{name}.npy", *forms[name]) for name in ARRAYS}
    arrays["episodes"] = np.array(arrays["episodes"])  # small, and read all the time
    if (total := int(arrays["episodes"]["length"].sum())) != steps:
        raise InputError(f"{path}: a damaged dataset: {total} steps in episodes, dataset.json says {steps}")
    checking.check_description(path, data)
    stamp = checking.stamp_of(path)
    if verify or not checking.is_stamped(path, stamp, data):
        checking.verify(path, data, info.spaces, arrays)
    if remember or verify:
        checking.remember(path, stamp, data)
    stored, actions, rewards, rows = (arrays[name] for name in ARRAYS)
    observations = rebuilt(stored, info.spaces.observation, _firsts(rows))
    return Dataset(info, observations, actions, rewards, rows, index=np.arange(episodes), path=path)


def set_aside_damaged(path: Path) -> None:
    """Move a finished dataset of which a file is damaged out of the way, as PATH.damaged-N; nothing is deleted.

    Raises files.Busy where another process makes it anew already.
    """
    if not _is_damaged(path):
        return
    with suppress(FileNotFoundError), files.locked(path / LOCK, "dataset"):
        if _is_damaged(path):  # still: another process may have been faster
            files.set_aside(path)


def _is_damaged(path: Path) -> bool:
    """Whether a finished dataset stands there of which a file is damaged."""
    try:
        if (path / "dataset.json").is_file():
            load(path, remember=True)
    except InputError:
        return True
    return False


def from_episodes(info: DatasetInfo, episodes: list[Episode]) -> Dataset:
    """A dataset in memory, for logs that are made in Python and for views of a few episodes.

    Seeds come along, and nothing is known of when an episode was made. Raises InputError where the episodes do
    not fit `info`.
    """
    for i, episode in enumerate(episodes):
        check_episode(episode, info, f"episode {i}")
    count = len(episodes)
    rows = np.zeros(count, EPISODE)
    for i, episode in enumerate(episodes):
        seed = -1 if episode.seed is None else episode.seed
        rows[i] = (len(episode), episode.terminated, episode.truncated, seed, -1)
    steps = sum(map(len, episodes))
    forms = array_forms(info.spaces, steps, count)
    observations, actions, rewards = (np.empty(*forms[name]) for name in ARRAYS[:3])
    if episodes:
        seen = info.spaces.observation
        np.concatenate([newest(e.observations, seen) for e in episodes], out=observations, casting="same_kind")
        np.concatenate([e.actions for e in episodes], out=actions, casting="unsafe")
        np.concatenate([e.rewards for e in episodes], out=rewards, casting="unsafe")
    arrays = (observations, actions, rewards, rows)
    known = replace(info, num_episodes=count, num_steps=steps, hash=content_hash(info.spaces, *arrays))
    shown = rebuilt(observations, info.spaces.observation, _firsts(rows))
    return Dataset(known, shown, actions, rewards, rows, np.arange(count))


def _firsts(episodes: Array) -> Array:
    """(E,) the row of each episode's first observation."""
    return np.cumsum(episodes["length"] + 1) - (episodes["length"] + 1)


def _open_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The array of that form. Raises InputError, which names the file, where it is another or none."""
    if not path.is_file():
        raise InputError(f"{path}: damaged: lost; {checking.MEND}")
    try:
        array = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))  # "c": torch wants writable memory
    except Exception as error:  # a damaged header makes numpy's reader raise whatever it likes
        reason = " ".join(str(error).split()) or type(error).__name__
        if "pickle" in reason:  # numpy's guess of whatever it does not know, and its advice to load it unsafely
            reason = "no array of numpy"
        raise InputError(f"{path}: damaged: {reason}; {checking.MEND}") from error
    if array.shape[:1] != shape[:1]:
        rows = len(array) if array.ndim else 0
        raise InputError(f"{path}: {rows} rows, dataset.json says {shape[0]}")
    if (array.shape, array.dtype) != (shape, dtype):
        raise InputError(f"{path}: {array.shape} {array.dtype}, dataset.json says {shape} {dtype}")
    return array
