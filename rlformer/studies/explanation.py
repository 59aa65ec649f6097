"""Explain a policy: what it relies on, which explainers find it, what small tree could stand for it; see `explain`.

Each part is a JSON file of its own, so that an interrupted explanation goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted, unknown
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import Dataset, check_spaces, load
from rlformer.data.describe import log_input
from rlformer.envs import environments
from rlformer.explain.truth import log_with_distractors, with_distractors
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.studies import experiment, logs
from rlformer.studies.executors.local import Event, Job, LocalProcesses
from rlformer.studies.explanation_parts import NEEDS, PARTS, Explained, Maker
from rlformer.studies.sources import open_source

Progress = Callable[[int, int, str], None]


def explain(
    what: Explained,
    *,
    only: Sequence[str] | None = None,
    tree: Path | None = None,
    progress: Progress = lambda done, total, note: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make the parts that are not there yet, and return all that were asked for, by name.

    tree: a folder for the surrogate tree, as a policy. Raises InputError for a policy that scores no actions, an
    unknown part, or a log of another environment; Interrupted between two parts where `stop` says so.
    """
    asked = PARTS if only is None else only
    for part in asked:
        if part not in PARTS:
            raise unknown("part", part, PARTS)
    wanted = [p for p in PARTS if p in asked or any(p in _all_needs(other) for other in asked)]
    files.writable_directory(what.folder)
    with files.locked(what.folder / "lock", "explanation"):
        made = Maker(what)
        for number, part in enumerate(wanted):
            if stop():
                raise Interrupted
            progress(number, len(wanted), part)
            if not made.has(part) or (part == "surrogate" and tree is not None):
                made.make(part)
        progress(len(wanted), len(wanted), "")
        if tree is not None and (saved := made.tree) is not None:
            saved.save(tree)
        if what.run is not None:
            _enter_costs(what.run, what.folder)
        return {part: made.read(part) for part in wanted if part in asked}


def _all_needs(part: str) -> set[str]:
    direct = NEEDS.get(part, ())
    return {*direct, *(need for other in direct for need in _all_needs(other))}


def _enter_costs(run: RunDirectory, folder: Path) -> None:
    """What explaining took so far goes into the run's record: seconds, and steps beside those of learning."""
    made = (folder / f"{part}.json" for part in PARTS)  # a saved tree may lie in the same folder
    parts = [files.read_json(path) for path in made if path.exists()]
    record = run.record
    record.times["explaining"] = round(sum(part["cost"]["seconds"] for part in parts), 3)
    files.write_json(run.path / "record.json", record.to_dict())


def log_of(run: RunDirectory) -> Dataset | None:
    """The log that a run learned from, or that it kept of its own training; None where there is none any more."""
    read = run.spec.log
    if read is not None and read.path and Path(read.path).is_dir():
        log = logs.cut_log(load(Path(read.path)), read.recipe, run.record.seed)
        return log if log.hash == read.hash else None  # another one lies there now
    kept = run.trajectories
    return load(kept) if (kept / "dataset.json").is_file() else None


def open_run(path: Path, seed: int = 0, dataset: Dataset | None = None, env: EnvSpec | None = None) -> Explained:
    """A finished run as something to explain. dataset: instead of the run's own log.

    Raises InputError where the run holds no policy, or the dataset is of other spaces.
    """
    run = RunDirectory.open(path)
    source = open_source(str(path))
    spec = env or run.spec.env
    source.check_acts_in(spec)
    log = dataset if dataset is not None else log_of(run)
    if log is not None:
        check_spaces(log.info, spec.name, environments.spaces_of(spec))
    return Explained(source, spec, run.path / "explain", seed, run, log)


def distracted_run(path: Path, count: int, threads: int = 1, hooks: Hooks | None = None) -> Path:
    """The counterpart of a run on the same task with `count` distractors, trained as it was; see `with_distractors`.

    An imitator learns from its own log with the distractors added to it. A finished counterpart is left alone.
    """
    run = RunDirectory.open(path)
    config = run.spec
    env, dataset = with_distractors(config.env, count), None
    if config.log is not None:
        log = log_of(run)
        if log is None:
            raise InputError(f"{path}: its log is not at {config.log.path} any more")
        dataset = log_with_distractors(log, env, count, run.record.seed)
    told = replace(config, env=env, inputs=() if dataset is None else (log_input(dataset),))
    root = path.resolve().parents[2]
    return experiment.train(told, run.record.seed, root, dataset=dataset, threads=threads, hooks=hooks).path


def open_other(
    text: str,
    env: EnvSpec | None,
    seed: int = 0,
    dataset: Dataset | None = None,
    agent: str | None = None,
    trust: bool = False,
    folder: Path | None = None,
) -> Explained:
    """A policy that is no run of ours, as something to explain. Raises InputError where it names none."""
    source = open_source(text, env, agent, trust=trust)
    spec = env or source.env
    if spec is None:
        raise InputError("which environment? --env names it")
    if dataset is not None:
        check_spaces(dataset.info, spec.name, environments.spaces_of(spec))
    name = files.slug("-".join(map(str, (spec.name, *source.identity.values()))))
    return Explained(source, spec, folder or Path("explanations") / name, seed, None, dataset)


def explain_runs(
    runs: Sequence[Path],
    *,
    jobs: int | None = None,
    threads: int = 1,
    listen: Callable[[Event], None] = lambda event: None,
) -> None:
    """Explain the finished, trained runs of a study, side by side, at the same states.

    A run that learned from no log is explained at those of the log that the others of its seed learned from, so that
    all effects are in the same units. A run that cannot be explained is told to `listen`, and the rest goes on.
    """
    found = [run for run in map(RunDirectory.open, runs) if run.finished and _explainable(run)]
    lenders: dict[int, Path] = {}
    for run in found:
        if run.spec.log is not None and run.spec.log.path:
            lenders.setdefault(run.record.seed, run.path)
    todo = []
    for run in found:
        lender = lenders.get(run.record.seed) if run.spec.log is None else None
        todo.append(Job((run.spec.agent.name, run.record.seed), (run.path, lender)))
    listen(Event(None, "planned", len(todo)))
    for event in LocalProcesses(jobs or max(1, (os.cpu_count() or 1) // threads), threads).run(_explain_run, todo):
        listen(event)


def _explainable(run: RunDirectory) -> bool:
    """Whether it learned something, from a whole log: those of a data-scaling grid are left out."""
    config = run.spec
    return config.agent.learner not in ("random", "behaviour") and config.budget is None


def _explain_run(
    payload: tuple[Path, Path | None], stop: Callable[[], bool], progress: Callable[[int, int, str], None]
) -> Mapping[str, Any]:
    """In a process of its own. Its answer is short: the parts are on disk."""
    path, lender = payload
    dataset = None if lender is None else log_of(RunDirectory.open(lender))
    parts = explain(open_run(path, dataset=dataset), progress=progress, stop=stop)
    return {name: part["cost"] for name, part in parts.items()}
