"""From a study to its runs: each is specified once, here, and its job carries the specification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rlformer.agents.cards import FEW_TARGETS, SMOKE, resolve
from rlformer.agents.learners import learner
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.probe import probe
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.budget import CutShort
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import Cut, Recipe
from rlformer.runs.spec import RunSpec
from rlformer.studies import arms, experiment, logs
from rlformer.studies.executors.local import Job
from rlformer.studies.logs import CollectedLog, GivenLog, LogSource, TrainingLog
from rlformer.studies.study import Grid, Study

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
    budget: float | None = None  # a share of the log: a point of the data-scaling grid
    device: str = "cpu"

    @property
    def name(self) -> str:
        """In the words of progress and of failures: the agent, and what tells it from its other runs."""
        recipe = None if self.source is None or isinstance(self.source, GivenLog) else self.source.recipe
        log = f" on {recipe.label}" if recipe is not None and recipe != _DEFAULT_LOG else ""
        return f"{self.spec.agent.name}{log}" + ("" if self.budget is None else f" with {self.budget:g} of the log")

    @property
    def recipe(self) -> Recipe | None:
        """How its log is made and cut, the share of a grid included; None without a log."""
        return None if self.source is None else replace(self.source.recipe, budget=self.budget)

    def with_log(self, dataset: Dataset) -> RunSpec:
        """Its specification with this log as its input."""
        assert self.source is not None
        return replace(self.spec, inputs=(log_input(dataset, self.source.made_here),))

    def log(self) -> Dataset | None:
        """The log that it learns from, which must have been made. Raises InputError where a cut leaves no episode."""
        if self.source is None:
            return None
        return logs.read(self.source, self.setting.root, self.seed, self.budget)

    def directory(self) -> RunDirectory | None:
        """Where its record lies, if it got far enough to have one."""
        try:
            dataset = self.log()
        except InputError:
            return None
        spec = self.spec if dataset is None else self.with_log(dataset)
        run = RunDirectory.of(self.setting.root, spec, self.seed)
        return run if (run.path / "record.json").is_file() else None

    def train(self, hooks: Hooks) -> Path:
        """Train it; see `experiment.train`."""
        dataset = self.log()
        run = experiment.train(
            self.spec if dataset is None else self.with_log(dataset),
            self.seed,
            self.setting.root,
            dataset=dataset,
            threads=self.setting.threads,
            device=self.device,
            protocol=Protocol.of(self.spec.episodes).asking(self.setting.terms),
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


@dataclass(frozen=True)
class Plan:
    """What `compare` will do."""

    env: EnvSpec
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: tuple[Job, ...] = field(repr=False)

    @property
    def runs(self) -> list[PlannedRun]:
        """The trainings among the jobs."""
        return [job.payload for job in self.jobs if isinstance(job.payload, PlannedRun)]


def plan(study: Study, *, dataset: Dataset | None = None, command: str | None = None) -> Plan:
    """Every run of the study, in the order they should begin, resolved.

    dataset: a whole one from disk, instead of what `study.log.data` names; without either, each seed's log comes from
    the training of an online agent with that seed, as `study.log` says, and each of several logs is learned from.
    command: what was typed, for the records. Raises InputError for what the caller can mend, before any training.
    """
    study.check()
    env = env_cards.environment(study.env)
    if study.time_limit is not None:
        env = replace(env, wrappers=(*env.wrappers, {"kind": "time_limit", "steps": study.time_limit}))
    actions = spaces_of(env).actions
    names = _names(study, env, actions)
    if study.log.data is None and (study.log.map or study.log.reward_column is not None):
        raise InputError("log.map and log.reward_column are about columns of your log: log.data names it")
    if dataset is None and study.log.data is not None:
        dataset = logs.open_study_log(study.log.data, study.env, study.log.map, study.log.reward_column)
    _check_log(study, dataset, env)
    maker = _maker(study, actions) if dataset is None and any(map(arms.needs_log, names)) else None
    trains = maker is not None and any(recipe.random_episodes < 1 for recipe in study.log.recipes)
    if trains and maker is not None and maker not in names:
        names = (maker, *names)
    specs = _specs(study, env, names, maker, trains)
    for name in names:  # what cannot work is found before anything is trained
        experiment.check(specs[name])
    probe(env)
    sources = _sources(study, dataset, specs[maker] if maker else None)
    order = arms.costly_first(names, maker if trains else None)
    setting = Setting(Path(study.runs).absolute(), study.threads, command, study.terms)
    seeds = tuple(range(study.seeds or arms.PROFILES[study.profile].seeds))
    devices = _devices(specs, study.device)
    firsts = [PlannedRun(specs[name], seed, setting, device=devices[name]) for name in order for seed in seeds]
    grid = _grid(study)
    scaled = arms.scaled(names, grid.arms, env, actions) if grid.budgets else ()
    if dataset is not None and scaled:
        for share in grid.budgets or ():
            logs.cut_log(dataset, Recipe(budget=share))
    jobs: list[Job] = []
    for run in firsts:
        name = run.spec.agent.name
        if not arms.needs_log(name):
            jobs.append(Job((run.name, run.seed), run))
            continue
        for source in sources:
            budgets: Iterable[float | None] = [None]
            if name in scaled and run.seed < grid.seeds:
                budgets = _budgets(source, sources, grid)
            for budget in budgets:
                jobs += _with_log(replace(run, source=source, budget=budget), jobs)
    return Plan(env, names, seeds, tuple(jobs))


def _maker(study: Study, actions: ActionSpec) -> str:
    """Whose training is the log, or who plays for it."""
    maker = study.log.agent or arms.first_online(actions)
    if not arms.steps_env(maker) or arms.needs_log(maker):
        raise InputError(f"a log comes from the training of an online agent, not of '{maker}'")
    return maker


def _specs(study: Study, env: EnvSpec, names: Sequence[str], maker: str | None, trains: bool) -> dict[str, RunSpec]:
    """The specification of each agent, without its log. trains: whether the maker is trained for a log."""
    known = tuple(dict.fromkeys((*names, *([] if maker is None else [maker]))))
    for agent, values in study.overrides.items():
        if agent not in known:
            given = f"{agent}.{values[0]}" if values else agent
            raise InputError(f"--set here takes agent.key=value with one of {', '.join(known)}, got '{given}'")
    found = {}
    for name in known:
        try:
            spec = resolve(
                env,
                name,
                study.overrides.get(name, ()),
                keeps_log=trains and name == maker,
                fitted=(study.fitted or {}).get(name, ()),
            )
        except InputError as error:
            raise InputError(f"set.{name}: {error}" if name in study.overrides else str(error)) from error
        found[name] = replace(
            spec, episodes=study.episodes, cut_short=_cut_short(study, spec), few_targets=study.profile in FEW_TARGETS
        )
    return found


def _cut_short(study: Study, spec: RunSpec) -> CutShort | None:
    """How its run is marked: a smoke test marks all, and what was fitted into a time nobody cut by hand."""
    found = spec.cut_short
    if study.profile == SMOKE:
        return replace(found or CutShort("smoke"), reason="smoke", minutes=study.max_minutes)
    key = learner(spec.agent.learner).steps_key
    by_hand = any(text.partition("=")[0].strip() == key for text in study.overrides.get(spec.agent.name, ()))
    if found is None or study.fitted is None or by_hand:
        return found
    return replace(found, reason="time", minutes=study.max_minutes)


def _names(study: Study, env: EnvSpec, actions: ActionSpec) -> tuple[str, ...]:
    """The agents; without interaction, those that learn from the log alone."""
    interaction = study.terms.interaction
    if study.arms is None:
        return arms.usual(study.profile, env, actions, interaction)
    names = arms.expand(study.arms, env, actions)
    steps = [] if interaction else [name for name in names if arms.steps_env(name)]
    if steps:
        raise InputError(f"no interaction leaves out what learns by stepping the environment: {', '.join(steps)}")
    return names


def _check_log(study: Study, dataset: Dataset | None, env: EnvSpec) -> None:
    if dataset is not None:
        if study.log.kinds is not None:
            raise InputError("--log says how to make a log, and --dataset gives one: choose one of them")
        if dataset.path is None or dataset.selection:
            raise InputError("compare takes a whole dataset from disk: cut it with log.prefix, or write it first")
        experiment.check_fit(dataset, env)
        _check_cuts(study, dataset)
        return
    if not study.terms.interaction:
        raise InputError("no interaction needs a log that exists: --dataset DATA")
    if study.log.kinds is not None and study.log.prefix is not None:
        raise InputError("log.kinds and log.prefix both say which log: --log prefix=0.5 says it in one")


def _check_cuts(study: Study, dataset: Dataset) -> None:
    """Raise InputError where a given log cannot be cut as the study says."""
    cut = Recipe(Cut.parse(study.log.prefix or "full"))
    for budget in (None, *(_grid(study).budgets or ())):
        try:
            kept = logs.cut_log(dataset, cut if budget is None else Recipe(budget=budget))
            if len(kept) < 2:
                raise InputError("that leaves one episode: two at least")
        except InputError as error:
            key = "log.prefix" if budget is None else "grid.budgets"
            raise InputError(f"{key}: {dataset.path}: {error}") from error


def _check_length(study: Study, maker: RunSpec) -> None:
    """Raise InputError where a prefix is longer than the training that it is of."""
    steps = maker.values.get("steps")
    for recipe in study.log.recipes:
        if not recipe.played and recipe.cut.kind == "steps" and steps is not None and recipe.cut.amount > steps:
            raise InputError(f"log.prefix: {recipe.cut.label} steps of a training of {steps}: a number up to that")


def _sources(study: Study, dataset: Dataset | None, maker: RunSpec | None) -> list[LogSource]:
    """The log of every seed; none where nobody learns from one."""
    if dataset is not None:
        assert dataset.path is not None
        return [GivenLog(dataset.path.absolute(), Cut.parse(study.log.prefix or "full"))]
    if maker is None:
        return []
    _check_length(study, maker)
    maker = replace(maker, keeps_log=True)
    return [
        CollectedLog(maker, recipe, study.log.steps) if recipe.played else TrainingLog(maker, recipe)
        for recipe in study.log.recipes
    ]


def _devices(specs: dict[str, RunSpec], device: str) -> dict[str, str]:
    """Where each agent computes: the device is of those that may use a GPU. Raises InputError where it is not here."""
    if device != "cpu":
        from rlformer.agents import devices

        device = str(devices.device(device))
    return {name: device if learner(spec.agent.learner).gpu else "cpu" for name, spec in specs.items()}


def _grid(study: Study) -> Grid:
    """With budgets: those of the study; where it asks for other arms alone, four doublings; or the profile's."""
    grid = study.grid
    if grid.budgets is None:
        usual = arms.PROFILES[study.profile].budgets
        return replace(grid, budgets=usual or ((0.125, 0.25, 0.5, 1.0) if grid.arms else ()))
    return grid


