"""What a study would take: hours, steps and disk, projected from a short probe of every arm."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rlformer.agents.base import LearnerKind
from rlformer.agents.learners import learner
from rlformer.data.dataset import Dataset, load
from rlformer.data.describe import log_input
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs import scratch
from rlformer.runs.directory import TRAJECTORIES, RunDirectory
from rlformer.runs.spec import RunSpec
from rlformer.studies import experiment, logs
from rlformer.studies.execute import side_by_side
from rlformer.studies.logs import GivenLog
from rlformer.studies.plan import Plan, PlannedRun

_PROBE_STEPS = 2000  # environment steps of an online agent; a whole rollout at least
_PROBE_GRADIENT_STEPS = 60
_PROTOCOL = Protocol(episodes=8, curve_episodes=4, target_episodes=2, num_envs=8)
_FULL = Protocol()
_CURVE_POINTS = {"env_steps": 20, "gradient_steps": 10}  # of a whole curve, by its unit


@dataclass(frozen=True)
class Projected:
    """One agent of a study: what a run of it takes, and how many there are."""

    agent: str
    runs: int
    env_steps: int  # of a run, taken in order to learn
    gradient_steps: int
    seconds: float  # of a run
    disk_bytes: int  # of a run

    @property
    def hours(self) -> float:
        """Of all its runs, one after the other."""
        return self.runs * self.seconds / 3600


@dataclass(frozen=True)
class Projection:
    """What a study would take."""

    env: str
    jobs: int  # side by side
    agents: tuple[Projected, ...]

    @property
    def cpu_hours(self) -> float:
        """Of all runs, one after the other."""
        return sum(row.hours for row in self.agents)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form, totals included."""
        rows = self.agents
        return {
            "env": self.env,
            "runs": sum(row.runs for row in rows),
            "jobs": self.jobs,
            "cpu_hours": self.cpu_hours,
            "hours": self.cpu_hours / self.jobs,
            "env_steps": sum(row.runs * row.env_steps for row in rows),
            "disk_bytes": sum(row.runs * row.disk_bytes for row in rows),
            "agents": [{**asdict(row), "hours": row.hours} for row in rows],
        }


def project(
    plan: Plan, *, jobs: int | None = None, threads: int = 1, progress: Callable[[int, int, str], None] | None = None
) -> Projection:
    """Train a little of every agent of the plan in a temporary folder, and multiply.

    Learning scales with its steps; evaluations with their episodes, as long as those of the probe's untrained policies,
    so that where skill changes how long an episode lasts the projection errs. Where the study makes its log, the probe
    learns from its own short training. Raises InputError for what cannot be trained.
    """
    firsts: dict[str, PlannedRun] = {}
    for run in plan.runs:
        firsts.setdefault(run.spec.agent.name, run)
    counts = {agent: sum(run.spec.agent.name == agent for run in plan.runs) for agent in firsts}
    order = sorted(firsts.values(), key=lambda run: run.source is not None)
    rows, dataset = [], None
    with tempfile.TemporaryDirectory(dir=scratch.folder(Path("runs"))) as folder:
        for done, run in enumerate(order):
            agent = run.spec.agent.name
            if progress:
                progress(done, len(order), agent)
            if run.source is not None and dataset is None:
                dataset = _log(run, Path(folder), threads)
            rows.append(_probe(run, counts[agent], dataset, Path(folder), threads))
    return Projection(plan.env.name, jobs or side_by_side(threads), tuple(rows))


def _log(run: PlannedRun, root: Path, threads: int) -> Dataset:
    """A short log like the one that the run would learn from."""
    source = run.source
    assert source is not None
    if isinstance(source, GivenLog):
        return logs.read(source, root, run.seed)
    maker = _short(source.maker)
    made = experiment.train(maker, run.seed, root / "log", threads=threads, protocol=_PROTOCOL)
    return load(made.trajectories)


def _probe(planned: PlannedRun, runs: int, dataset: Dataset | None, root: Path, threads: int) -> Projected:
    whole, short = planned.spec.values, _short(planned.spec)
    dataset = None if planned.source is None else dataset
    run = experiment.train(
        short if dataset is None else replace(short, inputs=(log_input(dataset),)),
        planned.seed,
        root,
        dataset=dataset,
        threads=threads,
        device=planned.device,
        protocol=_PROTOCOL,
    )
    record, kind = run.record, learner(planned.spec.agent.learner)
    unit = kind.steps_key
    ratio = whole[unit] / max(short.values[unit], record.cost.env_steps) if unit in whole else 1.0
    times = record.times
    evaluation = times["evaluation"] * _episodes(_FULL, kind) / _episodes(_PROTOCOL, kind)
    return Projected(
        planned.spec.agent.name,
        runs,
        round(record.cost.env_steps * ratio),
        whole["gradient_steps"] if unit == "gradient_steps" and unit in whole else 0,
        (times["wall"] - times["evaluation"]) * ratio + evaluation,
        _bytes(run, ratio),
    )


def _short(spec: RunSpec) -> RunSpec:
    """The same agent with fewer steps."""
    values: Mapping[str, Any] = spec.values
    if "steps" in values:
        rollout = values.get("n_steps", 1) * values["num_envs"] if "n_epochs" in values else 1
        least = max(_PROBE_STEPS, values.get("learning_starts", 0) + 500, rollout)
        return replace(spec, values={**values, "steps": min(least, values["steps"])})
    if "gradient_steps" in values:
        return replace(spec, values={**values, "gradient_steps": min(_PROBE_GRADIENT_STEPS, values["gradient_steps"])})
    return spec


def _episodes(protocol: Protocol, kind: LearnerKind) -> int:
    """How many episodes a run plays."""
    return protocol.num_episodes(kind, _CURVE_POINTS[kind.curve_unit] if kind.learns else 0)


def _bytes(run: RunDirectory, ratio: float) -> int:
    """Of the run's folder: its trajectories grow with the steps, the rest hardly does."""
    sizes = {path: path.stat().st_size for path in run.path.rglob("*") if path.is_file()}
    log = sum(size for path, size in sizes.items() if TRAJECTORIES in path.parts)
    return round(log * ratio + sum(sizes.values()) - log)
