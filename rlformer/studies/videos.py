"""An episode to watch of each arm: eval/episode.webp of its median seed, and what it shows in eval/episode.toml."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
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


def record_medians(paths: Iterable[Path], env: EnvSpec | None = None) -> None:
    """A video of the median run of each arm among these run directories: of an even number of them the lower one.

    env: what they were made in, as the user named it: see `envs.consent`.

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
    for runs in arms.values():
        _, path, final = sorted(runs, key=lambda item: item[:2])[(len(runs) - 1) // 2]
        record(RunDirectory.open(path), final, env)


def record(run: RunDirectory, final: EvalResult, env: EnvSpec | None = None) -> None:
    """Play the first episode of the run's evaluation again and keep it, or the reason why it cannot be seen."""
    folder = run.path / "eval"
    if (folder / "episode.webp").is_file():
        return
    seed = int(final.seeds[0])
    shown: dict[str, Any] = {"schema": SCHEMA, "episode_seed": seed}
    try:
        policy, spec = load_policy(run.path, sample=final.action_selection == "sampled", env=env)
        frames, episode = animation.play(policy, spec.env, seed, final.target_return)
        packed = animation.webp(frames)
    except (InputError, ImportError) as error:
        reason = " ".join(str(error).split()).removeprefix(f"{run.path}: ")  # a report tells no folder of the machine
        files.write_toml(folder / "episode.toml", {**shown, "skipped": reason})
        return
    shown |= {"episode_return": episode.episode_return, "length": len(episode), "frames": len(frames)}
    files.write_toml(folder / "episode.toml", shown)
    with files.replacing(folder / "episode.webp") as temporary:
        temporary.write_bytes(packed)
