"""Explain one policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rlformer.agents.threads import one_thread
from rlformer.api.policies import Progress, Statistics, normalization_for
from rlformer.core import limits
from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset
from rlformer.envs import cards as env_cards
from rlformer.explain.parts import PARTS, Explanation
from rlformer.runs.hooks import Hooks
from rlformer.runs.waiting import in_line


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
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda text: None,
) -> Explanation:
    """What a policy relies on, how well explainers find it, and what tree could stand for it: `.get(Effects)`, ...

    Effects are those of the deployed policy on its own episodes. dataset: a log at whose states effects stand beside
    them, instead of the run's own log; without any nothing stands beside them.
    distractors: explain the run's counterpart on the task with so many irrelevant dimensions, which is trained first.
    tree: a folder for the surrogate tree. only: some of the parts. They are written to `out`, by default the run's
    folder `explain`. step: of a policy that the run kept while it was trained, instead of its last. normalization: as
    for `load`. Where another process makes them it is waited for; tell: as for `collect`. Raises InputError where there
    is nothing to explain, Interrupted where `stop` says so.
    """
    from rlformer.studies import explain_runs

    limits.check(distractors=distractors, seed=seed)
    if step is not None and (distractors is not None or not (Path(policy) / "record.json").is_file()):
        raise InputError(f"step {step}: chooses a policy that a run kept, and this is not a run directory")
    if only is not None and not only:
        raise InputError(f"--only names no part; valid: {', '.join(PARTS)}")
    path, normalized = Path(policy), normalization_for(normalization, [str(policy)])
    spec = None if env is None else env_cards.environment(env)
    with one_thread():
        if (path / "record.json").is_file():
            if distractors is not None:
                path = explain_runs.distracted_run(path, distractors, hooks=Hooks(stop), env=spec, trust=trust)
            opened = explain_runs.open_run(path, seed, dataset, spec, trust, step)
            if out is not None:
                opened = replace(opened, folder=Path(out))
        elif distractors is not None:
            raise InputError(f"{policy}: --distractors trains a run again, and this is not a run directory")
        else:
            folder = None if out is None else Path(out)
            opened = explain_runs.open_other(str(policy), spec, seed, dataset, agent, trust, folder, normalized, tell)
        return in_line(
            lambda: explain_runs.explain(
                opened,
                only=only,
                tree=None if tree is None else Path(tree),
                progress=progress or _silent,
                stop=stop,
            ),
            Hooks(stop, tell=tell),
        )


def _silent(done: int, total: int, note: str = "") -> None:
    """Hears of progress, and tells nobody."""
