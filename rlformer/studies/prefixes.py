"""The data-scaling grid of a study: how much of a log its arms learn from besides all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.data.cut import LeftOut, cut_log
from rlformer.data.dataset import Dataset
from rlformer.data.prefix import on_grid
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import arms
from rlformer.studies.logs import LogSource, TrainingLog
from rlformer.studies.study import Study

_DOUBLINGS = (0.125, 0.25, 0.5)  # where arms of a grid are named and no profile says how much they read


def learners(study: Study, names: Sequence[str], env: EnvSpec, actions: ActionSpec) -> tuple[str, ...]:
    """Who among the arms learns from parts of a log; see `arms.scaled`."""
    return arms.scaled(names, study.grid.arms, arms.PROFILES[study.profile], env, actions)


def budgets(
    study: Study, source: LogSource, sources: Sequence[LogSource], dataset: Dataset | None, env: EnvSpec
) -> tuple[float, ...]:
    """The shares of this log, and the multiples of it, that the learners of the grid read besides all of it.

    Those that the study asks for, or the profile: multiples of a cut of a training, shares of any other log. What is
    known by now to be more than a log holds is left out, and what else its runs find out: see `data.cut.LeftOut`. Of
    all cuts of one training the first has the grid. dataset: the log that was given.
    """
    kin = [other for other in sources if isinstance(other, TrainingLog)]
    if source in kin[1:]:
        return ()
    asked = study.grid.budgets
    if asked is None:
        profile = arms.PROFILES[study.profile]
        is_cut = isinstance(source, TrainingLog) and source.recipe.cut.kind != "full"
        asked = (profile.multiples if is_cut else profile.shares) or (_DOUBLINGS if study.grid.arms else ())
        if dataset is not None:
            asked = tuple(share for share in asked if _holds(dataset, replace(source.recipe, budget=share), env))
    return tuple(budget for budget in asked if budget != 1 and not _beyond(source, budget))


def check(study: Study, dataset: Dataset, env: EnvSpec) -> None:
    """Raise InputError where a log that was given cannot be cut as the study says."""
    cut = Recipe(Cut.parse(study.log.prefix or "full"))
    for budget in (None, *(study.grid.budgets or ())):
        key = "log.prefix" if budget is None else "grid.budgets"
        try:
            kept = cut_log(dataset, replace(cut, budget=budget), env=env)
            if len(kept) < 2:
                raise InputError("that leaves one episode, and at least two are needed")
        except InputError as error:
            raise InputError(f"{key}: {dataset.path}: {error}") from error


def _holds(dataset: Dataset, recipe: Recipe, env: EnvSpec) -> bool:
    try:
        cut_log(dataset, recipe, env=env)
    except LeftOut:
        return False
    return True


def _beyond(source: LogSource, budget: float) -> bool:
    """Whether a multiple is longer than the training, as far as that is known before it."""
    if not isinstance(source, TrainingLog) or "steps" not in source.maker.values:
        return False
    cut, steps = source.recipe.cut, source.maker.values["steps"]
    share = cut.amount / steps if cut.kind == "steps" else cut.amount
    if cut.kind == "mid":
        if source.maker.env.normalize(0.0) is not None:
            return False
        share = 0.5
    return on_grid(budget * share * steps) > steps
