"""What a plan takes on this machine: the seconds of its jobs at the pace of its agents, and of all of them together."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlformer.agents.learners import learner
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.spec import RunSpec
from rlformer.studies.executors.base import Job
from rlformer.studies.jobs import PlannedLog, PlannedRun
from rlformer.studies.pace import Paces

# CPU seconds on 2 cores: the server of processes imports once; a process begins, writes and ends; the report.
SERVER_SECONDS, JOB_SECONDS, REPORT_SECONDS = 3.0, 0.7, 4.0
FRAME_SECONDS = 0.005  # of a step of the episode that is filmed of each arm


@dataclass(frozen=True)
class Timed:
    """A job of a plan with the seconds that it takes."""

    key: Hashable
    needs: tuple[Hashable, ...]
    seconds: float


def run_seconds(spec: RunSpec, paces: Paces, logged: int | None = None) -> float:
    """Of a run of this specification: its process, its steps and its evaluations. logged: steps of its log."""
    kind, pace = learner(spec.agent.learner), paces.agents[spec.agent.name]
    steps = kind.steps(spec.values, logged)
    evaluation = pace.evaluation(kind, paces.world, Protocol.of(spec.episodes), steps)
    return JOB_SECONDS * paces.slowness + pace.start + steps * pace.step + evaluation


def timed(jobs: Sequence[Job], paces: Paces, sized: Callable[[RunSpec], RunSpec] = lambda spec: spec) -> list[Timed]:
    """Every job with its seconds, in the same order. sized: a specification with the steps that it would be given."""
    return [Timed(job.key, job.needs, _job_seconds(job.payload, paces, sized)) for job in jobs]


def _job_seconds(payload: Any, paces: Paces, sized: Callable[[RunSpec], RunSpec]) -> float:
    if isinstance(payload, PlannedRun):
        return run_seconds(sized(payload.spec), paces, payload.logged_steps)
    assert isinstance(payload, PlannedLog)
    maker = sized(payload.source.maker)
    steps = payload.source.num_steps
    one = paces.agents[maker.agent.name].act[0] if maker.agent.name in paces.agents else 0.0
    return JOB_SECONDS * paces.slowness + steps * (paces.world.step_seconds + one / 4)  # several act at once


def makespan(jobs: Sequence[Timed], workers: int) -> float:
    """Seconds until all are done, so many side by side, begun in their order as soon as their needs are done.

    >>> makespan([Timed("a", (), 2.0), Timed("b", ("a",), 1.0), Timed("c", (), 2.0)], 2)
    3.0
    """
    waiting, ended, now = list(jobs), set[Hashable](), 0.0
    running: list[tuple[float, int, Hashable]] = []
    known: Mapping[Hashable, int] = {job.key: i for i, job in enumerate(jobs)}
    while waiting or running:
        ready = (job for job in waiting if all(need in ended or need not in known for need in job.needs))
        for job in list(itertools.islice(ready, workers - len(running))):
            waiting.remove(job)
            heapq.heappush(running, (now + job.seconds, known[job.key], job.key))
        now, _, key = heapq.heappop(running)
        ended.add(key)
    return now


def around(arms: int, paces: Paces, films: bool = True) -> float:
    """Seconds before the runs and after them: processes, an episode of each arm to watch, the report."""
    watching = arms * paces.world.longest * (paces.world.step_seconds + FRAME_SECONDS) if films else 0.0
    return (SERVER_SECONDS + REPORT_SECONDS) * paces.slowness + watching
