"""Logs in shards: collected by several processes side by side, or joined of logs that exist."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlformer.agents.online.normalization import Normalization
from rlformer.agents.threads import one_thread
from rlformer.core import files, seeding
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec
from rlformer.data import shards as listing
from rlformer.data.collect import check_same, collect
from rlformer.data.dataset import Dataset, join
from rlformer.data.folder import load, set_aside_damaged
from rlformer.data.loaders.names import Choice
from rlformer.data.open import Progress, check_fit, import_data, is_ours
from rlformer.data.shard_folder import discard, making, unfinished
from rlformer.studies.executors.base import Executor, Job, Refused
from rlformer.studies.sources import Source, open_source


@dataclass(frozen=True)
class Collection:
    """What is to be collected: all of it, or a shard. A worker needs nothing else: paths are absolute."""

    policy: str  # as a person names it
    given: EnvSpec | None  # where it is said to act; None: where it was trained
    env: EnvSpec  # where it acts
    folder: Path
    seed: int
    episodes: int | None
    steps: int | None
    first_episode: int | None = None
    epsilon: float = 0.0
    num_envs: int = 64
    agent: str | None = None
    sample: bool | None = None
    trust: bool = False
    normalized: Normalization = field(default_factory=Normalization)

    def open(self) -> Source:
        """The policy. Raises InputError where there is none."""
        return open_source(self.policy, self.given, self.agent, self.sample, self.trust, self.normalized)

    def collect(
        self, source: Source, progress: Callable[[int, int], None] | None, stop: Callable[[], bool] | None
    ) -> Dataset:
        """Its episodes, continuing where an earlier attempt stopped. Raises as `data.collect.collect` does."""
        with one_thread():
            return collect(
                source.policy,
                self.env,
                self.folder,
                seed=self.seed,
                episodes=self.episodes,
                steps=self.steps,
                num_envs=self.num_envs,
                epsilon=self.epsilon,
                first_episode=self.first_episode,
                provenance={**source.identity, "sampled": source.sampled},
                upstream_env_steps=source.env_steps_behind,
                upstream_cpu_seconds=source.cpu_seconds_behind,
                progress=progress,
                stop=stop,
            )

    def shards(self, count: int) -> list[Collection]:
        """As many parts of it, nearly equal, of different episodes.

        Of a number of episodes the shards are, in their order, what would be collected in one piece. Of a number of
        steps nobody knows beforehand how many episodes that takes: each shard has seeds of its own.
        """
        total = (self.steps if self.episodes is None else self.episodes) or 0
        bounds = [total * i // count for i in range(count + 1)]
        firsts = bounds if self.steps is None else [seeding.width("collect") * i // count for i in range(count)]
        return [
            replace(
                self,
                folder=listing.folder_of(self.folder, i),
                first_episode=firsts[i],
                episodes=None if self.episodes is None else bounds[i + 1] - bounds[i],
                steps=None if self.steps is None else bounds[i + 1] - bounds[i],
            )
            for i in range(count)
        ]

    def made(self, source: Source, count: int) -> dict[str, Any]:
        """What is asked for, JSON-ready."""
        size = {"episodes": self.episodes} if self.episodes is not None else {"steps": self.steps}
        what = {"seed": self.seed, "epsilon": self.epsilon, **size, "shards": count}
        policy = {**source.identity, "sampled": source.sampled}
        provenance = {"source": "collected", "behaviour_policy": policy, **what}
        return json.loads(json.dumps({"env": self.env.definition, "provenance": provenance}))


def collect_shards(
    whole: Collection,
    source: Source,
    count: int,
    executor: Executor,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Dataset:
    """The log in `count` shards, each collected by a process of its own; what they hold does not depend on how many
    run at a time, or on the executor.

    Shards that are finished are kept, one that is damaged is made anew. Raises InputError where the folder holds
    another log or a worker was refused, files.Busy where another process makes it, Interrupted on Ctrl-C or when `stop`
    says so, and RuntimeError where a worker failed: the same call continues.
    """
    made, folder = whole.made(source, count), whole.folder
    begun = unfinished(folder)
    if begun is not None:
        check_same(folder, begun, made)
    elif listing.exists(folder):
        check_same(folder, listing.made_by(folder), made)
        try:
            return load(folder, remember=True)
        except InputError:
            pass  # a shard is lost or damaged: it is collected again
    shards = whole.shards(count)
    with making(folder, made):
        _run([Job(("shard", i), shard) for i, shard in enumerate(shards, 1)], executor, folder, progress, stop)
        collected = [load(shard.folder) for shard in shards]
        listing.check_alike(collected)
        listing.write(folder, collected, made)
    return load(folder)


def _run(
    jobs: Sequence[Job],
    executor: Executor,
    folder: Path,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> None:
    done, failed, refused = dict.fromkeys((job.key for job in jobs), 0), list[str](), list[str]()
    total, events = sum(job.payload.episodes or job.payload.steps for job in jobs), executor.run(_work, jobs)
    try:
        for event in events:
            if event.kind == "progress":
                done[event.key] = event.value[0]
            elif isinstance(event.value, Refused):
                refused.append(f"{folder}: {_words(event.key, jobs)}: {event.value.reason}")
            elif event.kind in ("failed", "skipped"):
                failed.append(f"{folder}: {_words(event.key, jobs)} failed: {event.value}; the same command continues")
            if progress is not None:
                progress(min(sum(done.values()), total), total)
            if stop is not None and stop():
                raise Interrupted
    finally:
        if isinstance(events, Generator):
            events.close()  # ends what still runs
    for reason in refused:
        raise InputError(reason)
    for reason in failed:
        raise RuntimeError(reason)


def _words(key: Any, jobs: Sequence[Job]) -> str:
    return f"shard {key[1]} of {len(jobs)}"


def _work(shard: Collection, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> Path | Refused:
    """In a process of its own."""
    try:
        set_aside_damaged(shard.folder)
        shard.collect(shard.open(), lambda done, total: progress(done, total, ""), stop)
    except files.Busy:
        raise  # the executor waits for it
    except InputError as error:
        return Refused(str(error))
    return shard.folder


def join_logs(
    parts: Sequence[str],
    out: Path,
    env: EnvSpec | None = None,
    progress: Progress | None = None,
    choice: Choice = Choice(),  # noqa: B008 - frozen
) -> Dataset:
    """The logs, in this order, as one in shards: of ours `out` only lists where they lie, others are imported into it.

    A log of ours that has shards itself is listed with these. env, choice: as for `data.open.open_data`. The same call
    again leaves a finished log alone. Raises InputError where there is no part, one is no log, does not fit the others
    or is there twice, and where `out` holds another log.
    """
    if not parts:
        raise InputError("nothing to join: name the parts: rlformer data join DATA... --out DIR")
    ours = {text: _own(text, env) for text in parts if is_ours(text)}
    if len(ours) == len({*parts}) and (chosen := choice.to_dict()):
        raise InputError(f"{', '.join(chosen)} has no effect, because all parts are datasets already")
    listing.check_alike([shard for log in ours.values() for shard in log.shards or (log,)] if ours else [])
    absolute = [str(Path(text).resolve()) if Path(text).exists() else text for text in parts]
    made: dict[str, Any] = {"joined": absolute, "env": None if env is None else env.name, **choice.to_dict()}
    made = json.loads(json.dumps(made))
    begun = unfinished(out)
    if begun is None and listing.exists(out):
        begun = listing.made_by(out)
        if begun == made:
            return load(out)
    if begun is not None and begun != made:
        raise InputError(f"{out}: there is already a log of other parts; remove it or choose another --out")
    with making(out, made):
        try:
            logs = [ours.get(text) or _imported(text, out, i, env, progress, choice) for i, text in enumerate(parts)]
            shards = [shard for log in logs for shard in log.shards or (log,)]
            join(shards)  # whether they fit
        except InputError:
            discard(out)
            raise
        listing.write(out, shards, made)
    return load(out)


def _imported(
    text: str, out: Path, number: int, env: EnvSpec | None, progress: Progress | None, choice: Choice
) -> Dataset:
    return import_data(text, listing.folder_of(out, number), env, progress, choice)


def _own(text: str, env: EnvSpec | None) -> Dataset:
    log = load(Path(text), remember=True)
    if env is not None:
        check_fit(text, log, env)
    return log


def absolute_policy(text: str) -> str:
    """What a person names as a policy, so that a worker in any folder finds it."""
    return str(Path(text).absolute()) if Path(text).exists() else text


def absolute_normalization(given: Normalization) -> Normalization:
    """The same, wherever a worker runs."""
    return given if given.file is None else replace(given, file=given.file.absolute())
