"""Runs and other policies as cases to explain, one at a time or all runs of a study side by side; see `explain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlformer.agents.learners import learner
from rlformer.agents.online.normalization import Normalization
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.policy import Masked
from rlformer.core.records import EnvSpec
from rlformer.data.checks import check_spaces
from rlformer.data.cut import cut_log
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.data.folder import load
from rlformer.envs import consent
from rlformer.envs.make import spaces_of
from rlformer.evaluator.judge.terms import Terms
from rlformer.explain import making, parts
from rlformer.explain.case import Case
from rlformer.explain.parts import Explanation, PartCost, Surrogate
from rlformer.explain.parts.surrogate import saved_tree
from rlformer.explain.truth import log_with_distractors, with_distractors
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.studies import experiment
from rlformer.studies.executors.base import Event, Executor, Job
from rlformer.studies.executors.local import LocalProcesses, side_by_side
from rlformer.studies.sources import Source, open_source
from rlformer.studies.stopped import deployed_step, final_of

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Opened:
    """A case, and where its explanation goes."""

    case: Case
    folder: Path
    run: RunDirectory | None = None  # whose policy it is


def explain(
    opened: Opened,
    *,
    only: Sequence[str] | None = None,
    tree: Path | None = None,
    progress: Progress = lambda done, total, note: None,
    stop: Callable[[], bool] = lambda: False,
) -> Explanation:
    """Make the parts that are not there yet, and return all that were asked for.

    tree: a folder for the surrogate tree, as a policy; its part is made too. Raises InputError for a policy that scores
    no actions, an unknown part, or a log of another environment; Interrupted between two parts where `stop` says so.
    """
    if tree is not None and only is not None:
        only = (*only, "surrogate")
    made = making.make(opened.case, opened.folder, only=only, progress=progress, stop=stop)
    if tree is not None:
        saved_tree(opened.case, made.need(Surrogate)).save(tree)
    if opened.run is not None:
        _enter_costs(opened.run, opened.folder)
    return made


def _enter_costs(run: RunDirectory, folder: Path) -> None:
    """What explaining took so far goes into the run's record."""
    record = run.record
    record.times["explaining"] = round(parts.read(folder).seconds, 3)
    files.write_json(run.path / "record.json", record.to_dict())


def log_of(run: RunDirectory) -> Dataset | None:
    """The log that a run learned from, or that it kept of its own training; None where there is none any more."""
    read = run.spec.log
    if read is not None:
        if read.path is None or not Path(read.path).is_dir():
            return None
        log = cut_log(load(Path(read.path)), read.recipe, run.record.seed, run.spec.env)
        return log if log.hash == read.hash else None  # another one lies there now
    kept = run.trajectories
    return load(kept) if (kept / "dataset.json").is_file() else None


def open_run(
    path: Path,
    seed: int = 0,
    dataset: Dataset | None = None,
    env: EnvSpec | None = None,
    trust: bool = False,
    step: int | None = None,
) -> Opened:
    """A finished run as something to explain. dataset: instead of the run's own log. trust, step: see `open_source`.

    A log of its own with a single episode is left out. Raises InputError where the run holds no policy, or one that
    needs masks, or the dataset is of other spaces or a single episode.
    """
    if dataset is not None:
        _check_replaceable(dataset)
    run = RunDirectory.open(path)
    source, spec, record = open_source(str(path), env, trust=trust, step=step), run.spec, run.record
    _check_free(source, str(path))
    assert source.env is not None
    env = env or source.env
    source.check_acts_in(env)
    log = dataset if dataset is not None else _replaceable(log_of(run))
    if log is not None:
        check_spaces(log.info, env.name, spaces_of(env))
    case = _case(source, env, seed, log)
    if spec.log is not None:
        case = replace(case, imitates=True)
    if spec.env.definition == env.definition:
        measured = run.evaluations()
        asked = tuple(result for name, result in measured.items() if name.startswith("target-"))
        case = replace(case, final=final_of(run, step), asked=asked if step is None else ())
    if {"log_min", "log_max"} <= record.scales.keys():
        case = replace(case, log_range=(record.scales["log_min"], record.scales["log_max"]))
    return Opened(case, run.path / "explain", run)


def open_other(
    text: str,
    env: EnvSpec | None,
    seed: int = 0,
    dataset: Dataset | None = None,
    agent: str | None = None,
    trust: bool = False,
    folder: Path | None = None,
    normalized: Normalization = Normalization(),  # noqa: B008 - frozen
    warn: Callable[[str], None] = lambda text: None,
) -> Opened:
    """A policy that is no run of ours, as something to explain. Raises InputError where it names none, or the dataset
    is of other spaces or a single episode.
    """
    if dataset is not None:
        _check_replaceable(dataset)
    source = open_source(text, env, agent, trust=trust, normalized=normalized)
    for remark in source.remarks:
        warn(remark)
    _check_free(source, text)
    env = env or source.env
    if env is None:
        raise InputError("no environment is given: use --env ENV")
    if dataset is not None:
        check_spaces(dataset.info, env.name, spaces_of(env))
    name = files.slug("-".join(map(str, (env.name, *source.identity.values()))))
    return Opened(_case(source, env, seed, dataset), folder or Path("explanations") / name)


