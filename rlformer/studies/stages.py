"""The two stages of a study: first the seeds on which the arms of a family compete, then the others, for the best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from rlformer.core import formats
from rlformer.evaluator.judge import standing
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import Recipe
from rlformer.runs.missing import MissingRun
from rlformer.runs.spec import Family
from rlformer.studies.executors.base import Job
from rlformer.studies.jobs import PlannedLog, PlannedRun, runs_of


@dataclass(frozen=True)
class Contest:
    """Agents of one family that learn from the same kind of log: the first seeds choose who goes on to the others."""

    family: Family
    recipe: Recipe | None  # of that log; None: they learn from none
    seeds: tuple[int, ...]  # that choose
    later: Mapping[str, tuple[Job, ...]]  # by agent: its jobs on the other seeds, without those that are made anyway

    @property
    def agents(self) -> tuple[str, ...]:
        """In the order of the plan."""
        return tuple(self.later)


@dataclass(frozen=True)
class Choice:
    """What the first seeds of a contest said."""

    contest: Contest
    agent: str | None  # who goes on; None: no run of any finished

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What is left to be made."""
        return () if self.agent is None else self.contest.later[self.agent]

    def __str__(self) -> str:
        of = f"of {formats.listed(self.contest.agents)} on {formats.plural(len(self.contest.seeds), 'seed')}"
        if self.agent is None:
            return f"no run {of} finished: none of them continues"
        return f"{self.agent} scores highest {of}, and only this arm continues"


@dataclass(frozen=True)
class Stages:
    """The jobs that are made whatever comes of them, and those that hang on it."""

    first: tuple[Job, ...]
    contests: tuple[Contest, ...]

    def second(self, choices: Sequence[Choice]) -> tuple[Job, ...]:
        """The jobs of those who go on, each once."""
        made = {job.key for job in self.first}
        found = {job.key: job for choice in choices for job in choice.jobs if job.key not in made}
        return tuple(found.values())

    def costliest(self, seconds: Callable[[Job], float]) -> tuple[Choice, ...]:
        """Of each contest the arm that takes longest: what a projection counts with."""
        return tuple(
            Choice(contest, max(contest.agents, key=lambda agent: sum(map(seconds, contest.later[agent]))))
            for contest in self.contests
        )


def split(jobs: Sequence[Job]) -> Stages:
    """The stages of a plan whose jobs are those of every arm on every seed.

    Where a family has several candidates on one log and the study enough seeds, the first seeds choose among them: see
    `judge.standing.selection`. Everything else is made on all seeds, whoever makes a log for others too.
    """
    runs = runs_of(jobs)
    first = standing.selection(sorted({run.seed for run in runs}))
    makers = {need for job in jobs for need in job.needs}
    groups: dict[tuple[Family, Recipe | None], list[str]] = defaultdict(list)
    for run in runs:
        agent, recipe = run.spec.agent, None if run.source is None else run.source.recipe
        if agent.role == "candidate" and agent.family and agent.name not in groups[agent.family, recipe]:
            groups[agent.family, recipe].append(agent.name)
    contests = [
        Contest(family, recipe, first, {name: _later(name, recipe, jobs, first, makers) for name in names})
        for (family, recipe), names in groups.items()
        if first and len(names) > 1
    ]
    waiting = {job.key for contest in contests for later in contest.later.values() for job in later}
    needed = {need for job in jobs if job.key not in waiting for need in job.needs}
    return Stages(tuple(job for job in jobs if job.key not in waiting or job.key in needed), tuple(contests))


def _later(
    agent: str, recipe: Recipe | None, jobs: Sequence[Job], first: Sequence[int], makers: Set[Hashable]
) -> tuple[Job, ...]:
    """Its jobs on the seeds that do not choose, with those that collect its logs."""
    own = {
        job.key: job
        for job in jobs
        if isinstance(run := job.payload, PlannedRun)
        and (run.spec.agent.name, None if run.source is None else run.source.recipe) == (agent, recipe)
        and run.seed not in first
        and job.key not in makers
    }
    needed = {need for job in own.values() for need in job.needs}
    return tuple(job for job in jobs if job.key in own or (isinstance(job.payload, PlannedLog) and job.key in needed))


def choose(stages: Stages, runs: Sequence[Path], missing: Sequence[MissingRun]) -> tuple[Choice, ...]:
    """Who goes on, by the judge's own rule. runs: of the first stage; missing: those of it without a directory.

    It hangs on the runs of the first seeds alone, so that a study which is continued chooses the same.
    """
    if not stages.contests:
        return ()
    from rlformer.evaluator.judge import environments  # which no process of a run needs
    from rlformer.evaluator.judge.load import read_runs

    first = stages.contests[0].seeds
    read, _ = read_runs([RunDirectory(path) for path in runs])
    entered = [run for run in read if run.record.seed in first]
    absent = [run for run in missing if run.seed in first and (run.recipe is None or run.recipe.budget is None)]
    terms = stages.first[0].payload.setting.terms
    found = environments.evidence(entered, absent, terms)[0] if entered else ()
    measured = {(arm.agent, arm.recipe): arm for evidence in found for arm in evidence.trained}
    choices = []
    for contest in stages.contests:
        own = [measured[key] for agent in contest.agents if (key := (agent, contest.recipe)) in measured]
        ranked = standing.by_score(found[0], own, first, terms) if own else []
        choices.append(Choice(contest, ranked[0].agent if ranked else None))
    return tuple(choices)
