"""The comparison: every arm on every seed, one ledger, one report."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlformer import catalogue, environments, experiment
from rlformer.config import resolve
from rlformer.data.dataset import Dataset, load
from rlformer.data.prefix import mid_training
from rlformer.errors import InputError
from rlformer.executor import Event, Job, LocalProcesses
from rlformer.learners import NEEDS
from rlformer.runs.directory import RunDirectory
from rlformer.types import EnvSpec

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "quick": {"seeds": 3, "arms": ("random", "behaviour", "bc", "bc-top", "dt", "online")},
    "standard": {
        "seeds": 10,
        "arms": (
            "random",
            "behaviour",
            "bc",
            "bc-top",
            "rvs",
            "dt-k1",
            "dt-no-rtg",
            "dt-lstm",
            "dt",
            "offline-rl",
            "online",
        ),
    },
}

# The arms behind "online", by kind of action space: those whose log the others learn from come first.
ONLINE: Mapping[str, tuple[str, ...]] = {
    "discrete": ("ppo", "dqn"),
    "box": ("ppo", "sac"),
    "multidiscrete": ("ppo", "a2c"),
    "multibinary": ("ppo", "a2c"),
}
# The arm behind "offline-rl".
OFFLINE_RL: Mapping[str, str] = {"discrete": "cql", "box": "td3-bc"}


@dataclass(frozen=True)
class Arm:
    """One run of a study, and where its log comes from."""

    env: EnvSpec
    agent: str
    seed: int
    root: Path
    overrides: tuple[str, ...] = ()
    dataset: Path | None = None
    log_of: str | None = None  # instead of a dataset: the agent whose training of the same seed is the log
    prefix: str = "full"  # how much of the log: mid, full, a share of its training's steps, or a number of them
    log_overrides: tuple[str, ...] = ()
    threads: int = 1
    command: str | None = None


@dataclass(frozen=True)
class Plan:
    """What `compare` will do."""

    env: EnvSpec
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: tuple[Job, ...] = field(repr=False)


def plan(
    env_name: str,
    *,
    profile: str = "quick",
    arms: Sequence[str] | None = None,
    seeds: int | None = None,
    dataset: Dataset | None = None,
    log_from: str = "ppo",
    prefix: str | None = None,
    overrides: Sequence[str] = (),
    root: Path = Path("runs"),
    threads: int = 1,
    command: str | None = None,
) -> Plan:
    """Every run of the comparison, in the order they should begin.

    dataset: a whole one from disk; without it, each seed's log is the training of `log_from` with that seed. prefix:
    how much of it, the whole of a dataset and "mid" of a training if nothing is said. arms: names of agents; "online"
    and "offline-rl" stand for those that fit the action space. overrides: "agent.key=value". A profile leaves out
    "offline-rl" where none fits. Raises InputError for an unknown profile, arm or key, where no offline RL fits though
    it was asked for, and where the log does not fit the environment.
    """
    if profile not in PROFILES:
        raise InputError(f"unknown profile '{profile}'; valid: {', '.join(PROFILES)}")
    env = catalogue.environment(env_name)
    _, actions = environments.spaces_of(env)
    if not arms:
        fits = actions.kind in OFFLINE_RL and actions.bounded
        arms = [arm for arm in PROFILES[profile]["arms"] if arm != "offline-rl" or fits]
    names = _expand(arms, actions.kind, env.name)
    count = PROFILES[profile]["seeds"] if seeds is None else seeds
    if count < 1:
        raise InputError(f"--seeds {count}: one at least")
    if dataset is not None:
        if dataset.path is None or dataset.selection:
            raise InputError("compare takes a whole dataset from disk: cut it with prefix, or write the episodes first")
        experiment.check_fit(dataset, env)
    prefix = prefix or ("full" if dataset is not None else "mid")
    offline = [name for name in names if "dataset" in NEEDS[catalogue.agent(name).learner]]
    if offline and dataset is None and log_from not in names:
        names = (log_from, *names)
    by_agent = _by_agent(overrides, names)
    for name in names:  # what cannot work is found before anything is trained
        experiment.check(resolve(env, name, by_agent.get(name, ())))
    _check_prefix(prefix)
    jobs = []
    for name in _costly_first(names, log_from):
        for seed in range(count):
            learns = name in offline
            arm = Arm(
                env=env,
                agent=name,
                seed=seed,
                root=root,
                overrides=by_agent.get(name, ()),
                dataset=dataset.path if learns and dataset is not None else None,
                log_of=log_from if learns and dataset is None else None,
                prefix=prefix,
                log_overrides=by_agent.get(log_from, ()),
                threads=threads,
                command=command,
            )
            needs = ((log_from, seed),) if arm.log_of else ()
            jobs.append(Job((name, seed), (arm, name == log_from and bool(offline) and dataset is None), needs))
    return Plan(env, tuple(names), tuple(range(count)), tuple(jobs))


@dataclass(frozen=True)
class Outcome:
    """What became of a plan."""

    runs: tuple[Path, ...]  # in the order of the plan, failed ones with a record among them
    failures: tuple[Mapping[str, Any], ...]  # agent, seed, reason: all that did not finish
    missing: tuple[Mapping[str, Any], ...]  # the same with env, of those that have no record


def execute(
    study: Plan,
    *,
    jobs: int | None = None,
    threads: int = 1,
    listen: Callable[[Event], None] = lambda event: None,
) -> Outcome:
    """Run a plan; a failed run does not stop the rest.

    Raises Interrupted on Ctrl-C; the same plan continues.
    """
    executor = LocalProcesses(jobs or max(1, (os.cpu_count() or 1) // threads), threads)
    found: dict[Any, Path] = {}
    reasons: dict[Any, str] = {}
    listen(Event(None, "planned", len(study.jobs)))
    for event in executor.run(_run_arm, study.jobs):
        if event.kind == "finished":
            found[event.key] = event.value
        elif event.kind in ("failed", "skipped"):
            reasons[event.key] = str(event.value)
        listen(event)
    for job in study.jobs:  # a failed run may have a record too
        if job.key in reasons and (path := _directory_of(job)) is not None:
            found[job.key] = path
    failures = [{"agent": agent, "seed": seed, "reason": reason} for (agent, seed), reason in reasons.items()]
    missing = [{"env": study.env.name, **f} for f in failures if (f["agent"], f["seed"]) not in found]
    return Outcome(tuple(found[job.key] for job in study.jobs if job.key in found), tuple(failures), tuple(missing))


def open_log(dataset: Dataset, prefix: str) -> Dataset:
    """A training log cut as `prefix` says: mid, full, a share of its training steps, or a number of them."""
    if prefix == "full":
        return dataset
    if prefix == "mid":
        cut = mid_training(dataset)
    else:
        amount = _check_prefix(prefix)
        steps = int(amount * (dataset.upstream_env_steps or 0) if amount <= 1 else amount)
        cut = dataset.prefix(steps)
        if not len(cut):
            raise InputError(f"no episode had ended {steps} steps into the training: a longer prefix is needed")
    return replace(cut, rule=prefix)


def _check_prefix(prefix: str) -> float:
    if prefix in ("mid", "full"):
        return 1.0
    try:
        amount = float(prefix)
    except ValueError:
        amount = -1.0
    if not 0 < amount < math.inf:
        raise InputError(f"prefix '{prefix}': mid, full, a share of the training such as 0.5, or a number of its steps")
    return amount


def _expand(arms: Sequence[str], kind: str, env_name: str) -> tuple[str, ...]:
    names: list[str] = []
    for arm in arms:
        if arm == "offline-rl" and kind not in OFFLINE_RL:
            acts = ", ".join(f"{agent} acts in {fitting}" for fitting, agent in OFFLINE_RL.items())
            raise InputError(f"no offline RL fits the {kind} actions of {env_name}: {acts}")
        groups = {"online": ONLINE[kind], "offline-rl": (OFFLINE_RL.get(kind, ""),)}
        names += groups.get(arm) or [catalogue.agent(arm).name]
    return tuple(dict.fromkeys(names))


def _costly_first(names: Sequence[str], log_from: str) -> list[str]:
    """The log's maker first, since others wait for it; then the long ones, so that no core idles at the end."""
    rank = {"sb3": 1, "offline": 2, "sequence": 2, "behaviour": 3, "random": 3}
    return sorted(names, key=lambda name: 0 if name == log_from else rank[catalogue.agent(name).learner])


