"""What a study would take: hours, steps and disk, projected from a short probe of every arm."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlformer.agents.cards import resolve
from rlformer.agents.learners import learner
from rlformer.data.dataset import Dataset, load
from rlformer.data.describe import log_input
from rlformer.runs.directory import RunDirectory
from rlformer.studies import experiment
from rlformer.studies.study import Arm, Plan

_PROBE_STEPS = 2000  # environment steps of an online agent; a whole rollout at least
_PROBE_GRADIENT_STEPS = 60
_PROTOCOL = experiment.Protocol(episodes=8, curve_episodes=4, target_episodes=2, num_envs=8)
_FULL = experiment.Protocol()
_CURVE_POINTS = {"sb3": 20, "sequence": 10, "offline": 10}


@dataclass(frozen=True)
class Projected:
    """One agent of a study: what a run of it takes, and how many there are."""

    agent: str
    runs: int
    env_steps: int  # of a run, taken in order to learn
    gradient_steps: int
    seconds: float  # of a run
    disk_bytes: int  # of a run

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form, totals included."""
        return {**vars(self), "hours": self.runs * self.seconds / 3600}


def project(
    study: Plan, *, jobs: int | None = None, threads: int = 1, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, Any]:
    """Train a little of every agent of the plan in a temporary folder, and multiply.

    Learning scales with its steps; evaluations with their episodes, as long as those of the probe's untrained policies,
    so that where skill changes how long an episode lasts the projection errs. Where the study makes its log, the probe
    learns from its own short training. Raises InputError for what cannot be trained.
    """
    firsts: dict[str, Arm] = {}
    for arm in study.runs:
        firsts.setdefault(arm.agent, arm)
    counts = {agent: sum(arm.agent == agent for arm in study.runs) for agent in firsts}
    order = sorted(firsts.values(), key=lambda arm: "log" in learner(_learner(arm)).needs)
    rows, dataset = [], None
    with tempfile.TemporaryDirectory(prefix="rlformer-probe-") as folder:
        for done, arm in enumerate(order):
            if progress:
                progress(done, len(order), arm.agent)
            if "log" in learner(_learner(arm)).needs and dataset is None:
                dataset = _log(arm, Path(folder), threads)
            rows.append(_probe(arm, counts[arm.agent], dataset, Path(folder), threads))
    side_by_side = jobs or max(1, (os.cpu_count() or 1) // threads)
    hours = sum(row.runs * row.seconds for row in rows) / 3600
    return {
        "env": study.env.name,
        "runs": sum(row.runs for row in rows),
        "jobs": side_by_side,
        "cpu_hours": hours,
        "hours": hours / side_by_side,
        "env_steps": sum(row.runs * row.env_steps for row in rows),
        "disk_bytes": sum(row.runs * row.disk_bytes for row in rows),
        "agents": [row.to_dict() for row in rows],
    }


def _learner(arm: Arm) -> str:
    return resolve(arm.env, arm.agent).agent.learner


def _log(arm: Arm, root: Path, threads: int) -> Dataset:
    """A short log like the one that the arm would learn from."""
    assert arm.log is not None
    if arm.log.path is not None:
        return arm.log.open()
    short = _short(replace(arm, agent=arm.log.agent, overrides=arm.log.overrides, keeps_log=True), None)
    config = resolve(arm.env, arm.log.agent, short, keeps_log=True)
    run = experiment.train(config, arm.seed, root / "log", threads=threads, protocol=_PROTOCOL)
    return load(run.path / experiment.TRAJECTORIES)


def _probe(arm: Arm, runs: int, dataset: Dataset | None, root: Path, threads: int) -> Projected:
    learns = "log" in learner(_learner(arm)).needs
    inputs = (log_input(dataset),) if learns and dataset is not None else ()
    config = resolve(arm.env, arm.agent, _short(arm, dataset), inputs, arm.keeps_log)
    run = experiment.train(
        config,
        arm.seed,
        root,
        dataset=dataset if learns else None,
        threads=threads,
        device=arm.device,
        protocol=_PROTOCOL,
    )
    record, values = run.record, resolve(arm.env, arm.agent, arm.overrides).values
    unit = "steps" if "steps" in values else "gradient_steps"
    ratio = values[unit] / max(config.values[unit], record.cost.env_steps) if unit in values else 1.0
    times = record.times
    evaluation = (
        times["evaluation"] * _episodes(_FULL, config.agent.learner) / _episodes(_PROTOCOL, config.agent.learner)
    )
    steps = round(record.cost.env_steps * ratio)
    return Projected(
        arm.agent,
        runs,
        steps,
        values["gradient_steps"] if unit == "gradient_steps" and unit in values else 0,
        (times["wall"] - times["evaluation"]) * ratio + evaluation,
        _bytes(run, ratio),
    )


def _short(arm: Arm, dataset: Dataset | None) -> Sequence[str]:
    """The arm's overrides and those that shorten it."""
    values = resolve(arm.env, arm.agent, arm.overrides).values
    if "steps" in values:
        rollout = values.get("n_steps", 1) * values["num_envs"] if "n_epochs" in values else 1
        least = max(_PROBE_STEPS, values.get("learning_starts", 0) + 500, rollout)
        return [*arm.overrides, f"steps={min(least, values['steps'])}"]
    if "gradient_steps" in values:
        return [*arm.overrides, f"gradient_steps={min(_PROBE_GRADIENT_STEPS, values['gradient_steps'])}"]
    return arm.overrides


def _episodes(protocol: experiment.Protocol, learner: str) -> int:
    """How many a run plays; about eight targets where a return is asked for."""
    curve = _CURVE_POINTS.get(learner, 0) * protocol.curve_episodes
    return protocol.episodes + curve + (8 * protocol.target_episodes if learner == "sequence" else 0)


def _bytes(run: RunDirectory, ratio: float) -> int:
    """Of the run's folder: its trajectories grow with the steps, the rest hardly does."""
    sizes = {path: path.stat().st_size for path in run.path.rglob("*") if path.is_file()}
    log = sum(size for path, size in sizes.items() if experiment.TRAJECTORIES in path.parts)
    return round(log * ratio + sum(sizes.values()) - log)
