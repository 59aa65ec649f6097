"""The comparison: every arm on every seed, one ledger, one report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.agents.cards import resolve
from rlformer.agents.learners import learner
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.envs import cards as env_cards
from rlformer.envs import environments
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import Cut, Recipe
from rlformer.runs.missing import MissingRun
from rlformer.runs.spec import RunSpec
from rlformer.studies import experiment
from rlformer.studies.executors.local import Event, Job, LocalProcesses
from rlformer.studies.logs import Log

_LADDER = (
    "random", "behaviour", "bc", "bc-top", "rvs", "dt-k1", "dt-no-rtg", "dt-lstm", "dt", "offline-rl", "online",
)  # fmt: skip
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "quick": {"seeds": 3, "arms": ("random", "behaviour", "bc", "bc-top", "dt", "online")},
    "standard": {"seeds": 10, "arms": _LADDER},
    "full": {"seeds": 20, "arms": _LADDER, "budgets": (0.125, 0.25, 0.5, 1.0)},
}
_DEFAULT_LOG = Recipe(Cut("mid"))

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
    log: Log | None = None
    keeps_log: bool = False  # its training is the log of others
    threads: int = 1
    command: str | None = None
    device: str = "cpu"

    @property
    def name(self) -> str:
        """In the words of progress and of failures: the agent, and what tells it from its other runs."""
        recipe, budget = (self.log.recipe, self.log.budget) if self.log else (None, None)
        told = f" on {recipe.label}" if recipe is not None and recipe != _DEFAULT_LOG else ""
        return f"{self.agent}{told}" + ("" if budget is None else f" with {budget:g} of the log")


@dataclass(frozen=True)
class Grid:
    """The data-scaling grid: shares of the log, who learns from them, and on how many seeds."""

    budgets: tuple[float, ...] = ()
    arms: tuple[str, ...] = ("dt", "bc-top", "offline-rl")  # those of them that the study has
    seeds: int = 5  # at most


@dataclass(frozen=True)
class Plan:
    """What `compare` will do."""

    env: EnvSpec
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: tuple[Job, ...] = field(repr=False)

    @property
    def runs(self) -> list[Arm]:
        """The trainings among the jobs."""
        return [job.payload for job in self.jobs if isinstance(job.payload, Arm)]


def plan(
    env_name: str,
    *,
    profile: str = "quick",
    arms: Sequence[str] | None = None,
    seeds: int | None = None,
    dataset: Dataset | None = None,
    log_from: str = "ppo",
    logs: Sequence[Recipe] = (),
    log_steps: int = 0,
    prefix: str | None = None,
    grid: Grid | None = None,
    interaction: bool = True,
    overrides: Sequence[str] = (),
    root: Path = Path("runs"),
    threads: int = 1,
    device: str = "cpu",
    command: str | None = None,
) -> Plan:
    """Every run of the comparison, in the order they should begin.

    dataset: a whole one from disk; without it, each seed's log comes from the training of `log_from` with that seed, as
    `logs` say, by default the first half of its learning; each of several logs is learned from. log_steps: of collected
    ones. prefix: how much of a dataset or of a training, instead. grid: by default that of the profile. interaction:
    whether anything may step the environment in order to learn. arms: names of agents; "online" and "offline-rl" stand
    for those that fit the action space. overrides: "agent.key=value". device: of the sequence models. A profile leaves
    out "offline-rl" where none fits. Raises InputError for an unknown profile, arm or key, where no offline RL fits
    though it was asked for, and where the log does not fit the environment.
    """
    if profile not in PROFILES:
        raise InputError(f"unknown profile '{profile}'; valid: {', '.join(PROFILES)}")
    env = env_cards.environment(env_name)
    actions = environments.spaces_of(env).actions
    names = _chosen(profile, arms, interaction, actions, env.name)
    count = PROFILES[profile]["seeds"] if seeds is None else seeds
    if count < 1:
        raise InputError(f"--seeds {count}: one at least")
    recipes = _recipes(dataset, logs, prefix, interaction)
    if dataset is not None:
        if dataset.path is None or dataset.selection:
            raise InputError("compare takes a whole dataset from disk: cut it with prefix, or write the episodes first")
        experiment.check_fit(dataset, env)
    offline = [name for name in names if "log" in learner(agent_cards.agent(name).learner).needs]
    needs_training = bool(offline) and any(recipe is not None and recipe.random_episodes < 1 for recipe in recipes)
    if needs_training and log_from not in names:
        names = (log_from, *names)
    if needs_training and agent_cards.agent(log_from).learner != "sb3":
        raise InputError(f"a log comes from the training of an online agent, not of '{log_from}'")
    by_agent = _by_agent(overrides, names)
    for name in names:  # what cannot work is found before anything is trained
        experiment.check(resolve(env, name, by_agent.get(name, ())))
    of_sequences = experiment.place("dt", "sequence", device)
    cut = Cut.parse(prefix or "full")
    grid = Grid(PROFILES[profile].get("budgets", ())) if grid is None else grid
    scaled = [n for n in names if n in _expand(_fitting(grid.arms, actions), actions.kind, env.name)]
    places = {n: of_sequences if agent_cards.agent(n).learner == "sequence" else "cpu" for n in names}
    jobs: list[Job] = []
    for name in _costly_first(names, log_from):
        for seed in range(count):
            keeps_log = name == log_from and needs_training
            arm = Arm(env, name, seed, root, by_agent.get(name, ()), None, keeps_log, threads, command, places[name])
            if name not in offline:
                jobs.append(Job((arm.name, seed), arm))
                continue
            for recipe in recipes:
                path = dataset.path if dataset else None
                log = Log(env, seed, root, path, cut, recipe, log_from, by_agent.get(log_from, ()), log_steps)
                shares: list[float | None] = [None]
                if name in scaled and seed < grid.seeds and recipe in _parents(recipes):
                    kin = [r for r in recipes if r is None or r.played == log.collects]
                    whole = "full" in [cut.kind if r is None else r.cut.kind for r in kin]
                    shares += [share for share in grid.budgets if share < 1 or not whole]  # all of it is an arm itself
                for share in shares:
                    jobs += _with_log(replace(arm, log=replace(log, budget=share)), jobs)
    return Plan(env, tuple(names), tuple(range(count)), tuple(jobs))


def _parents(recipes: Sequence[Recipe | None]) -> list[Recipe | None]:
    """Whose logs a grid takes its shares of: of all the cuts of one training the first stands for it."""
    trainings = [recipe for recipe in recipes if recipe is not None and not recipe.played]
    return [recipe for recipe in recipes if recipe not in trainings[1:]]


def _with_log(arm: Arm, before: Sequence[Job]) -> list[Job]:
    """The job of an offline arm, and of collecting its log where no job `before` does."""
    assert arm.log is not None
    whole = replace(arm.log, budget=None)
    assert whole.recipe is not None or whole.path is not None
    needs: tuple[tuple[str, int], ...] = ((whole.agent, arm.seed),) if whole.trained else ()
    jobs = []
    if whole.collected is not None and whole.recipe is not None:
        key = (f"log {whole.recipe.label}", arm.seed)
        if key not in [job.key for job in before]:
            jobs.append(Job(key, whole, needs))
        needs = (key,)
    return [*jobs, Job((arm.name, arm.seed), arm, needs)]


def _recipes(
    dataset: Dataset | None, logs: Sequence[Recipe], prefix: str | None, interaction: bool
) -> Sequence[Recipe | None]:
    """How the log of every seed is made; None where it is given."""
    if dataset is not None:
        if logs:
            raise InputError("--log says how to make a log, and --dataset gives one: choose one of them")
        return (None,)
    if not interaction:
        raise InputError("--no-interaction needs a log that exists: --dataset DATA")
    if logs and prefix is not None:
        raise InputError("--log and --prefix both say which log: --log prefix=0.5 says it in one")
    return logs or ((_DEFAULT_LOG if prefix is None else Recipe(Cut.parse(prefix))),)


def _chosen(
    profile: str, arms: Sequence[str] | None, interaction: bool, actions: ActionSpec, env_name: str
) -> tuple[str, ...]:
    """The names of the arms; without interaction, those that learn from the log alone, offline RL among them."""
    if arms is not None and not arms:
        raise InputError("--arms names no arm")
    usual = PROFILES[profile]["arms"] if interaction else (*PROFILES[profile]["arms"], "offline-rl")
    asked = _fitting(usual, actions) if arms is None else arms
    names = _expand(asked, actions.kind, env_name)
    if interaction:
        return names
    steps = [name for name in names if agent_cards.agent(name).learner == "sb3"]
    if arms and steps:
        raise InputError(f"--no-interaction leaves out what learns by stepping the environment: {', '.join(steps)}")
    return tuple(name for name in names if name not in steps)


def _fitting(arms: Sequence[str], actions: ActionSpec) -> list[str]:
    """Without "offline-rl" where none acts in these actions."""
    fits = actions.kind in OFFLINE_RL and actions.bounded
    return [arm for arm in arms if arm != "offline-rl" or fits]


@dataclass(frozen=True)
class Outcome:
    """What became of a plan."""

    runs: tuple[Path, ...]  # in the order of the plan, failed ones with a record among them
    failures: tuple[Mapping[str, Any], ...]  # agent, seed, reason: all that did not finish
    missing: tuple[MissingRun, ...]  # those of them that have no record


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
    for event in executor.run(_work, study.jobs):
        if event.kind == "finished":
            found[event.key] = event.value
        elif event.kind in ("failed", "skipped"):
            reasons[event.key] = str(event.value)
        listen(event)
    runs = [job for job in study.jobs if isinstance(job.payload, Arm)]
    for job in runs:  # a failed run may have a record too
        if job.key in reasons and (path := _directory_of(job.payload)) is not None:
            found[job.key] = path
    lost = [(job, {"agent": job.payload.name, "seed": job.payload.seed, "reason": reasons[job.key]})
            for job in runs if job.key in reasons]  # fmt: skip
    missing = [_missing(study.env.name, job.payload, reasons[job.key]) for job, _ in lost if job.key not in found]
    paths = tuple(found[job.key] for job in runs if job.key in found)
    return Outcome(paths, tuple(failure for _, failure in lost), tuple(missing))


def _missing(env: str, arm: Arm, reason: str) -> MissingRun:
    recipe = None
    if arm.log is not None:
        given = arm.log.recipe or Recipe()
        recipe = replace(given, cut=given.cut if arm.log.path is None else arm.log.cut, budget=arm.log.budget)
    return MissingRun(env, arm.agent, arm.seed, reason, arm.name, recipe)


def _expand(arms: Sequence[str], kind: str, env_name: str) -> tuple[str, ...]:
    names: list[str] = []
    for arm in arms:
        if arm == "offline-rl" and kind not in OFFLINE_RL:
            acts = ", ".join(f"{agent} acts in {fitting}" for fitting, agent in OFFLINE_RL.items())
            raise InputError(f"no offline RL fits the {kind} actions of {env_name}: {acts}")
        groups = {"online": ONLINE[kind], "offline-rl": (OFFLINE_RL.get(kind, ""),)}
        names += groups.get(arm) or [agent_cards.agent(arm).name]
    return tuple(dict.fromkeys(names))


def _costly_first(names: Sequence[str], log_from: str) -> list[str]:
    """The log's maker first, since others wait for it; then the long ones, so that no core idles at the end."""
    rank = {"sb3": 1, "offline": 2, "sequence": 2, "behaviour": 3, "random": 3}
    return sorted(names, key=lambda name: 0 if name == log_from else rank[agent_cards.agent(name).learner])


