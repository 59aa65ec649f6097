"""One run: train, measure, record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from rlformer.agents import flops
from rlformer.agents.base import LearnerKind, Task
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Spaces
from rlformer.data.checks import check_spaces
from rlformer.data.dataset import Dataset
from rlformer.data.folder import load
from rlformer.data.shards import exists
from rlformer.envs.make import NOWHERE, make, spaces_of
from rlformer.envs.native import NativeSpaces, native_spaces
from rlformer.envs.probe import probe
from rlformer.evaluator.measure.curve import CurveTest
from rlformer.evaluator.measure.kept import play_kept
from rlformer.evaluator.measure.protocol import Protocol, measure
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.session import RunSession
from rlformer.runs.spec import RunSpec
from rlformer.runs.waiting import in_line
from rlformer.studies.later import play_later
from rlformer.studies.logs import UNKNOWN


def train(
    spec: RunSpec,
    seed: int,
    root: Path,
    *,
    dataset: Dataset | None = None,
    threads: int = 1,
    device: str = "cpu",
    protocol: Protocol | None = None,
    command: str | None = None,
    hooks: Hooks | None = None,
) -> RunDirectory:
    """Train and evaluate one agent below `root`; continue an unfinished run, leave a finished one alone.

    A run of which a file was damaged is put aside and made anew. Where another process trains the run it is waited for,
    unless the hooks do not wait: then files.Busy is raised. device: where a learner trains that may use a GPU: cpu,
    cuda, cuda:N or auto; all others compute on the CPU. command: what was typed, for the record. Raises InputError for
    what the user can mend, Interrupted when the hooks said to stop. Any other error is recorded in the run, which
    counts as failed, and raised.
    """
    hooks = hooks or Hooks()
    check(spec)
    kind = learner_kind(spec.agent.learner)
    device = device_for(spec.agent.name, kind, device)
    check_data(spec.agent.name, kind, dataset)
    if "env" in kind.needs and (spec.env.id == NOWHERE or spec.env.name == UNKNOWN):
        raise InputError(f"agent '{spec.agent.name}' learns by interaction: give it an environment")
    if dataset is not None:
        check_fit(dataset, spec.env)
        if dataset.path is not None and exists(dataset.path):
            load(dataset.path, remember=True)  # read once if it was copied: whoever comes later need not
    run = RunDirectory.of(root, spec, seed)
    asked = protocol or Protocol.of(spec.episodes)
    kind.prepare()
    task = Task(
        env=spec.env,
        dataset=dataset,
        hyperparameters=spec.values,
        seed=seed,
        threads=threads,
        device=device,
        weights=None if spec.weights is None else Path(spec.weights.path),
        log_trajectories=run.trajectories if spec.keeps_log else None,
    )
    if not (run.path / "record.json").is_file():  # one that was begun says itself what is wrong
        kind.load().check_task(task)

    def work(log: RunSession) -> None:
        playable = _playable(spec, kind, log)
        seed_obeyed = _probed(spec, log) if playable else None
        _train(spec, kind, task if playable else replace(task, env=None), asked, log, run, seed_obeyed)

    later = partial(play_later, kind, spec, run, asked)
    in_line(lambda: _session(run, spec, seed, work, later, command, hooks), hooks)
    return run


def _session(
    run: RunDirectory,
    spec: RunSpec,
    seed: int,
    work: Callable[[RunSession], None],
    later: Callable[[], None],
    command: str | None,
    hooks: Hooks,
) -> None:
    """Do the work in the run, unless it has been done; the record says how it ended. later: of one that was done."""
    damage = run.set_aside_damaged() or _without_its_log(run, spec)
    if run.finished:
        later()
        hooks.tell("it had already finished and was not trained again")
        return
    with run.session(spec, seed, hooks) as log:
        if log.finished:
            hooks.tell("another process has finished it in the meantime")
            return
        if damage is not None:
            log.note(damage)
        log.record.command = log.record.command or command
        if not any(path.is_file() for path in (run.checkpoints / "last").glob("*")):
            log.rewind(0)  # whatever an earlier session did was not kept
        try:
            work(log)
        except (Interrupted, KeyboardInterrupt):
            log.end("interrupted")
            raise Interrupted from None
        except Exception as error:
            log.end("failed", error=f"{type(error).__name__}: {' '.join(str(error).split())}")
            raise


def _without_its_log(run: RunDirectory, spec: RunSpec) -> str | None:
    """Put a finished run aside whose own training log is lost or damaged; what was done, in words."""
    if not spec.keeps_log or not run.finished:
        return None
    try:
        load(run.trajectories, remember=True)
    except InputError as error:
        return run.set_aside(str(error))
    return None


def _train(
    spec: RunSpec,
    kind: LearnerKind,
    task: Task,
    protocol: Protocol,
    log: RunSession,
    run: RunDirectory,
    seed_obeyed: bool | None,
) -> None:
    if task.env is not None and protocol.curve_episodes:
        task = replace(task, evaluate=CurveTest(kind, spec, task.seed, protocol, log))
    learner = kind.load()()
    cost = learner.fit(task, log)
    learner.save(run.checkpoints / "best")
    if kind.acts:
        _native(task).save(run.checkpoints / "best")
    log.record.parameters, log.record.scales = learner.num_parameters, dict(learner.scales)
    with log.clock("evaluation"):
        measured = measure(kind, learner, spec, task.seed, task.dataset, protocol, playable=task.env is not None)
        evaluations = {**measured.evaluations, **play_kept(kind, spec, run.path, log.curve, protocol)}
    for name, result in evaluations.items():
        run.save_evaluation(name, replace(result, seed_obeyed=seed_obeyed))
        log.measured(result.env_steps if kind.acts else 0)
    if measured.coverage is not None:
        log.record.scales["coverage"] = {name: asdict(found) for name, found in measured.coverage.items()}
    log.record.inference_seconds = dict(measured.inference_seconds)
    for text in measured.notes:
        log.note(text)
    log.spent(cost)
    spaces = _spaces(spec, task.dataset)
    log.record.flops = flops.of_run(spec, spaces, log.record)
    log.end("finished", cost)


def _spaces(spec: RunSpec, dataset: Dataset | None) -> Spaces:
    """The log's, or the environment's."""
    return spaces_of(spec.env) if dataset is None else dataset.info.spaces


def _native(task: Task) -> NativeSpaces:
    """The environment's own spaces, or where it is not here, what its log says."""
    if task.env is not None:
        return native_spaces(task.env)
    assert task.dataset is not None
    return NativeSpaces.plain(task.dataset.info.spaces)


