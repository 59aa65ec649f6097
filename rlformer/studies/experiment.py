"""One run: train, evaluate, record; and what can be asked of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.agents import flops
from rlformer.agents.base import Learner, Task
from rlformer.agents.learners import learner as learner_kind
from rlformer.core import files, seeding
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Spaces
from rlformer.data import targets
from rlformer.data.checks import check_spaces
from rlformer.data.dataset import Dataset
from rlformer.envs import cards as env_cards
from rlformer.envs.make import NOWHERE, make, spaces_of
from rlformer.evaluator.measure.evaluation import Point, curve_point, evaluate, evaluate_targets, seconds_per_call
from rlformer.runs.directory import RunDirectory, RunSession
from rlformer.runs.spec import RunSpec

EVALUATION_SEED = 0  # the same episodes for every arm and every training seed: results are paired
_MOST_LOG_EPISODES = 10_000  # of the behaviour arm kept one by one
UNKNOWN = "unknown-environment"  # of a log that names none
TRAJECTORIES = "trajectories"  # the folder of a run that keeps its training episodes


@dataclass(frozen=True)
class Protocol:
    """How a run is evaluated."""

    episodes: int = 100  # at the end
    curve_episodes: int = 10  # at each point of the curve, on seeds of their own
    target_episodes: int = 20  # for each asked return
    sampled_episodes: int = 20  # of imitators that draw their actions instead of taking the likeliest
    num_envs: int = 64


def train(
    config: RunSpec,
    seed: int,
    root: Path,
    *,
    dataset: Dataset | None = None,
    threads: int = 1,
    device: str = "cpu",
    protocol: Protocol | None = None,
    command: str | None = None,
    stop: Callable[[], bool] | None = None,
    listener: Callable[[int, int, str], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> RunDirectory:
    """Train and evaluate one agent below `root`; continue an unfinished run, leave a finished one alone.

    A run whose record was damaged is put aside and made anew. device: where a sequence model is trained: cpu, cuda,
    cuda:N or auto; all others compute on the CPU. command: what was typed, for the record. stop: whether the user asked
    to stop. listener: hears how far it is. tell: hears remarks. Raises InputError for what the user can mend,
    Interrupted when `stop` said so. Any other error is recorded in the run, which counts as failed, and raised.
    """
    check(config)
    device = place(config.agent.name, config.agent.learner, device)
    check_data(config.agent.name, config.agent.learner, dataset)
    if dataset is not None:
        check_fit(dataset, config.env)
    run = RunDirectory.of(root, config, seed)
    damage = run.set_aside_damaged()
    if run.finished:
        if tell is not None:
            tell("it had finished before, and is left alone")
        return run
    with run.session(config, seed, stop, listener, tell) as log:
        if damage is not None:
            log.note(damage)
        log.record.command = log.record.command or command
        try:
            _train(config, seed, dataset, threads, device, protocol or Protocol(), log, run)
        except (Interrupted, KeyboardInterrupt):
            log.end("interrupted")
            raise Interrupted from None
        except Exception as error:
            log.end("failed", error=f"{type(error).__name__}: {' '.join(str(error).split())}")
            raise
    return run


def _train(
    config: RunSpec,
    seed: int,
    dataset: Dataset | None,
    threads: int,
    device: str,
    protocol: Protocol,
    log: RunSession,
    run: RunDirectory,
) -> None:
    playable = _playable(config, log)
    task = Task(
        env=config.env if playable else None,
        dataset=dataset,
        hyperparameters=config.values,
        seed=seed,
        threads=threads,
        device=device,
        log_trajectories=run.path / TRAJECTORIES if config.keeps_log else None,
        evaluate=_curve(config, seed, protocol) if playable else None,
    )
    learner = learner_kind(config.agent.learner).load()()
    cost = learner.fit(task, log)
    learner.save(run.checkpoints / "best")
    log.record.parameters, log.record.scales = learner.num_parameters, dict(learner.scales)
    with log.clock("evaluation"):
        if config.agent.learner == "behaviour":
            assert dataset is not None
            run.save_evaluation("final", _log_result(dataset, config.env))
        elif playable:
            _evaluate_finally(config, learner.policy(), learner.scales, dataset, protocol, log, run)
            if config.agent.learner == "sequence" and _spaces(config, dataset).actions.kind != "box":
                _evaluate_sampled(config, learner.policy(sample=True), learner.scales, protocol, run)
    log.spent(cost)
    spaces = _spaces(config, dataset)
    log.record.flops = flops.of_run(config, spaces.observation.size, spaces.actions, log.record)
    log.end("finished", cost)


def _spaces(config: RunSpec, dataset: Dataset | None) -> Spaces:
    """The log's, or the environment's."""
    if dataset is not None:
        return dataset.info.spaces
    return spaces_of(config.env)


def count_flops(run: RunDirectory) -> None:
    """Give the record of a finished run its operations, if it was made before they were counted.

    Raises InputError where the run's environment cannot be made: its shapes are not known then.
    """
    record, config = run.record, run.spec
    if record.status != "finished" or record.flops:
        return
    spaces = spaces_of(config.env)
    record.flops = flops.of_run(config, spaces.observation.size, spaces.actions, record)
    files.write_json(run.path / "record.json", record.to_dict())


def _evaluate_finally(
    config: RunSpec,
    policy: Policy,
    scales: Mapping[str, Any],
    dataset: Dataset | None,
    protocol: Protocol,
    log: RunSession,
    run: RunDirectory,
) -> None:
    env, agent = config.env, config.agent.name
    seeds = seeding.episode_seeds(EVALUATION_SEED, "evaluate", protocol.episodes)
    target = scales.get("target_return")
    result = evaluate(
        policy,
        env,
        seeds,
        name=agent,
        num_envs=protocol.num_envs,
        target_return=target,
        sampled=config.agent.learner == "random",
    )
    run.save_evaluation("final", result)
    if target is not None and dataset is not None:
        levels = {"target": target, "solved": env.solved_threshold}
        log.record.scales["coverage"] = {
            name: asdict(statistics.target_coverage(dataset.returns, level))
            for name, level in levels.items()
            if level is not None
        }
        asked = targets.grid(dataset.returns, target)
        some = seeding.episode_seeds(EVALUATION_SEED, "probe", protocol.target_episodes)
        achieved = evaluate_targets(policy, env, some, asked, name=agent, num_envs=protocol.num_envs)
        for i, answer in enumerate(achieved):
            run.save_evaluation(f"target-{i}", answer)
        if target > dataset.returns.max():
            log.note(f"target return {target:g} lies beyond the log's best ({dataset.returns.max():g}): extrapolation")
    shape = spaces_of(env).observation.shape
    log.record.inference_seconds = {str(n): seconds_per_call(policy, shape, n) for n in (1, 64)}


def _evaluate_sampled(
    config: RunSpec, policy: Policy, scales: Mapping[str, Any], protocol: Protocol, run: RunDirectory
) -> None:
    """The same policy drawing its actions, on the first of the same episodes.

    Imitation of a log whose actions are spread out may be good at that and bad at always taking the likeliest.
    """
    seeds = seeding.episode_seeds(EVALUATION_SEED, "evaluate", min(protocol.sampled_episodes, protocol.episodes))
    sampled = evaluate(
        policy,
        config.env,
        seeds,
        name=config.agent.name,
        num_envs=protocol.num_envs,
        target_return=scales.get("target_return"),
        sampled=True,
    )
    run.save_evaluation("sampled", sampled)


def _curve(config: RunSpec, seed: int, protocol: Protocol) -> Callable[[Policy], Point]:
    seeds, fresh = (seeding.episode_seeds(seed, stream, protocol.curve_episodes) for stream in ("curve", "confirm"))
    return lambda policy: curve_point(
        policy, config.env, seeds, fresh, name=config.agent.name, num_envs=protocol.num_envs
    )


def _playable(config: RunSpec, log: RunSession) -> bool:
    """Whether the environment can be made; a log alone can still be learned from."""
    if config.env.id == NOWHERE:
        log.note("not evaluated: no environment was given")
        return False
    if config.env.name == UNKNOWN:
        log.note("not evaluated: the log names no environment; --env does")
        return False
    try:
        make(config.env).close()
    except InputError as error:
        if "env" in learner_kind(config.agent.learner).needs:
            raise
        log.note(f"not evaluated: {error}")
        return False
    return True


def _log_result(dataset: Dataset, env: EnvSpec) -> EvalResult:
    """The log's own episodes in the form of an evaluation, evenly thinned where they are very many."""
    count = len(dataset)
    every = np.unique(np.linspace(0, count - 1, min(count, _MOST_LOG_EPISODES)).astype(np.int64))
    rows = dataset.episodes[dataset.index[every]]
    return EvalResult(
        env=env.name,
        policy="behaviour",
        seeds=rows["seed"],
        returns=dataset.returns[every],
        lengths=dataset.lengths[every],
        terminated=rows["terminated"],
        action_selection="sampled",
    )


