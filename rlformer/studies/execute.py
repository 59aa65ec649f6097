"""Run a plan over processes, stage after stage; the same plan continues what was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlformer.data.cut import LeftOut
from rlformer.runs.hooks import Hooks
from rlformer.runs.missing import MissingRun
from rlformer.studies.executors.base import Event, Executor, Job
from rlformer.studies.jobs import PlannedLog, PlannedRun
from rlformer.studies.plan import Plan
from rlformer.studies.stages import choose


@dataclass(frozen=True)
class Failure:
    """A run that did not finish."""

    run: PlannedRun
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a plan."""

    runs: tuple[Path, ...]  # in the order of the plan, failed ones with a record among them
    failures: tuple[Failure, ...]  # all that did not finish
    missing: tuple[MissingRun, ...]  # those of them that have no record


def execute(plan: Plan, executor: Executor, listen: Callable[[Event], None] = lambda event: None) -> Outcome:
    """Run a plan; a failed run does not stop the rest. Of arms among which the first seeds choose, the best goes on.

    Raises Interrupted on Ctrl-C; the same plan continues.
    """
    state = _State(plan)
    listen(Event(None, "planned", len(plan.stages.first)))
    for event in state.run(plan.stages.first, executor):
        listen(event)
    first = state.outcome()
    choices = choose(plan.stages, first.runs, first.missing)
    later = plan.stages.second(choices)
    for choice in choices:
        listen(Event(None, "chosen", str(choice)))
    if later:
        listen(Event(None, "more", len(later)))
        for event in state.run(later, executor):
            listen(event)
    return state.outcome()


class _State:
    """What is known of the jobs of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._jobs: list[Job] = []  # that were to be done so far
        self._found: dict[Hashable, Path] = {}
        self._reasons: dict[Hashable, str] = {}  # why a job did not finish
        self._ended: set[Hashable] = set()  # well

    def run(self, jobs: Sequence[Job], executor: Executor) -> Iterator[Event]:
        """One stage: what happens to its jobs. Their needs are among them, or ended in an earlier stage."""
        self._jobs += jobs
        lost = [job for job in jobs if not self._reasons.keys().isdisjoint(job.needs)]
        for job in lost:
            self._reasons[job.key] = (
                f"{_name(next(need for need in job.needs if need in self._reasons))} did not finish"
            )
            yield Event(job.key, "skipped", self._reasons[job.key])
        left = [job for job in jobs if job not in lost]
        for event in executor.run(_work, [replace(job, needs=self._open(job)) for job in left]):
            yield self._told(event)

    def _open(self, job: Job) -> tuple[Hashable, ...]:
        return tuple(need for need in job.needs if need not in self._ended)

    def _told(self, event: Event) -> Event:
        if event.kind == "finished":
            self._ended.add(event.key)
            if isinstance(event.value, _LeftOut):
                return Event(event.key, "left out", event.value.reason)
            self._found[event.key] = event.value
        elif event.kind in ("failed", "skipped"):
            self._reasons[event.key] = str(event.value)
        return event

    def outcome(self) -> Outcome:
        """Of all that ended so far, in the order of the plan."""
        began = {job.key for job in self._jobs}
        runs = [
            (job.key, job.payload)
            for job in self._plan.jobs
            if job.key in began and isinstance(job.payload, PlannedRun)
        ]
        found = dict(self._found)
        for key, run in runs:  # a failed run may have a record too
            if key in self._reasons and (directory := run.directory()) is not None:
                found[key] = directory.path
        failed = [(key, run, self._reasons[key]) for key, run in runs if key in self._reasons]
        missing = [
            MissingRun(self._plan.env.name, run.spec.agent.name, run.seed, reason, run.name, run.recipe)
            for key, run, reason in failed
            if key not in found
        ]
        return Outcome(
            tuple(found[key] for key, _ in runs if key in found),
            tuple(Failure(run, reason) for _, run, reason in failed),
            tuple(missing),
        )


def _name(key: Hashable) -> str:
    return " seed ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def anything_left(plan: Plan) -> bool:
    """Whether a run of the plan has not finished yet, of those that go on as well."""
    first = [job.payload for job in plan.stages.first if isinstance(job.payload, PlannedRun)]
    if not all(run.finished() for run in first):
        return True
    found = [directory.path for run in first if (directory := run.directory()) is not None]
    later = plan.stages.second(choose(plan.stages, found, ()))
    return not all(job.payload.finished() for job in later if isinstance(job.payload, PlannedRun))


@dataclass(frozen=True)
class _LeftOut:
    """What a run answers whose log has no such part: it is done, and there is nothing of it."""

    reason: str


def _work(
    payload: PlannedRun | PlannedLog, stop: Callable[[], bool], progress: Callable[[int, int, str], None]
) -> Path | _LeftOut:
    """In a process of its own: one run, or one log that others wait for."""
    hooks = Hooks(stop, progress, waits=False)  # the executor does, and lets others go first
    try:
        return payload.train(hooks) if isinstance(payload, PlannedRun) else payload.make(hooks)
    except LeftOut as told:
        return _LeftOut(str(told))
