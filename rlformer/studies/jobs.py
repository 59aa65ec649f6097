"""The jobs of a study: runs and logs, each resolved, so that a process elsewhere can do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from rlformer.core.errors import InputError
from rlformer.data.cut import LeftOut
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import Cut, Recipe, portion
from rlformer.runs.spec import RunSpec
from rlformer.studies import experiment, logs
from rlformer.studies.executors.base import Job
from rlformer.studies.logs import CollectedLog, GivenLog, LogSource

_DEFAULT_LOG = Recipe(Cut("mid"))


@dataclass(frozen=True)
class Setting:
    """Where and how the runs of a study are made."""

    root: Path  # absolute: a worker may stand elsewhere
    threads: int = 1
    command: str | None = None  # what was typed
    terms: Terms = field(default_factory=Terms)  # which thresholds a run may have to pass; no part of what it is


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study, resolved; its log becomes an input of it once the log lies there."""

    spec: RunSpec
    seed: int
    setting: Setting
    source: LogSource | None = None
    budget: float | None = None  # a share of the log or a multiple of it: a point of the data-scaling grid
    device: str = "cpu"

    @property
    def arm(self) -> str:
        """In words: the agent, and the log that it learns from where that is not the usual one."""
        recipe = None if self.source is None or isinstance(self.source, GivenLog) else self.source.recipe
        return self.spec.agent.name + (f" on {recipe.label}" if recipe is not None and recipe != _DEFAULT_LOG else "")

    @property
    def name(self) -> str:
        """In the words of progress and of failures: the arm, and its point of a grid."""
        return self.arm + ("" if self.budget is None else f" with {portion(self.budget)} the log")

    @property
    def recipe(self) -> Recipe | None:
        """How its log is made and cut, the point of a grid included; None without a log."""
        return None if self.source is None else replace(self.source.recipe, budget=self.budget)

    @property
    def logged_steps(self) -> int | None:
        """How many it reads, as far as that is known before its log is made."""
        known = None if self.source is None else self.source.num_steps
        return None if known is None else int(known * (1 if self.budget is None else self.budget))

    def with_log(self, dataset: Dataset) -> RunSpec:
        """Its specification with this log as its input."""
        assert self.source is not None
        return replace(self.spec, inputs=(log_input(dataset, self.source.made_here),))

    def log(self) -> Dataset | None:
        """The log that it learns from, which must have been made.

        Raises LeftOut where the log has no such part, InputError where a cut leaves no episode.
        """
        if self.source is None:
            return None
        return logs.read(self.source, self.setting.root, self.seed, self.budget, self.spec.env)

    def directory(self) -> RunDirectory | None:
        """Where its record lies, if it got far enough to have one."""
        try:
            dataset = self.log()
        except InputError:
            return None
        spec = self.spec if dataset is None else self.with_log(dataset)
        run = RunDirectory.of(self.setting.root, spec, self.seed)
        return run if (run.path / "record.json").is_file() else None

    def finished(self) -> bool:
        """Whether nothing is left to do: it was trained, or the log has no such part."""
        try:
            self.log()
        except LeftOut:
            return True
        except InputError:
            return False
        found = self.directory()
        return found is not None and found.finished

    @property
    def protocol(self) -> Protocol:
        """How it is evaluated: a point of a grid only as far as it takes to see whether it is good enough."""
        usual = Protocol.of(self.spec.episodes).asking(self.setting.terms)
        if self.spec.few_targets:  # what passes other thresholds first is scored by its fresh episodes
            usual = replace(usual, thresholds=(self.setting.terms.threshold,))
        return usual if self.budget is None else replace(usual, target_episodes=0, other_episodes=0)

    def train(self, hooks: Hooks) -> Path:
        """Train it; see `experiment.train`. Raises LeftOut as `log` does."""
        dataset = self.log()
        run = experiment.train(
            self.spec if dataset is None else self.with_log(dataset),
            self.seed,
            self.setting.root,
            dataset=dataset,
            threads=self.setting.threads,
            device=self.device,
            protocol=self.protocol,
            command=self.setting.command,
            hooks=hooks,
        )
        return run.path


@dataclass(frozen=True)
class PlannedLog:
    """A log that is collected before the runs that learn from it."""

    source: CollectedLog
    seed: int
    setting: Setting

    def make(self, hooks: Hooks) -> Path:
        """Collect it; see `CollectedLog.make`."""
        return self.source.make(
            self.setting.root, self.seed, hooks.stop, lambda done, total: hooks.listener(done, total, "")
        )


def jobs_of(run: PlannedRun, before: Sequence[Job]) -> list[Job]:
    """The job of a run, and of collecting its log where no job `before` does."""
    source = run.source
    needs: tuple[tuple[str, int], ...] = ()
    if source is not None and source.trained and not isinstance(source, GivenLog):
        needs = ((source.maker.agent.name, run.seed),)
    collected = []
    if isinstance(source, CollectedLog):
        key = (f"log {source.recipe.label}", run.seed)
        if key not in [job.key for job in before]:
            collected.append(Job(key, PlannedLog(source, run.seed, run.setting), needs))
        needs = (key,)
    return [*collected, Job((run.name, run.seed), run, needs, gpus=int(run.device != "cpu"))]


def at_seed(job: Job, seed: int) -> Job:
    """The same job of another seed."""
    keys = cast(tuple[tuple[str, int], ...], (job.key, *job.needs))
    key, *needs = ((name, seed) for name, _ in keys)
    return Job(key, replace(job.payload, seed=seed), tuple(needs))


def runs_of(jobs: Sequence[Job]) -> list[PlannedRun]:
    """The trainings among jobs."""
    return [job.payload for job in jobs if isinstance(job.payload, PlannedRun)]