def _playable(spec: RunSpec, kind: LearnerKind, log: RunSession) -> bool:
    """Whether the environment can be made; a log alone can still be learned from."""
    if spec.env.id == NOWHERE:
        log.note("not evaluated: no environment was given")
        return False
    if spec.env.name == UNKNOWN:
        log.note("not evaluated: the log does not name its environment; use --env ENV")
        return False
    try:
        make(spec.env).close()
    except InputError as error:
        if "env" in kind.needs:
            raise
        log.note(f"not evaluated: {error}")
        return False
    return True


def _probed(spec: RunSpec, log: RunSession) -> bool:
    """Whether the environment obeys its seed; what else a few steps tell is noted. Raises InputError as `probe`."""
    with log.clock("evaluation"):
        found = probe(spec.env)
    for text in found.notes:
        log.note(text)
    return found.seed_obeyed


def check(spec: RunSpec) -> None:
    """Raise InputError where the values cannot be used or the learner cannot act in the environment."""
    learner_kind(spec.agent.learner).load().check(spec.env, spec.values)


def device_for(agent: str, kind: LearnerKind, device: str) -> str:
    """Where an agent computes that may on this device. Raises InputError where there is none or the learner cannot."""
    if device == "cpu":
        return device
    from rlformer.agents import devices

    found = devices.device(device)
    if kind.gpu or found.type == "cpu":
        return str(found)
    if device == "auto":
        return "cpu"
    raise InputError(f"--device {device}: agent '{agent}' computes only on the CPU; leave out --device")


def check_data(agent: str, kind: LearnerKind, dataset: Dataset | None) -> None:
    """Raise InputError where an agent lacks the log that it needs, or is given one that it does not."""
    if "log" in kind.needs and dataset is None:
        makes = "rlformer collect or train-agent ENV --log-trajectories creates one"
        raise InputError(f"agent '{agent}' learns from a log: add --dataset DATA; {makes}")
    if "log" not in kind.needs and dataset is not None:
        raise InputError(f"agent '{agent}' learns by interaction: it takes no dataset (rlformer train-agent ENV)")


def check_fit(dataset: Dataset, env: EnvSpec) -> None:
    """Raise InputError, with both shapes, where a log does not fit an environment that can be made, or where the names
    in its card do not.
    """
    try:
        spaces = spaces_of(env)
    except InputError:
        if _can_be_made(env):
            raise
        return
    check_spaces(dataset.info, env.name, spaces)


def _can_be_made(env: EnvSpec) -> bool:
    try:
        make(env).close()
    except InputError:
        return False
    return True
