"""What a study would take: hours, steps and disk; and what its seeds can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from rlformer.agents.cards import SMOKE
from rlformer.agents.learners import learner
from rlformer.core import formats
from rlformer.core.spaces import Spaces
from rlformer.envs.make import spaces_of
from rlformer.evaluator.judge.comparisons import CLAIM_FROM, LEAN_BELOW
from rlformer.evaluator.judge.standing import seeds_for
from rlformer.runs.spec import RunSpec
from rlformer.studies import timing
from rlformer.studies.executors.local import side_by_side
from rlformer.studies.jobs import PlannedRun, runs_of
from rlformer.studies.pace import Paces, measure
from rlformer.studies.plan import Plan
from rlformer.studies.stages import Contest, Stages
from rlformer.studies.study import Study

_RUN_BYTES = 400_000  # of curves, evaluations and records
_BUSY = 2.0  # wall seconds of a CPU second from which on times say more of others than of the study
_PARAMETER_BYTES = 16  # weights twice, and an optimiser's two moments


@dataclass(frozen=True)
class Projected:
    """One agent of a study: what a run of it takes, and how many there are."""

    agent: str  # or those of which the first seeds choose one: its runs on the others
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
    wall_seconds: float  # of all of it: runs that wait for others, processes and report included
    of_seeds: Mapping[int, float] = field(default_factory=dict)  # the same with so many seeds, which show more
    slowness: float = 1.0  # wall seconds of a CPU second while it was probed

    @property
    def takes(self) -> str:
        """How long all of it takes, in words."""
        return _duration(self.wall_seconds)

    @property
    def busy(self) -> str | None:
        """That others work on this machine, where that makes it much slower."""
        if self.slowness < _BUSY:
            return None
        return (
            f"This machine is busy: the probe had {formats.percent(1 / self.slowness)} of a core. The time "
            "above assumes that it stays so; "
            f"a quiet machine would take about {_duration(self.wall_seconds / self.slowness)}."
        )

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
            "wall_seconds": self.wall_seconds,
            "env_steps": sum(row.runs * row.env_steps for row in rows),
            "disk_bytes": sum(row.runs * row.disk_bytes for row in rows),
            "agents": [{**asdict(row), "hours": row.hours} for row in rows],
        }


def project(
    plan: Plan, *, jobs: int | None = None, threads: int = 1, progress: Callable[[int, int, str], None] | None = None
) -> Projection:
    """What the plan takes at the pace of its agents on this machine: see `pace.measure`.

    Learning scales with its steps; evaluations with their episodes, which are taken to be as long as the environment
    allows, where no run on this machine says how long they last. Raises InputError for what cannot be trained.
    """
    return projected(plan, measure(plan, threads, progress), jobs or side_by_side(threads))


def projected(plan: Plan, paces: Paces, jobs: int) -> Projection:
    """The same at paces that are known."""
    first_of: dict[str, PlannedRun] = {}
    for run in plan.runs:
        first_of.setdefault(run.spec.agent.name, run)
    spaces = spaces_of(plan.env)
    first = Counter(run.spec.agent.name for run in runs_of(plan.stages.first))
    rows = [_row(run, first[name], paces, spaces) for name, run in first_of.items()]
    rows += [_later_row(contest, first_of, paces, spaces) for contest in plan.stages.contests]
    specs = [run.spec for run in first_of.values()]
    acting = sum(learner(spec.agent.learner).acts for spec in specs)
    films = not any(spec.cut_short is not None and spec.cut_short.reason == SMOKE for spec in specs)
    fixed = timing.around(acting, paces, films)
    more = [count for count in _seeds_needed(plan) if count > len(plan.seeds)]
    return Projection(
        env=plan.env.name,
        jobs=jobs,
        agents=tuple(row for row in rows if row.runs),
        wall_seconds=seconds(plan.stages, paces, jobs) + fixed,
        of_seeds={count: seconds(plan.enlarged(count), paces, jobs) + fixed for count in more},
        slowness=paces.slowness,
    )


def seconds(
    stages: Stages, paces: Paces, workers: int, sized: Callable[[RunSpec], RunSpec] = lambda spec: spec
) -> float:
    """Of all stages, as if of each family the arm went on that takes longest. sized: see `timing.timed`."""
    later = stages.second(stages.costliest(lambda job: timing.timed([job], paces, sized)[0].seconds))
    return sum(timing.makespan(timing.timed(stage, paces, sized), workers) for stage in (stages.first, later) if stage)


def forecast(study: Study, plan: Plan, projection: Projection) -> str:
    """What the seeds of a study can show, and how long it takes with more: before anything is trained."""
    if study.profile == SMOKE:
        return "A smoke test only shows whether everything runs; it does not compare arms."
    seeds = len(plan.seeds)

    def takes(count: int) -> str:
        return _duration(projection.of_seeds.get(count, projection.wall_seconds))

    given = study.log.data is not None
    says = "can claim" if not given else "no more than that, since another log might give a different answer"
    many = formats.plural(seeds, "seed")
    probable, claim = _seeds_needed(plan)
    if seeds < 2:
        now = f"{many} (about {takes(seeds)}) shows that it runs, but does not compare"
    elif seeds < probable:
        now = f"{many} (about {takes(seeds)}) give a direction only"
    elif seeds < claim or given:
        now = f"{many} (about {takes(seeds)}) can make an answer probable"
    else:
        return f"{many} (about {takes(seeds)}) can claim an answer."
    more = []
    if seeds < probable:
        more.append(f"{probable} take about {takes(probable)} and can make it probable")
    if seeds < claim:
        more.append(f"{claim} take about {takes(claim)} and {says}")
    return "; ".join([now, *more]) + "."


def _seeds_needed(plan: Plan) -> tuple[int, int]:
    """With how many an answer can be probable, and can be claimed."""
    agents = {run.spec.agent.name: run.spec.agent for run in plan.runs}.values()
    families = Counter(agent.family for agent in agents if agent.role == "candidate")
    several = max(families.values(), default=0) > 1
    return seeds_for(LEAN_BELOW, several), seeds_for(CLAIM_FROM, several)


def _duration(seconds: float) -> str:
    """In words, in two digits.

    >>> _duration(42), _duration(1230), _duration(9000)
    ('42 seconds', '20 minutes', '2.5 hours')
    """
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            value = seconds / size
            return f"{value:.2g} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _later_row(contest: Contest, first_of: Mapping[str, PlannedRun], paces: Paces, spaces: Spaces) -> Projected:
    """Whoever goes on: with the runs, and the time, of the agent that takes longest."""
    found = [_row(first_of[agent], len(runs_of(later)), paces, spaces) for agent, later in contest.later.items()]
    longest = max(found, key=lambda row: row.runs * row.seconds)
    return replace(longest, agent=" or ".join(contest.agents))


def _row(run: PlannedRun, runs: int, paces: Paces, spaces: Spaces) -> Projected:
    spec, logged = run.spec, run.logged_steps
    kind, agent = learner(spec.agent.learner), spec.agent.name
    steps = kind.steps(spec.values, logged)
    if "n_epochs" in spec.values:  # a rollout that was begun is made whole
        rollout = spec.values["n_steps"] * spec.values["num_envs"]
        steps = -(-steps // rollout) * rollout
    disk = _RUN_BYTES + _PARAMETER_BYTES * paces.agents[agent].parameters
    if spec.keeps_log:
        observed = int(np.prod(spaces.observation.shape)) * np.dtype(spaces.observation.dtype).itemsize
        acted = max(1, int(np.prod(spaces.actions.shape))) * np.dtype(spaces.actions.dtype).itemsize
        disk += steps * (observed + acted + 8)
    return Projected(
        agent=agent,
        runs=runs,
        env_steps=steps if kind.steps_env else 0,
        gradient_steps=0 if kind.steps_env else steps,
        seconds=timing.run_seconds(spec, paces, logged),
        disk_bytes=disk,
    )
