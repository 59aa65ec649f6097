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
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import Recipe
from rlformer.studies.executors import Executor
from rlformer.studies.executors.local import Job


def record_medians(paths: Iterable[Path], env: EnvSpec | None = None, executor: Executor | None = None) -> None:
    """A video of the median run of each arm among these run directories: of an even number of them the lower one.

    env: what they were made in, as the user named it: see `envs.consent`. executor: makes them side by side; None: one
    after the other, here.

    Runs of one arm share their agent, its values and how their log was cut. Logs, which cannot act, points of a
    data-scaling grid and smoke tests are left out.
    """
    arms: dict[tuple[str, Recipe | None], list[tuple[float, Path, EvalResult]]] = defaultdict(list)
    for path in paths:
        run = RunDirectory.open(path)
        final = run.evaluations().get("final") if run.finished else None
        spec = run.spec
        if spec.cut_short is not None and spec.cut_short.reason == "smoke":
            continue  # that it runs is all that is asked, and an episode may take long
        if final is None or not learner(spec.agent.learner).acts or spec.budget is not None:
            continue
        values = json.dumps([spec.env.definition, spec.agent.name, dict(spec.values)], sort_keys=True, default=str)
        arms[values, None if spec.log is None else spec.log.recipe].append((final.mean, path, final))
    medians = [sorted(runs, key=lambda item: item[:2])[(len(runs) - 1) // 2] for runs in arms.values()]
    films = [_Film(path, final, env) for _, path, final in medians if not _there(path)]
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
    final: EvalResult
    env: EnvSpec | None

    def record(self) -> None:
        record(RunDirectory.open(self.path), self.final, self.env)


def _record(film: _Film, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> None:
    """In a process of its own."""
    film.record()


def _there(path: Path) -> bool:
    return (path / "eval" / "episode.webp").is_file()


def _skipped(path: Path, seed: int, error: str) -> None:
    """Keep why it cannot be seen; a report tells no folder of the machine."""
    reason = " ".join(error.split()).removeprefix(f"{path}: ")
    files.write_toml(path / "eval" / "episode.toml", {"schema": SCHEMA, "episode_seed": seed, "skipped": reason})


def record(run: RunDirectory, final: EvalResult, env: EnvSpec | None = None) -> None:
    """Play the first episode of the run's evaluation again and keep it, or the reason why it cannot be seen."""
    if _there(run.path):
        return
    folder, seed = run.path / "eval", int(final.seeds[0])
    shown: dict[str, Any] = {"schema": SCHEMA, "episode_seed": seed}
    try:
        policy, spec = load_policy(run.path, sample=final.action_selection == "sampled", env=env)
        frames, episode = animation.play(policy, spec.env, seed, final.target_return)
        packed = animation.webp(frames)
    except (InputError, ImportError) as error:
        _skipped(run.path, seed, str(error))
        return
    shown |= {"episode_return": episode.episode_return, "length": len(episode), "frames": len(frames)}
    files.write_toml(folder / "episode.toml", shown)
    with files.replacing(folder / "episode.webp") as temporary:
        temporary.write_bytes(packed)
