"""An episode to watch of each arm: eval/episode.webp of its median seed, and what it shows in eval/episode.toml."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.agents.learners import learner
from rlformer.agents.loading import load_policy
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, EnvSpec, EvalResult
from rlformer.envs import animation
from rlformer.evaluator.judge.terms import Terms
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import Recipe
from rlformer.studies.executors.base import Executor, Job
from rlformer.studies.stopped import deployed_step, final_of


def record_medians(
    paths: Iterable[Path], terms: Terms, env: EnvSpec | None = None, executor: Executor | None = None
) -> None:
    """A video of the median run of each arm among these run directories: of an even number of them the lower one.

    It shows the policy that is deployed on these terms. env: what they were made in, as the user named it: see
    `envs.consent`. executor: makes them side by side; None: one after the other, here.

    Runs of one arm share their agent, its values and how their log was cut. Logs, which cannot act, points of a
    data-scaling grid and smoke tests are left out.
    """
    arms: dict[tuple[str, Recipe | None], list[_Film]] = defaultdict(list)
    for path in paths:
        run = RunDirectory.open(path)
        spec = run.spec
        if spec.cut_short is not None and spec.cut_short.reason == "smoke":
            continue  # that it runs is all that is asked, and an episode may take long
        if not run.finished or not learner(spec.agent.learner).acts or spec.budget is not None:
            continue
        step = deployed_step(run, terms)
        final = final_of(run, step)
        if final is None:
            continue
        values = json.dumps([spec.env.definition, spec.agent.name, dict(spec.values)], sort_keys=True, default=str)
        arms[values, None if spec.log is None else spec.log.recipe].append(_Film(path.absolute(), step, final, env))
    ranked = [sorted(films, key=lambda film: (film.final.mean, film.path)) for films in arms.values()]
    medians = [films[(len(films) - 1) // 2] for films in ranked]
    films = [film for film in medians if not _there(film.path, film.step)]
    if executor is None:
        for film in films:
            film.record()
        return
    by_key = {str(film.path): film for film in films}
    for event in executor.run(_record, [Job(key, film) for key, film in by_key.items()] if films else []):
        if event.kind == "failed":
            film = by_key[str(event.key)]
            _skipped(film.path, int(film.final.seeds[0]), str(event.value))


@dataclass(frozen=True)
class _Film:
    """A run to be watched."""

    path: Path
    step: int | None  # of the kept policy that is shown; None: its last
    final: EvalResult  # its own
    env: EnvSpec | None

    def record(self) -> None:
        record(RunDirectory.open(self.path), self.final, self.env, self.step)


def _record(film: _Film, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> None:
    """In a process of its own."""
    film.record()


def _there(path: Path, step: int | None) -> bool:
    """Whether the video shows this policy."""
    folder = path / "eval"
    if not (folder / "episode.webp").is_file() or not (folder / "episode.toml").is_file():
        return False
    try:
        return files.read_toml(folder / "episode.toml").get("step") == step
    except InputError:
        return False


def _skipped(path: Path, seed: int, error: str) -> None:
    """Keep why it cannot be seen; a report tells no folder of the machine."""
    reason = " ".join(error.split()).removeprefix(f"{path}: ")
    files.write_toml(path / "eval" / "episode.toml", {"schema": SCHEMA, "episode_seed": seed, "skipped": reason})


def record(run: RunDirectory, final: EvalResult, env: EnvSpec | None = None, step: int | None = None) -> None:
    """Play the first episode of the run's evaluation again and keep it, or the reason why it cannot be seen.

    step, final: of the policy that it kept then, and its evaluation; None: the last one's.
    """
    if _there(run.path, step):
        return
    folder, seed = run.path / "eval", int(final.seeds[0])
    shown: dict[str, Any] = {"schema": SCHEMA, "episode_seed": seed}
    if step is not None:
        shown["step"] = step
    try:
        policy, spec = load_policy(run.path, sample=final.action_selection == "sampled", env=env, step=step)
        frames, episode = animation.play(policy, spec.env, seed, final.target_return)
        packed = animation.webp(frames)
    except (InputError, ImportError) as error:
        _skipped(run.path, seed, str(error))
        return
    shown |= {"episode_return": episode.episode_return, "length": len(episode), "frames": len(frames)}
    files.write_toml(folder / "episode.toml", shown)
    with files.replacing(folder / "episode.webp") as temporary:
        temporary.write_bytes(packed)
