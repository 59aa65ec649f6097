"""Where the logs of a study come from: whose they are, of what quality, and how much of them is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rlformer.agents.cards import resolve
from rlformer.core import files, seeding
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset, load
from rlformer.data.prefix import mid_training
from rlformer.runs.directory import RunDirectory
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import experiment
from rlformer.studies.sources import open_source

_MOST_COLLECTED = 100_000  # steps of a collected log, unless more are asked for


@dataclass(frozen=True)
class Log:
    """The log of one seed of a study, before it is cut to a budget."""

    env: EnvSpec
    seed: int
    root: Path
    path: Path | None = None  # of a dataset that was given; the rest is then of no use
    cut: Cut = field(default_factory=Cut)  # of a given one
    recipe: Recipe | None = None
    agent: str = "ppo"  # who is trained, and plays
    overrides: tuple[str, ...] = ()
    steps: int = 0  # of a collected log; 0: as many as the training, at most 100,000
    budget: float | None = None  # a share of the log: a point of the data-scaling grid

    @property
    def collects(self) -> bool:
        """Whether its episodes are collected for it."""
        return self.recipe is not None and self.recipe.played

    @property
    def trained(self) -> bool:
        """Whether somebody has to be trained first."""
        return self.recipe is not None and self.recipe.random_episodes < 1

    @property
    def collected(self) -> Path | None:
        """The folder of its episodes, where they are collected for it."""
        if self.recipe is None or not self.recipe.played:
            return None
        config = resolve(self.env, self.agent, self.overrides, keeps_log=True)
        name = f"log-{files.slug(self.recipe.label)}-{self._num_steps}-{config.hash}"
        return self.root / files.slug(self.env.name) / name / f"seed-{self.seed}"

    @property
    def _maker(self) -> RunDirectory:
        config = resolve(self.env, self.agent, self.overrides, keeps_log=True)
        return RunDirectory.of(self.root, config, self.seed)

    @property
    def _num_steps(self) -> int:
        trained = resolve(self.env, self.agent, self.overrides).values["steps"]
        return self.steps or min(int(trained), _MOST_COLLECTED)

    def make(self, stop: Callable[[], bool], progress: Callable[[int, int], None]) -> Path:
        """Collect its episodes, continuing where an earlier attempt stopped. Raises Interrupted when `stop` says so."""
        assert self.recipe is not None
        assert self.collected is not None
        source = open_source(str(self._maker.path) if self.trained else "random", self.env)
        collect(
            source.policy,
            self.env,
            self.collected,
            seed=self.seed,
            steps=self._num_steps,
            epsilon=self.recipe.epsilon,
            random_episodes=self.recipe.random_episodes if self.trained else 0.0,
            provenance={**source.identity, "sampled": source.sampled},
            upstream_env_steps=source.env_steps_behind,
            progress=progress,
            stop=stop,
        )
        return self.collected

    def open(self) -> Dataset:
        """The log as an arm reads it, which must have been made. Raises InputError where a cut leaves no episode."""
        if self.recipe is None:
            assert self.path is not None
            whole, recipe = load(self.path), Recipe(self.cut)
        else:
            whole, recipe = load(self.collected or self._maker.path / experiment.TRAJECTORIES), self.recipe
        if not len(whole):
            raise InputError("the log holds no episode: none had ended")
        if self.budget is not None and not recipe.played:
            recipe = Recipe()  # shares are of all of it
        return cut_log(whole, replace(recipe, budget=self.budget), self.seed)


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


def budgets(text: str) -> tuple[float, ...]:
    """The data-scaling grid as `--budgets` says it: shares of the log, or how many doublings end at all of it.

    Raises InputError for anything else.

    >>> budgets("4"), budgets("0.5,1")
    ((0.125, 0.25, 0.5, 1.0), (0.5, 1.0))
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and numbers[0] in range(2, 13):
        return tuple(2.0**-i for i in reversed(range(int(numbers[0]))))
    if not numbers or not all(0 < number <= 1 for number in numbers):
        raise InputError(f"--budgets '{text}': 2 to 12 doublings, or shares of the log such as 0.125,0.25,0.5,1")
    return tuple(sorted(set(numbers)))


def listed(text: str) -> Sequence[Recipe]:
    """Several recipes, separated by commas: the quality of the log becomes an axis of the study."""
    return tuple(dict.fromkeys(Recipe.parse(part.strip()) for part in text.split(",")))
