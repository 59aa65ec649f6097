"""Where the logs of a study come from: whose they are, of what quality, and how much of them is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from rlformer.core import files, seeding
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset, load, set_aside_damaged
from rlformer.data.open import Progress
from rlformer.data.open import open_data as open_named
from rlformer.data.prefix import mid_training
from rlformer.envs import cards as env_cards
from rlformer.envs.make import NOWHERE
from rlformer.runs.directory import TRAJECTORIES, RunDirectory
from rlformer.runs.inputs import Cut, Recipe
from rlformer.runs.spec import RunSpec
from rlformer.studies.sources import open_source

UNKNOWN = "unknown-environment"  # of a log that names none
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
            progress=progress,
            stop=stop,
        )
        return self.folder(root, seed)

    def whole(self, root: Path, seed: int) -> Dataset:
        """Before it is cut. Raises InputError where it has not been collected."""
        return load(self.folder(root, seed))


LogSource: TypeAlias = GivenLog | TrainingLog | CollectedLog


def read(source: LogSource, root: Path, seed: int, budget: float | None = None) -> Dataset:
    """The log of a seed as an arm reads it, which must have been made. budget: a share of it, of a data-scaling grid.

    Raises InputError where a cut leaves no episode.
    """
    whole, recipe = source.whole(root, seed), source.recipe
    if not len(whole):
        raise InputError("the log holds no episode: none had ended")
    if budget is not None and not recipe.played:
        recipe = Recipe()  # shares are of all of it
    return cut_log(whole, replace(recipe, budget=budget), seed)


def open_data(
    source: str | Path, *, env: str | None = None, prefix: str | None = None, progress: Progress | None = None
) -> Dataset:
    """The log that a person names: our dataset, a run that kept its training, a Minari id or folder, HDF5, NPZ.

    prefix: of a training log, how much of it: mid, full, a share of its steps, or a number of them. Raises InputError
    where `source` names no log.
    """
    text, env = str(source), None if env == NOWHERE else env
    if (Path(text) / TRAJECTORIES).is_dir():
        text = str(Path(text) / TRAJECTORIES)
    spec = None if env is None else env_cards.environment(env)
    dataset = open_named(text, env=spec, progress=progress)
    return dataset if prefix is None else cut_log(dataset, Recipe(Cut.parse(prefix)))


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


def cut_log(whole: Dataset, recipe: Recipe, seed: int = 0) -> Dataset:
    """What an arm reads of a whole log. seed: of the draw of a budget's episodes.

    A budget of a training is its beginning, of any other log whole episodes, each share within the larger ones. Raises
    InputError where a cut leaves no episode.
    """
    cut = whole if recipe.played else _cut(whole, recipe.cut)
    if recipe.budget not in (None, 1):
        if (whole.episodes["behaviour_steps"][whole.index] >= 0).all():
            cut = whole.prefix(int(recipe.budget * (whole.upstream_env_steps or whole.num_steps)))
        else:
            cut = whole.some(round(recipe.budget * whole.num_steps), seeding.generator(seed, "budget"))
        if len(cut) < 2:
            raise InputError(f"a share of {recipe.budget:g} of the log holds {len(cut)} whole episodes: two at least")
    return replace(cut, recipe=recipe)


def _cut(whole: Dataset, cut: Cut) -> Dataset:
    if cut.kind == "full":
        return whole
    if cut.kind == "mid":
        return mid_training(whole)
    steps = int(cut.amount * (whole.upstream_env_steps or 0) if cut.kind == "share" else cut.amount)
    prefix = whole.prefix(steps)
    if not len(prefix):
        raise InputError(f"no episode had ended {steps} steps into the training: a longer prefix is needed")
    return prefix