def _by_agent(overrides: Sequence[str], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for override in overrides:
        agent, dot, rest = override.partition(".")
        if not dot or agent not in names:
            raise InputError(f"--set here takes agent.key=value with one of {', '.join(names)}, got '{override}'")
        found.setdefault(agent, []).append(rest)
    return {agent: tuple(values) for agent, values in found.items()}


def _run_arm(payload: tuple[Arm, bool], stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> Path:
    """In a process of its own: one run, from its arm."""
    arm, keep_log = payload
    dataset = _arm_log(arm)
    data = experiment.data_reference(dataset) if dataset is not None else None
    config = resolve(arm.env, arm.agent, arm.overrides, data, keep_log)
    run = experiment.train(
        config,
        arm.seed,
        arm.root,
        dataset=dataset,
        threads=arm.threads,
        command=arm.command,
        stop=stop,
        listener=progress,
    )
    return run.path


def _arm_log(arm: Arm) -> Dataset | None:
    if arm.dataset is not None:
        return open_log(load(arm.dataset), arm.prefix)
    if arm.log_of is None:
        return None
    config = resolve(arm.env, arm.log_of, arm.log_overrides, log_trajectories=True)
    source = RunDirectory.of(arm.root, config, arm.seed)
    return open_log(load(source.path / experiment.TRAJECTORIES), arm.prefix)


def _directory_of(job: Job) -> Path | None:
    """Where a job's record lies, if it got far enough to have one."""
    arm, keep_log = job.payload
    try:
        dataset = _arm_log(arm)
    except InputError:
        return None
    data = experiment.data_reference(dataset) if dataset is not None else None
    run = RunDirectory.of(arm.root, resolve(arm.env, arm.agent, arm.overrides, data, keep_log), arm.seed)
    return run.path if (run.path / "record.json").is_file() else None
