"""Where the logs of a study come from: whose they are, of what quality, and how much of them is read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import gymnasium as gym
import numpy as np

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.data.collect import collect
from rlformer.data.cut import cut_log
from rlformer.data.dataset import Dataset
from rlformer.data.findings import Finding, elsewhere, find
from rlformer.data.folder import load, set_aside_damaged
from rlformer.data.loaders.base import Native
from rlformer.data.loaders.names import Choice
from rlformer.data.open import Progress, read_in_place
from rlformer.data.open import open_data as open_named
from rlformer.envs import cards as env_cards
from rlformer.envs import consent
from rlformer.envs.make import NOWHERE
from rlformer.envs.rollout import RandomPolicy, rollout
from rlformer.envs.vector import Environments
from rlformer.runs.directory import TRAJECTORIES, RunDirectory
from rlformer.runs.inputs import Cut, Recipe
from rlformer.runs.metrics import Throttle
from rlformer.runs.mistaken import instead, kind_of
from rlformer.runs.spec import RunSpec
from rlformer.studies.sources import open_source

UNKNOWN = "unknown-environment"  # of a log that names none
_PLAYED, _PLAYED_SECONDS = 2_000, 3.0  # steps in which a log's environment is looked at, and for how long
_MOST_COLLECTED = 100_000  # steps of a collected log, unless more are asked for


@dataclass(frozen=True)
class GivenLog:
    """A dataset on disk, the same for every seed."""

    path: Path
    cut: Cut = field(default_factory=Cut)
    made_here = False
    trained = False

    @property
    def recipe(self) -> Recipe:
        """What is read of it."""
        return Recipe(self.cut)

    @property
    def num_steps(self) -> int:
        """About how many of its steps are read; at "mid", which nobody knows before it is read, all."""
        whole = load(self.path, remember=True).num_steps
        known = {"share": self.cut.amount * whole, "steps": self.cut.amount}
        return int(min(known.get(self.cut.kind, whole), whole))

    def whole(self, root: Path, seed: int) -> Dataset:
        """Before it is cut."""
        return load(self.path, remember=True)


@dataclass(frozen=True)
class TrainingLog:
    """The training episodes of another run of the study, of the same seed."""

    maker: RunSpec
    recipe: Recipe
    made_here = True
    trained = True
    num_steps = None  # unknown before it is made: where it is cut depends on how well the training goes

    def whole(self, root: Path, seed: int) -> Dataset:
        """Before it is cut. Raises InputError where the training has kept none yet."""
        return load(RunDirectory.of(root, self.maker, seed).trajectories)


@dataclass(frozen=True)
class CollectedLog:
    """Episodes that the trained agent of the same seed plays for it, or uniform actions."""

    maker: RunSpec
    recipe: Recipe
    steps: int = 0  # 0: as many as the training, at most 100,000
    made_here = True

    @property
    def trained(self) -> bool:
        """Whether somebody has to be trained first."""
        return self.recipe.random_episodes < 1

    @property
    def num_steps(self) -> int:
        """How many steps are collected, at least."""
        return self.steps or min(int(self.maker.values.get("steps", _MOST_COLLECTED)), _MOST_COLLECTED)

    def folder(self, root: Path, seed: int) -> Path:
        """Where its episodes lie."""
        name = f"log-{files.slug(self.recipe.label)}-{self.num_steps}-{self.maker.hash}"
        return root / files.slug(self.maker.env.name) / name / f"seed-{seed}"

    def make(
        self, root: Path, seed: int, stop: Callable[[], bool] | None, progress: Callable[[int, int], None] | None
    ) -> Path:
        """Collect its episodes, continuing where an earlier attempt stopped. Raises Interrupted when `stop` says so.

        A log that was finished and damaged since is put aside and collected anew.
        """
        env = self.maker.env
        set_aside_damaged(self.folder(root, seed))
        source = open_source(str(RunDirectory.of(root, self.maker, seed).path) if self.trained else "random", env)
        collect(
            source.policy,
            env,
            self.folder(root, seed),
            seed=seed,
            steps=self.num_steps,
            epsilon=self.recipe.epsilon,
            random_episodes=self.recipe.random_episodes if self.trained else 0.0,
            provenance={**source.identity, "sampled": source.sampled},
            upstream_env_steps=source.env_steps_behind,
            upstream_cpu_seconds=source.cpu_seconds_behind,
            progress=progress,
            stop=stop,
        )
        return self.folder(root, seed)

    def whole(self, root: Path, seed: int) -> Dataset:
        """Before it is cut. Raises InputError where it has not been collected."""
        return load(self.folder(root, seed))


LogSource: TypeAlias = GivenLog | TrainingLog | CollectedLog


def read(source: LogSource, root: Path, seed: int, budget: float | None, env: EnvSpec) -> Dataset:
    """The log of a seed as an arm reads it, which must have been made. budget: of a data-scaling grid. env: what the
    arm is for. Raises LeftOut where the log has no such part, InputError where a cut leaves no episode.
    """
    whole = source.whole(root, seed)
    if not len(whole):
        raise InputError("the log holds no episode: none had ended")
    return cut_log(whole, replace(source.recipe, budget=budget), seed, env)


def open_data(
    source: str | Path,
    *,
    env: str | None = None,
    prefix: str | None = None,
    map: Mapping[str, str | Sequence[str]] | None = None,
    reward_column: int | None = None,
    keep: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """The log that a person names: our dataset, a run that kept its training, a Minari id or folder, HDF5, NPZ, CSV,
    Parquet.

    A log in another format is copied below `datasets/`, once; with `keep` False nothing is left of what is read.
    prefix: of a training log, how much of it: mid, full, a share of its steps, or a number of them. map: which columns
    hold what, where their names do not tell (docs/logs.md); reward_column: which of several rewards is meant, from 0.
    Raises InputError where `source` names no log, or one that is unsound.
    """
    choice = Choice.of(map, reward_column)
    text, nowhere, env = named(source), env == NOWHERE, None if env == NOWHERE else env
    spec = None if env is None else env_cards.environment(env)
    if keep:
        dataset = open_named(text, env=spec, progress=progress, choice=choice)
    else:
        dataset = read_in_place(text, env=spec, progress=progress, choice=choice)
    if prefix is None:
        return dataset
    return cut_log(dataset, Recipe(Cut.parse(prefix)), env=None if nowhere else spec or _own_env(dataset))


def named(source: str | Path) -> str:
    """The log that a person names, of a run the one that it kept. Raises InputError where a log can be made of it."""
    text = str(source)
    if (Path(text) / TRAJECTORIES).is_dir():
        text = str(Path(text) / TRAJECTORIES)
    if (meant := _no_log(text)) is not None:
        raise InputError(meant)
    return text


def _own_env(dataset: Dataset) -> EnvSpec | None:
    """What a log says that it is of; None where that is not to be believed."""
    try:
        return dataset_env(dataset)
    except InputError:
        return None


def open_study_log(data: str, env: str, maps: Sequence[str] | None, reward_column: int | None) -> Dataset:
    """The log that a study names, in the environment's spaces."""
    return open_data(data, env=env, map=Choice.parse(maps).columns, reward_column=reward_column)