def _by_agent(overrides: Sequence[str], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for override in overrides:
        agent, dot, rest = override.partition(".")
        if not dot or agent not in names:
            raise InputError(f"--set here takes agent.key=value with one of {', '.join(names)}, got '{override}'")
        found.setdefault(agent, []).append(rest)
    return {agent: tuple(values) for agent, values in found.items()}


def _work(payload: Arm | Log, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> Path:
    """In a process of its own: one run, or one log that others wait for."""
    if isinstance(payload, Log):
        return payload.make(stop, lambda done, total: progress(done, total, ""))
    arm, dataset = payload, payload.log.open() if payload.log else None
    run = experiment.train(
        _config(arm, dataset),
        arm.seed,
        arm.root,
        dataset=dataset,
        threads=arm.threads,
        device=arm.device,
        command=arm.command,
        stop=stop,
        listener=progress,
    )
    return run.path


def _config(arm: Arm, dataset: Dataset | None) -> RunSpec:
    made_here = arm.log is not None and arm.log.recipe is not None
    inputs = (log_input(dataset, made_here),) if dataset is not None else ()
    return resolve(arm.env, arm.agent, arm.overrides, inputs, arm.keeps_log)


def _directory_of(arm: Arm) -> Path | None:
    """Where a run's record lies, if it got far enough to have one."""
    try:
        dataset = arm.log.open() if arm.log else None
    except InputError:
        return None
    run = RunDirectory.of(arm.root, _config(arm, dataset), arm.seed)
    return run.path if (run.path / "record.json").is_file() else None