def check(config: RunSpec) -> None:
    """Raise InputError where the values cannot be used or the learner cannot act in the environment."""
    learner_kind(config.agent.learner).load().check(config.env, config.values)


def place(agent: str, learner: str, device: str) -> str:
    """Where an agent computes that may on this device. Raises InputError where there is none or the learner cannot."""
    if device == "cpu":
        return device
    from rlformer.agents import devices

    found = devices.device(device)
    if learner == "sequence" or found.type == "cpu":
        return str(found)
    if device == "auto":
        return "cpu"
    raise InputError(f"--device {device}: agent '{agent}' computes on the CPU alone; leave --device out")


def check_data(agent: str, learner: str, dataset: Dataset | None) -> None:
    """Raise InputError where an agent lacks the log that it needs, or is given one that it does not."""
    if "log" in learner_kind(learner).needs and dataset is None:
        raise InputError(f"agent '{agent}' learns from a log: give it a dataset (rlformer train-transformer DATA)")
    if "log" not in learner_kind(learner).needs and dataset is not None:
        raise InputError(f"agent '{agent}' learns by interaction: it takes no dataset (rlformer train-agent ENV)")


def check_fit(dataset: Dataset, env: EnvSpec) -> None:
    """Raise InputError, with both shapes, where a log does not fit an environment that can be made."""
    try:
        spaces = spaces_of(env)
    except InputError:
        return
    check_spaces(dataset.info, env.name, spaces)