def _budgets(source: LogSource, sources: Sequence[LogSource], grid: Grid) -> Iterator[float | None]:
    """The shares of a log that an arm reads, all of it (None) among them.

    Of all the cuts of one training the first stands for it. All of a log that is an arm already is none of the shares.
    """
    yield None
    kin = (
        [other for other in sources if isinstance(other, TrainingLog)] if isinstance(source, TrainingLog) else [source]
    )
    if kin[0] != source:
        return
    whole = "full" in [other.recipe.cut.kind for other in kin]
    yield from (share for share in grid.budgets or () if share < 1 or not whole)


def _with_log(run: PlannedRun, before: Sequence[Job]) -> list[Job]:
    """The job of an offline run, and of collecting its log where no job `before` does."""
    source = run.source
    assert source is not None
    needs: tuple[tuple[str, int], ...] = ()
    if source.trained and not isinstance(source, GivenLog):
        needs = ((source.maker.agent.name, run.seed),)
    jobs = []
    if isinstance(source, CollectedLog):
        key = (f"log {source.recipe.label}", run.seed)
        if key not in [job.key for job in before]:
            jobs.append(Job(key, PlannedLog(source, run.seed, run.setting), needs))
        needs = (key,)
    return [*jobs, Job((run.name, run.seed), run, needs)]
