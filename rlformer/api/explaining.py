"""Explain one policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rlformer.api.policies import Progress, Statistics, normalization_for
from rlformer.core import files, limits
from rlformer.core.errors import InputError, unknown
from rlformer.data.dataset import Dataset
from rlformer.envs import cards as env_cards
from rlformer.explain.parts import PARTS, Explanation
from rlformer.runs.hooks import Hooks
from rlformer.studies.executors import LOCAL, Place, opened
from rlformer.studies.executors.base import Request


def explain(
    policy: str | Path,
    *,
    env: str | None = None,
    dataset: Dataset | None = None,
    distractors: int | None = None,
    seed: int = 0,
    tree: str | Path | None = None,
    only: Sequence[str] | None = None,
    out: str | Path | None = None,
    agent: str | None = None,
    step: int | None = None,
    trust: bool = False,
    normalization: Statistics = None,
    progress: Progress | None = None,
    on: str = LOCAL,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda text: None,
) -> Explanation:
    """What a policy relies on, how well explainers find it, and what tree could stand for it: `.get(Effects)`, ...

    Effects are those of the deployed policy on its own episodes. dataset: a log at whose states effects stand beside
    them, instead of the run's own log; without any nothing stands beside them.
    distractors: explain the run's counterpart on the task with so many irrelevant dimensions, which is trained first.
    tree: a folder for the surrogate tree. only: some of the parts. They are written to `out`, by default the run's
    folder `explain`. step: of a policy that the run kept while it was trained, instead of its last. normalization: as
    for `load`. Where another process makes them it is waited for; tell: as for `collect`. on: where it is made, as for
    `compare`: elsewhere than here as one job. Raises InputError where there is nothing to explain, Interrupted where
    `stop` says so, and RuntimeError where a worker failed.
    """
    from rlformer.studies.explain_one import Asked, elsewhere

    place = Place.parse(on)
    limits.check(distractors=distractors, seed=seed)
    if step is not None and (distractors is not None or not (Path(policy) / "record.json").is_file()):
        raise InputError(f"step {step}: chooses a policy that a run kept, and this is not a run directory")
    if only is not None and not only:
        raise InputError(f"--only names no part; valid: {', '.join(PARTS)}")
    for name in only or ():
        if name not in PARTS:
            raise unknown("part", name, PARTS)
    asked = Asked(
        str(policy),
        None if env is None else env_cards.environment(env),
        dataset,
        distractors,
        seed,
        None if tree is None else Path(tree),
        None if only is None else tuple(only),
        None if out is None else Path(out),
        agent,
        step,
        trust,
        normalization_for(normalization, [str(policy)]),
    )
    hooks = Hooks(stop, progress or _silent, tell)
    if place == Place():
        return asked.explain(hooks)[1]
    if distractors is None:
        asked.open(hooks)  # a mistake is told now
    folder = files.writable_directory(asked.folder).absolute()
    with opened(place, Request(folder, folder, tell=tell)) as executor:
        return elsewhere(asked, executor, hooks)


def _silent(done: int, total: int, note: str = "") -> None:
    """Hears of progress, and tells nobody."""