def dataset_env(dataset: Dataset) -> EnvSpec:
    """The environment a log names; one that cannot be made where it names none."""
    name = dataset.info.env or UNKNOWN
    spec = env_cards.environment(name)
    definition = dataset.info.env_definition
    if not definition or definition == spec.definition:
        definition = spec.definition
    module = definition["id"].partition(":")[0] if ":" in definition["id"] else "rlformer"
    if module != "rlformer" and definition["id"] not in {card.id for card in env_cards.environments().values()}:
        # A data file must not choose what is imported.
        instead = f"--env {name} if you trust it, or --env {NOWHERE} to train without evaluating"
        raise InputError(f"the log is of '{definition['id']}', which imports '{module}': {instead}")
    if definition == spec.definition:
        return spec
    return EnvSpec(
        name=name,
        id=definition["id"],
        kwargs=definition.get("kwargs", {}),
        wrappers=tuple(definition.get("wrappers", ())),
    )


def load_policy(path: Path, sample: bool = False) -> tuple[Policy, RunSpec]:
    """The trained policy of a finished run, and its configuration. Raises InputError where there is none."""
    learner, config = load_learner(path)
    return learner.policy(sample), config


def load_learner(path: Path) -> tuple[Learner, RunSpec]:
    """The trained agent of a finished run, and its configuration. Raises InputError where there is none."""
    run = RunDirectory.open(path)
    config = run.spec
    if not (run.checkpoints / "best").is_dir() and config.agent.learner != "behaviour":
        begun = f"; it goes on with: {run.record.command}" if run.record.command else ""
        raise InputError(f"{path}: the run has not finished and holds no trained policy yet{begun}")
    learner = learner_kind(config.agent.learner).load().load(run.checkpoints / "best", config.env, config.values)
    return learner, config
