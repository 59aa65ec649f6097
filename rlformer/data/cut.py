"""What an arm reads of a whole log: a cut of it, and of that a part where a data-scaling grid asks for one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import Dataset
from rlformer.data.prefix import mid_training, middle, on_grid
from rlformer.data.shards import maker_of
from rlformer.runs.inputs import Cut, Recipe, portion


class LeftOut(InputError):
    """A point of a data-scaling grid that a log does not have: it is no failure."""


def cut_log(whole: Dataset, recipe: Recipe, seed: int = 0, env: EnvSpec | None = None) -> Dataset:
    """What an arm reads of a whole log. seed: of the draw of a budget's episodes. env: whose card says where the middle
    of a training is; see `data.prefix.middle`.

    A budget of a training is a prefix of it, as many times as long as the cut, at the nearest point of the absolute
    grid of steps; of any other log whole episodes, each share within the larger ones. A log of several trainings is
    cut training by training. Raises LeftOut where the log has no such part, InputError where a cut leaves no episode.
    """
    trainings = [] if recipe.played or recipe == Recipe() else _trainings(whole)
    if len(trainings) > 1:
        cuts = [cut_log(training, recipe, seed, env) for training in trainings]
        kept = np.isin(whole.index, np.concatenate([cut.index for cut in cuts]))
        named = whole.select(np.flatnonzero(kept), f"of each of {len(cuts)} trainings {recipe.label}")
        return replace(named, recipe=recipe)
    cut = whole if recipe.played else _cut(whole, recipe.cut, env)
    if recipe.budget not in (None, 1):
        if not recipe.played and (whole.episodes["behaviour_steps"][whole.index] >= 0).all():
            cut = _beginning(whole, recipe.budget, _end(whole, recipe.cut, env))
        else:
            cut = _drawn(cut, recipe.budget, seeding.generator(seed, "budget"))
    return replace(cut, recipe=recipe)


def _trainings(whole: Dataset) -> list[Dataset]:
    """The episodes of each training whose log lies in shards among others'; none where one is no training's."""
    if not whole.shards or (whole.episodes["behaviour_steps"][whole.index] < 0).any():
        return []
    of_shard = np.repeat(np.arange(len(whole.shards)), [len(shard.episodes) for shard in whole.shards])[whole.index]
    makers = [maker_of(shard.info) or f"unknown {i}" for i, shard in enumerate(whole.shards)]
    maker = np.array(makers, object)[of_shard]
    return [whole.select(np.flatnonzero(maker == one), f"of {one}") for one in dict.fromkeys(maker.tolist())]


def _beginning(whole: Dataset, budget: float, end: int) -> Dataset:
    """A training up to so many times the step at which the log ends."""
    steps, taken = on_grid(budget * end), _taken(whole)
    if steps > taken:
        raise LeftOut(f"{portion(budget)} its {end:,} steps, at {steps:,}, is more than the training's {taken:,}")
    if budget < 1 and steps >= end:
        raise LeftOut(f"{portion(budget)} its {end:,} steps, at {steps:,}, is no less than all of it")
    return _two_at_least(whole.prefix(steps), budget)


def _drawn(log: Dataset, budget: float, rng: np.random.Generator) -> Dataset:
    """Whole episodes of a log that is no training."""
    if budget > 1:
        raise LeftOut(f"{portion(budget)} the log is more than it holds")
    return _two_at_least(log.some(round(budget * log.num_steps), rng), budget)


def _two_at_least(part: Dataset, budget: float) -> Dataset:
    if len(part) < 2:
        raise LeftOut(f"a share of {budget:g} of the log holds {len(part)} whole episodes: two at least")
    return part


def _taken(whole: Dataset) -> int:
    """The steps of the training that a log is; where nobody says, those until its last episode ended."""
    return whole.upstream_env_steps or int(whole.episodes["behaviour_steps"][whole.index].max(initial=0))


def _end(whole: Dataset, cut: Cut, env: EnvSpec | None) -> int:
    """The step of its training at which a log is cut."""
    if cut.kind == "mid":
        return middle(whole, env).step
    return int(cut.amount if cut.kind == "steps" else cut.amount * _taken(whole))


def _cut(whole: Dataset, cut: Cut, env: EnvSpec | None) -> Dataset:
    if cut.kind == "full":
        return whole
    if cut.kind == "mid":
        prefix, steps = mid_training(whole, env), middle(whole, env).step
    else:
        steps, taken = _end(whole, cut, env), whole.upstream_env_steps
        if taken and steps > taken:
            raise InputError(f"prefix {cut.label}: the log has the first {taken} steps of its training, and no more")
        prefix = whole.prefix(steps)
    if not len(prefix):
        raise InputError(f"no episode had ended {steps} steps into the training: use a longer prefix")
    return prefix
