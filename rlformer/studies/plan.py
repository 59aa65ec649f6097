"""From a study to its runs: each is specified once, here, and its job carries the specification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import Dataset
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.probe import probe
from rlformer.runs.inputs import Cut
from rlformer.runs.spec import RunSpec
from rlformer.studies import arms, experiment, logs, prefixes, specify, success
from rlformer.studies.executors.base import Job
from rlformer.studies.jobs import PlannedRun, Setting, at_seed, jobs_of, runs_of
from rlformer.studies.logs import CollectedLog, GivenLog, LogSource, TrainingLog
from rlformer.studies.stages import Stages, split
from rlformer.studies.study import Study


@dataclass(frozen=True)
class Plan:
    """What `compare` will do."""

    env: EnvSpec
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: tuple[Job, ...] = field(repr=False)  # of every arm on every seed, also those that only the best go on to
    selection: bool = True  # whether the first seeds choose who goes on

    @property
    def runs(self) -> list[PlannedRun]:
        """The trainings among the jobs."""
        return runs_of(self.jobs)

    @cached_property
    def stages(self) -> Stages:
        """The jobs in the order in which it is known whether they are made."""
        return self.staged(self.jobs)

    def staged(self, jobs: Sequence[Job]) -> Stages:
        """The stages of some of the jobs."""
        return split(jobs) if self.selection else Stages(tuple(jobs), ())

    def enlarged(self, seeds: int) -> Stages:
        """The stages if it had so many seeds, each like the first."""
        own = [job for job in self.jobs if job.payload.seed == self.seeds[0]]
        return self.staged([at_seed(job, seed) for job in own for seed in range(seeds)])


def plan(study: Study, *, dataset: Dataset | None = None, command: str | None = None, elsewhere: bool = False) -> Plan:
    """Every run of the study, in the order they should begin, resolved.

    dataset: a whole one from disk, instead of what `study.log.data` names; without either, each seed's log comes from
    the training of an online agent with that seed, as `study.log` says, and each of several logs is learned from.
    command: what was typed, for the records. elsewhere: the runs are made on other machines, so that whether a GPU is
    here says nothing. Raises InputError for what the caller can mend, before any training.
    """
    study.check()
    env = env_cards.environment(study.env)
    if study.time_limit is not None:
        env = replace(env, wrappers=(*env.wrappers, {"kind": "time_limit", "steps": study.time_limit}))
    actions = spaces_of(env).actions
    names = specify.names(study, env, actions)
    dataset = _given_log(study, dataset, env)
    maker = specify.maker(study, actions) if dataset is None and any(map(arms.needs_log, names)) else None
    trains = maker is not None and any(recipe.random_episodes < 1 for recipe in study.log.recipes)
    if trains and maker is not None and maker not in names:
        names = (maker, *names)
    known = tuple(dict.fromkeys((*names, *([] if maker is None else [maker]))))
    specs = specify.specs(study, env, known, maker if trains else None)
    for name in names:  # what cannot work is found before anything is trained
        experiment.check(specs[name])
    probe(env)
    success.check(study.terms, env)
    sources = _sources(study, dataset, specs[maker] if maker else None)
    devices = specify.devices(specs, study.device, elsewhere)
    setting = Setting(Path(study.runs).absolute(), study.threads, command, study.terms)
    seeds = tuple(range(study.seeds or arms.PROFILES[study.profile].seeds))
    firsts = [
        PlannedRun(specs[name], seed, setting, device=devices[name])
        for name in arms.costly_first(names, maker if trains else None)
        for seed in seeds
    ]
    read = [(source, prefixes.budgets(study, source, sources, dataset, env)) for source in sources]
    learners = prefixes.learners(study, names, env, actions)
    jobs: list[Job] = []
    for run in firsts:
        name, scales = run.spec.agent.name, study.grid.seeds is None or run.seed < study.grid.seeds
        for source, parts in read if arms.needs_log(name) else [(None, ())]:
            for budget in (None, *(parts if scales and name in learners else ())):
                jobs += jobs_of(replace(run, source=source, budget=budget), jobs)
    return Plan(env, names, seeds, tuple(jobs), study.selection)


def _given_log(study: Study, dataset: Dataset | None, env: EnvSpec) -> Dataset | None:
    """The log that the caller or the study gives, checked; None where the study makes its own."""
    if study.log.data is None and (study.log.map or study.log.reward_column is not None):
        raise InputError("log.map and log.reward_column choose columns of your log: set log.data")
    if dataset is None and study.log.data is not None:
        dataset = logs.open_study_log(study.log.data, study.env, study.log.map, study.log.reward_column)
    if dataset is None:
        if not study.terms.interaction:
            raise InputError("without interaction an existing log is needed: add --dataset DATA")
        if study.log.kinds is not None and study.log.prefix is not None:
            raise InputError("log.kinds and log.prefix both choose the log: give --log prefix=0.5 instead")
        return None
    if study.log.kinds is not None:
        raise InputError("give either --log, which makes a log, or --dataset, which uses your own")
    if dataset.path is None or dataset.selection:
        raise InputError("compare needs a whole dataset on disk: cut it with log.prefix, or write it first")
    experiment.check_fit(dataset, env)
    prefixes.check(study, dataset, env)
    return dataset


def _sources(study: Study, dataset: Dataset | None, maker: RunSpec | None) -> Sequence[LogSource]:
    """The log of every seed; none where nobody learns from one."""
    if dataset is not None:
        assert dataset.path is not None
        return [GivenLog(dataset.path.absolute(), Cut.parse(study.log.prefix or "full"))]
    if maker is None:
        return []
    steps = maker.values.get("steps")
    for recipe in study.log.recipes:
        if not recipe.played and recipe.cut.kind == "steps" and steps is not None and recipe.cut.amount > steps:
            raise InputError(f"log.prefix: {recipe.cut.label} steps of a training of {steps}: a number up to that")
    maker = replace(maker, keeps_log=True)
    return [
        CollectedLog(maker, recipe, study.log.steps) if recipe.played else TrainingLog(maker, recipe)
        for recipe in study.log.recipes
    ]
