"""Where the logs of a study come from: whose they are, of what quality, and how much of them is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlformer.core import files, seeding
from rlformer.core.errors import InputError
from rlformer.core.types import EnvSpec
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset, load
from rlformer.data.prefix import mid_training
from rlformer.runs.directory import RunDirectory
from rlformer.runs.spec import resolve
from rlformer.studies import experiment
from rlformer.studies.sources import open_source

_MOST_COLLECTED = 100_000  # steps of a collected log, unless more are asked for
_KINDS = "replay, prefix, prefix=SHARE, expert, mixed, random, epsilon=E"


@dataclass(frozen=True)
class Recipe:
    """How the log of each seed is made.

    Of a training (`played` false) the log is what happened during it, cut by `prefix`. Otherwise whole episodes are
    collected: the trained agent plays, in a share `random_episodes` of them somebody who knows nothing plays instead,
    and each step of the others is uniform with chance `epsilon`.
    """

    name: str
    prefix: str = "full"
    played: bool = False
    random_episodes: float = 0.0
    epsilon: float = 0.0


def recipe(text: str) -> Recipe:
    """What `--log` says. Raises InputError for anything else.

    >>> recipe("prefix").prefix, recipe("mixed").random_episodes, recipe("epsilon=.3").epsilon
    ('mid', 0.5, 0.3)
    """
    kind, equals, value = text.partition("=")
    share = _share(value) if value else None
    known = {
        "replay": Recipe(text),
        "prefix": Recipe(text, prefix=value or "mid"),
        "expert": Recipe(text, played=True),
        "mixed": Recipe(text, played=True, random_episodes=0.5),
        "random": Recipe(text, played=True, random_episodes=1.0),
        "epsilon": Recipe(text, played=True, epsilon=share or 0.0),
    }
    valued = kind in ("prefix", "epsilon") and share is not None
    if kind not in known or (kind == "epsilon" and not valued) or (equals and not valued):
        raise InputError(f"--log '{text}': one of {_KINDS}, with shares from 0 to 1")
    return known[kind]


@dataclass(frozen=True)
class Log:
    """The log of one seed of a study, before it is cut to a budget."""

    env: EnvSpec
    seed: int
    root: Path
    path: Path | None = None  # of a dataset that was given; the rest is then of no use
    prefix: str = "full"
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
        config = resolve(self.env, self.agent, self.overrides, log_trajectories=True)
        name = f"log-{files.slug(self.recipe.name)}-{self._num_steps}-{config.hash}"
        return self.root / files.slug(self.env.name) / name / f"seed-{self.seed}"

    @property
    def _maker(self) -> RunDirectory:
        config = resolve(self.env, self.agent, self.overrides, log_trajectories=True)
        return RunDirectory.of(self.root, config, self.seed)

    @property
    def _num_steps(self) -> int:
        trained = resolve(self.env, self.agent, self.overrides).hyperparameters["steps"]
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
            whole = load(self.path)
        else:
            whole = load(self.collected or self._maker.path / experiment.TRAJECTORIES)
            if self.recipe.played:
                whole = replace(whole, rule=self.recipe.name)
        if not len(whole):
            raise InputError("the log holds no episode: none had ended")
        if self.budget is None:
            return open_log(whole, self.prefix)
        return _budgeted(whole, self.budget, self.seed)


def open_log(dataset: Dataset, prefix: str) -> Dataset:
    """A training log cut as `prefix` says: mid, full, a share of its training steps, or a number of them."""
    if prefix == "full":
        return dataset
    if prefix == "mid":
        cut = mid_training(dataset)
    else:
        amount = check_prefix(prefix)
        steps = int(amount * (dataset.upstream_env_steps or 0) if amount <= 1 else amount)
        cut = dataset.prefix(steps)
        if not len(cut):
            raise InputError(f"no episode had ended {steps} steps into the training: a longer prefix is needed")
    return replace(cut, rule=prefix)


def check_prefix(prefix: str) -> float:
    """A prefix as a number. Raises InputError where it is neither a word that is known nor one."""
    if prefix in ("mid", "full"):
        return 1.0
    try:
        amount = float(prefix)
    except ValueError:
        amount = -1.0
    if not 0 < amount < math.inf or (amount > 1 and amount != int(amount)):
        raise InputError(f"prefix '{prefix}': mid, full, a share of the training such as 0.5, or a number of its steps")
    return amount


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


def _budgeted(whole: Dataset, share: float, seed: int) -> Dataset:
    """A share of a log: of a training its beginning, of any other whole episodes, each share within the larger ones."""
    if share == 1:
        return whole
    if (whole.episodes["behaviour_steps"][whole.index] >= 0).all():
        cut = whole.prefix(int(share * (whole.upstream_env_steps or whole.num_steps)))
    else:
        cut = whole.some(round(share * whole.num_steps), seeding.generator(seed, "budget"))
    if len(cut) < 2:
        raise InputError(f"a share of {share:g} of the log holds {len(cut)} whole episodes: two are the least")
    return replace(cut, rule=f"{whole.rule}, {share:g} of it")


def _share(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def listed(text: str) -> Sequence[Recipe]:
    """Several recipes, separated by commas: the quality of the log becomes an axis of the study."""
    return tuple(dict.fromkeys(recipe(part.strip()) for part in text.split(",")))