def native_of(dataset: Dataset, env: str | None = None) -> Native | None:
    """The environment named, or the log's own; None where it cannot be made here."""
    found = _declared(dataset, env)
    return None if found is None else found[1]


def _named(dataset: Dataset, env: str | None) -> EnvSpec | None:
    if env == NOWHERE:
        return None
    try:
        return dataset_env(dataset) if env is None else env_cards.environment(env)
    except InputError:
        return None


def _declared(dataset: Dataset, env: str | None) -> tuple[EnvSpec, Native] | None:
    spec = _named(dataset, env)
    try:
        return None if spec is None else (spec, Native.of(spec))
    except InputError:
        return None


def held_against(dataset: Dataset, env: str | None = None) -> tuple[Native | None, list[Episode]]:
    """The environment that a log is held against, and some episodes of uniform actions there.

    It is the one named, or the log's own; None where it cannot be made here. Without a time limit nothing is played.
    """
    found = _declared(dataset, env)
    if found is None:
        return None, []
    spec, native = found
    if native.time_limit is None or native.time_limit > _PLAYED or native.spaces != dataset.info.spaces:
        return native, []
    try:
        return native, _played(spec)
    except Exception:  # whatever a user's environment raises is told where it is used
        return native, []


def _played(spec: EnvSpec) -> list[Episode]:
    environment = Environments(spec, 1)
    episodes: list[Episode] = []
    due = Throttle(_PLAYED_SECONDS)
    due()  # the first is at once
    try:
        for _, episode in rollout(environment, RandomPolicy(environment.actions), np.arange(_PLAYED)):
            episodes.append(episode)
            if sum(map(len, episodes)) >= _PLAYED or due():
                break
    finally:
        environment.close()
    return episodes


def doubts(dataset: Dataset, env: str | None = None) -> tuple[Finding, ...]:
    """What looks wrong with a log that others made, for whoever learns from it; of our own, whether it is of `env`."""
    if not {"import", "arrays"} & {*dataset.info.provenance, dataset.info.provenance.get("source")}:
        return () if env is None else tuple(elsewhere(dataset, _named(dataset, env)))
    return tuple(each for each in find(dataset, *held_against(dataset, env)) if each.told_when_opened)


def _no_log(text: str) -> str | None:
    """What a person named who wants a log, and the commands that make one of it; None: perhaps a log."""
    path, name = Path(text), shlex.quote(text)
    kind = kind_of(path)
    if kind == "run":
        plays = f"rlformer collect {name} --episodes 100 lets its policy make one"
        return f"{text}: the run kept no log of its training (--log-trajectories does); {plays}"
    if kind in ("runs", "report", "toml"):
        return f"{text}: no log, but {instead(path)}"
    if not path.exists() and (text in env_cards.environments() or text in gym.registry):
        makes = f"rlformer train-agent {name} --log-trajectories keeps one"
        plays = f"rlformer collect random --env {name} --episodes 100 plays one"
        return f"{text}: an environment, and no log: {makes}, {plays}"
    return None


def dataset_env(dataset: Dataset) -> EnvSpec:
    """The environment a log names; one that cannot be made where it names none.

    Raises InputError where it is described wrongly, or is in a module that nobody but the log asks to import.
    """
    name = dataset.info.env or UNKNOWN
    spec = env_cards.environment(name)
    definition = dataset.info.env_definition
    if definition and definition != spec.definition:
        known = {key: definition[key] for key in ("id", "kwargs", "wrappers") if key in definition}
        try:
            spec = EnvSpec.from_dict({"name": name, **known})
        except (TypeError, ValueError) as error:
            where = dataset.path or "the log"
            raise InputError(f"{where}: its environment is no description of one: {error}") from error
    module = consent.module_of(spec)
    if module not in ("", "rlformer") and spec.id not in {card.id for card in env_cards.environments().values()}:
        # A data file must not choose what is imported.
        instead = f"--env {name} if you trust it, or --env {NOWHERE} to train without evaluating"
        raise InputError(f"the log is of '{spec.id}', which imports '{module}': {instead}")
    return spec