def _replaceable(log: Dataset | None) -> Dataset | None:
    """A log at whose states another of its episodes can take the place of each; None: there is none."""
    return None if log is None or len(log) < 2 else log


def _check_replaceable(log: Dataset) -> None:
    if _replaceable(log) is None:
        raise InputError(
            f"{log.path or 'the log'}: has one episode; an explanation replaces what is seen by what another episode "
            "shows, so give a log of two at least, or none"
        )


def _check_free(source: Source, text: str) -> None:
    """Raise InputError where a policy was trained with masks: what it prefers without any is never done."""
    if isinstance(source.policy, Masked) and source.policy.needs_masks:
        raise InputError(f"{text}: uses action masks of the environment, which explanations do not support")


def _case(source: Source, env: EnvSpec, seed: int, log: Dataset | None) -> Case:
    return Case(source.policy, source.identity, env, source.target_return, seed, log, sampled=source.sampled)


def distracted_run(
    path: Path,
    count: int,
    threads: int = 1,
    hooks: Hooks | None = None,
    env: EnvSpec | None = None,
    trust: bool = False,
) -> Path:
    """The counterpart of a run on the same task with `count` distractors, trained as it was; see `with_distractors`.

    An imitator learns from its own log with the distractors added to it. A finished counterpart is left alone.
    env, trust: who allows to import the module that the run names. Raises InputError where that log is not there any
    more.
    """
    run = RunDirectory.open(path)
    spec = run.spec
    env, dataset = with_distractors(consent.given(spec.env, env, trust), count), None
    if spec.log is not None:
        log = log_of(run)
        if log is None:
            raise InputError(f"{path}: its log is no longer at {spec.log.path}")
        dataset = log_with_distractors(log, env, count, run.record.seed)
    distracted = replace(spec, env=env, inputs=() if dataset is None else (log_input(dataset),))
    root = path.resolve().parents[2]
    return experiment.train(distracted, run.record.seed, root, dataset=dataset, threads=threads, hooks=hooks).path


def explain_runs(
    runs: Sequence[Path],
    *,
    terms: Terms,
    env: EnvSpec | None = None,
    jobs: int | None = None,
    threads: int = 1,
    root: Path = Path("runs"),
    executor: Executor | None = None,
    listen: Callable[[Event], None] = lambda event: None,
) -> None:
    """Explain the finished, trained runs of a study, side by side: of each the policy that is deployed on these terms.

    Beside the effects in its own episodes, a run that learned from no log has those at the states of the log that the
    others of its seed learned from: all effects are in the same units, which are that log's. A run that cannot be
    explained is told to `listen`, and the rest goes on. env: what they were made in, as the user named it. executor:
    where; None: `jobs` of so many threads on this machine, one a core by default.
    """
    found = [run for run in map(RunDirectory.open, runs) if run.finished and _explainable(run)]
    lenders: dict[int, Path] = {}
    for run in found:
        if run.spec.log is not None and run.spec.log.path:
            lenders.setdefault(run.record.seed, run.path)
    todo = []
    for run in found:
        lender = lenders.get(run.record.seed) if run.spec.log is None else None
        lender = None if lender is None else lender.absolute()  # a worker may stand elsewhere
        payload = _Explained(run.path.absolute(), deployed_step(run, terms), lender, env)
        todo.append(Job((run.spec.agent.name, run.record.seed), payload))
    listen(Event(None, "planned", len(todo)))
    executor = executor or LocalProcesses(jobs or side_by_side(threads), threads, root)
    for event in executor.run(_explain_run, todo):
        listen(event)


def _explainable(run: RunDirectory) -> bool:
    """Whether it learned something, from a whole log: those of a data-scaling grid are left out."""
    return learner(run.spec.agent.learner).learns and run.spec.budget is None


@dataclass(frozen=True)
class _Explained:
    """A run to be explained."""

    path: Path
    step: int | None  # of the kept policy; None: its last
    lender: Path | None  # the run whose log it is explained at
    env: EnvSpec | None


def _explain_run(asked: _Explained, stop: Callable[[], bool], progress: Progress) -> Mapping[str, PartCost]:
    """In a process of its own. Its answer is short: the parts are on disk."""
    dataset = None if asked.lender is None else _replaceable(log_of(RunDirectory.open(asked.lender)))
    opened = open_run(asked.path, dataset=dataset, env=asked.env, step=asked.step)
    made = explain(opened, progress=progress, stop=stop)
    return {part.part: part.cost for part in made}
