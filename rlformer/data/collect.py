"""Play whole episodes with a policy and keep them as a dataset."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.core import seeding
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, Episode
from rlformer.data.dataset import Dataset, DatasetInfo
from rlformer.data.folder import load
from rlformer.data.shards import exists
from rlformer.data.writer import DatasetWriter, tidy
from rlformer.envs.rollout import EpsilonPolicy, rollout
from rlformer.envs.vector import Environments
from rlformer.runs.metrics import Throttle

_COMMIT_SECONDS = 5.0
_MOST_AT_ONCE = 1 << 16  # episodes in a batch
_LONG = 500  # steps of an episode, for how many are begun before one has ended: those of a game are thousands


def collect(
    policy: Policy,
    env: EnvSpec,
    path: Path,
    *,
    seed: int,
    episodes: int | None = None,
    steps: int | None = None,
    num_envs: int = 64,
    epsilon: float = 0.0,
    random_episodes: float = 0.0,
    first_episode: int | None = None,
    provenance: Mapping[str, Any],
    upstream_env_steps: int | None,
    upstream_cpu_seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Dataset:
    """A dataset of `episodes` episodes, or of the fewest that have `steps` steps together, at `path`.

    Episodes are kept in the order of their seeds, so that neither `num_envs` nor how long each takes decides
    which are kept: short ones end first where many run side by side. `epsilon` is the chance of a uniform
    action at each step, `random_episodes` that of an episode all of whose actions are uniform. first_episode: which
    one of the seed's episodes comes first; of a shard of a log, whose provenance says so. `provenance` names the
    policy, and with seed, chances and size says what the dataset is: an unfinished one of the same is continued, a
    finished one returned. upstream_env_steps, upstream_cpu_seconds: taken to make the policy; None: unknown. Steps of
    episodes that were begun and turned out not to be needed count nowhere. progress: (done, total) in episodes or
    steps. Raises InputError where `path` holds anything else, files.Busy where another process collects there,
    Interrupted when `stop` said so.
    """
    goal = _Goal(episodes, steps)
    if num_envs < 1:
        raise InputError(f"num_envs {num_envs}: at least one environment is needed")
    for name, chance in (("epsilon", epsilon), ("random_episodes", random_episodes)):
        if not 0.0 <= chance <= 1.0:
            raise InputError(f"{name} {chance}: a probability must be between 0 and 1")
    what = {"behaviour_policy": dict(provenance), "seed": seed, "epsilon": epsilon, **goal.size}
    what |= {"random_episodes": random_episodes} if random_episodes else {}
    what |= {} if first_episode is None else {"first_episode": first_episode}
    began = time.process_time()
    begun = _as_read({"env": env.definition, "provenance": {"source": "collected", **what}})
    if (finished := _finished(path, begun)) is not None:
        return finished
    environments = Environments(env, min(num_envs, episodes or num_envs))
    info = DatasetInfo(
        env.name,
        environments.spaces,
        begun["provenance"],
        env_definition=begun["env"],
    )
    if epsilon or random_episodes:
        policy = EpsilonPolicy(policy, environments.actions, epsilon, random_episodes)
    try:
        try:
            writing = DatasetWriter(path, info)
        except InputError:
            if (finished := _finished(path, begun)) is not None:  # meanwhile, by another process
                return finished
            raise
        with writing as writer:
            if writer.num_episodes:
                check_same(path, writer.state, begun)
            writer.commit(begun)
            earlier = writer.num_steps
            due = Throttle(_COMMIT_SECONDS)
            for episode in _in_order(environments, policy, seed, first_episode or 0, goal, writer):
                writer.add(episode)
                if due():
                    writer.commit()
                if progress:
                    progress(min(goal.done(writer), goal.total), goal.total)
                if stop and stop():
                    writer.commit()
                    raise Interrupted
            behind = None if upstream_env_steps is None else upstream_env_steps + writer.num_steps
            cpu = None
            if upstream_cpu_seconds is not None:  # earlier sessions played at this pace
                played = max(1, writer.num_steps - earlier)
                cpu = upstream_cpu_seconds + (time.process_time() - began) * writer.num_steps / played
            return writer.finish(upstream_env_steps=behind, upstream_cpu_seconds=cpu)
    finally:
        environments.close()


@dataclass(frozen=True)
class _Goal:
    """How much to collect: one of the two."""

    episodes: int | None
    steps: int | None

    def __post_init__(self) -> None:
        if (self.episodes is None) == (self.steps is None):
            raise InputError("give the amount to collect: either a number of episodes or a number of steps")
        if self.total < 1:
            raise InputError(f"{self.total} episodes or steps to collect: must be at least one")

    @property
    def total(self) -> int:
        """In its own unit."""
        return (self.steps if self.episodes is None else self.episodes) or 0

    @property
    def size(self) -> dict[str, int]:
        """By the name of its unit."""
        return {"steps" if self.episodes is None else "episodes": self.total}

    def done(self, writer: DatasetWriter) -> int:
        """Of the total."""
        return writer.num_steps if self.episodes is None else writer.num_episodes

    def lacking(self, writer: DatasetWriter, at_first: int) -> int:
        """How many episodes are needed yet: an estimate where steps are counted, `at_first` to begin with."""
        if self.episodes is not None:
            return self.episodes - writer.num_episodes
        if writer.num_episodes == 0:
            return min(at_first, math.ceil(self.total / _LONG))
        return math.ceil((self.total - writer.num_steps) * writer.num_episodes / writer.num_steps)


def _in_order(
    environments: Environments, policy: Policy, seed: int, first: int, goal: _Goal, writer: DatasetWriter
) -> Iterator[Episode]:
    """Episodes behind those written, in the order of their seeds, until the goal is reached.

    Which are kept does not depend on the size of a batch. They are begun in batches of as many as are lacking. In one
    batch without an end, every environment would begin another episode again and again until the last step needed is
    there.
    """
    while (count := min(goal.lacking(writer, len(environments)), _MOST_AT_ONCE)) > 0:
        seeds = seeding.episode_seeds(seed, "collect", count, start=first + writer.num_episodes)
        early: dict[int, Episode] = {}  # ended before one that was begun earlier
        following = 0
        for i, episode in rollout(environments, policy, seeds):
            early[i] = episode
            while following in early:
                yield early.pop(following)
                following += 1
                if goal.done(writer) >= goal.total:
                    return


def _finished(path: Path, begun: Mapping[str, Any]) -> Dataset | None:
    """The finished dataset at `path`. Raises InputError where it is another."""
    if not exists(path):
        return None
    dataset = load(path)
    info = dataset.info
    check_same(path, {"env": dict(info.env_definition), "provenance": dict(info.provenance)}, begun)
    tidy(path)
    return dataset


def check_same(path: Path, there: Mapping[str, Any], begun: Mapping[str, Any]) -> None:
    """Raise InputError, naming what differs, where a dataset was begun with other settings."""
    if there == begun:
        return
    provenance = there.get("provenance")
    old = {"env": there.get("env"), **(provenance if isinstance(provenance, Mapping) else {})}
    new = {"env": begun["env"], **begun["provenance"]}
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    differences = ", ".join(f"{key} {old.get(key)} not {new.get(key)}" for key in keys)
    raise InputError(f"{path}: collected with {differences}; choose another --out or remove it")


def _as_read(value: Mapping[str, Any]) -> dict[str, Any]:
    """As a JSON file gives it back, where tuples are lists."""
    return json.loads(json.dumps(value))
