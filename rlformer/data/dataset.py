"""A log of trajectories as flat memory-mapped arrays: the one form that everything else reads.

A dataset is a folder. S steps in E episodes:

    observations.npy  (S + E, *obs)           each episode's T + 1 rows in a row: the final one included; in the
                                              environment's own dtype; of images of several frames the newest
                                              frame alone (`core.frames`)
    actions.npy       (S, *act)               int64, or float32 for Box
    rewards.npy       (S,) float64
    episodes.npy      (E,) records            length, terminated, truncated, seed, behaviour_steps
    dataset.json                              spaces, provenance, hash, schema version; see `data.verify`

Several such folders are read as one log where a folder lists them: see `data.shards`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from rlformer.core import formats
from rlformer.core.errors import InputError
from rlformer.core.frames import Frames, held, newest, rebuilt
from rlformer.core.packed import Packed
from rlformer.core.parts import Parts, Table
from rlformer.core.records import Cost, Episode
from rlformer.core.spaces import Array
from rlformer.data import shards as listing
from rlformer.data.arrays import ARRAYS, EPISODE, array_forms, content_hash
from rlformer.data.checks import check_episode
from rlformer.data.info import DatasetInfo as DatasetInfo
from rlformer.runs.inputs import Recipe


@dataclass(frozen=True, eq=False)
class Dataset:
    """Episodes of a log. `select` and its kin return views: another list of episodes over the same arrays."""

    info: DatasetInfo
    observations: Table | Frames | Packed = field(repr=False)  # (S + E, *obs)
    actions: Table = field(repr=False)  # (S, *act)
    rewards: Table = field(repr=False)  # (S,)
    episodes: Array = field(repr=False)  # (E,) of EPISODE, all that the arrays hold
    index: Array = field(repr=False)  # (n,) which of them this view holds, in its order
    selection: str = ""  # how the view was chosen, in words; "" is everything
    recipe: Recipe = field(default_factory=Recipe)  # how it was made and cut, alike for every seed of a study
    path: Path | None = None
    shards: tuple[Dataset, ...] = field(default=(), repr=False)  # of which `episodes` are, one behind the other

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
    def ends(self) -> Array:
        """(n,) behind each episode's last step, counted in steps of this view."""
        return np.cumsum(self.lengths)

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
        return self._episode_sums(lambda rewards: rewards)

    @cached_property
    def rewarded_steps(self) -> Array:
        """(n,) float64: in how many steps of each episode the reward is not zero."""
        return self._episode_sums(lambda rewards: rewards != 0)

    def _episode_sums(self, of: Callable[[Array], Array]) -> Array:
        """(n,) float64: the sum over each episode's steps of what is made of their rewards, shard by shard."""
        sums = [np.zeros(0)]
        for one in self.shards or (self,):
            lengths = one.episodes["length"]
            if len(lengths):
                values = of(np.asarray(one.rewards))
                sums.append(np.add.reduceat(values, np.cumsum(lengths) - lengths, dtype=np.float64))
        return np.asarray(np.concatenate(sums)[self.index])

    @cached_property
    def in_shards(self) -> tuple[Dataset, ...]:
        """The episodes of this view that each shard holds, as a view of it, without shards that hold none of them.

        Of a log in one piece the view itself.
        """
        if not self.shards:
            return (self,)
        found, first = [], 0
        for shard in self.shards:
            inside = self.index[(self.index >= first) & (self.index < first + len(shard.episodes))] - first
            if len(inside):
                found.append(shard.select(inside, self.selection) if self.selection else shard)
            first += len(shard.episodes)
        return tuple(found)

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
        collected one the episodes left out had not been needed. Shards are added up, and the steps of a policy that
        made several of them are counted once.
        """
        if self.shards:
            added = listing.steps_behind(self.in_shards)
            return None if added is None else sum(added)
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
            raise InputError("no prefix: this log does not record at which training step its episodes were made")
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
            raise InputError(
                f"a log of {formats.plural(len(self), 'episode')} cannot be split into a part to train on and one to "
                "hold out: at least two episodes are needed"
            )
        count = min(max(1, round(held_out * len(self))), len(self) - 1)
        order = rng.permutation(len(self))
        training, rest = np.sort(order[count:]), np.sort(order[:count])
        return self.select(training, "training part"), self.select(rest, "held out")


def join(shards: Sequence[Dataset], path: Path | None = None) -> Dataset:
    """Whole logs, each in one piece, as one log; no step of them is copied. path: of the folder that lists them.

    Raises InputError where there is none, where one is of another task than the first, or where one is there twice.
    """
    if not shards:
        raise InputError("no shards: a log has one at least")
    if any(shard.selection or shard.shards for shard in shards):
        raise ValueError("whole logs, each in one piece")
    listing.check_alike(shards)
    infos = [shard.info for shard in shards]
    info = replace(
        infos[0],
        provenance=listing.combined_provenance(infos),
        final_observations=all(one.final_observations for one in infos),
        env_definition=next((one.env_definition for one in infos if one.env_definition), {}),
        upstream_env_steps=None,
        upstream_cpu_seconds=None,
        hash=listing.combined_hash(one.hash for one in infos),
        num_episodes=sum(one.num_episodes for one in infos),
        num_steps=sum(one.num_steps for one in infos),
    )
    added = listing.steps_behind(shards)
    info = replace(info, upstream_env_steps=None if added is None else sum(added))
    episodes = np.concatenate([shard.episodes for shard in shards])
    kept = [_stored(shard) for shard in shards]
    if len({array.dtype for array in kept}) > 1:  # one of a former version, which keeps reals, beside one of bytes
        kept = [array if array.dtype == np.uint8 else newest(array, info.spaces.observation) for array in kept]
    stored = Parts(kept)
    return Dataset(
        info,
        rebuilt(stored, info.spaces.observation, firsts(episodes)),
        Parts([np.asarray(shard.actions) for shard in shards]),
        Parts([np.asarray(shard.rewards) for shard in shards]),
        episodes,
        index=np.arange(len(episodes)),
        path=path,
        shards=tuple(shards),
    )


def _stored(shard: Dataset) -> Array:
    """The observations of a log in one piece, as it keeps them."""
    return np.asarray(held(shard.observations))


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
    shown = rebuilt(observations, info.spaces.observation, firsts(rows))
    return Dataset(known, shown, actions, rewards, rows, np.arange(count))


def firsts(episodes: Array) -> Array:
    """(E,) the row of each episode's first observation."""
    return np.cumsum(episodes["length"] + 1) - (episodes["length"] + 1)
