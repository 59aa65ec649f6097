"""What is known of a study before anything is trained: fitted into its minutes, planned, and what it will take."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rlformer.agents.cards import SMOKE
from rlformer.core import codec, files
from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset
from rlformer.studies import fit, pace, success
from rlformer.studies.execute import anything_left
from rlformer.studies.executors.local import side_by_side
from rlformer.studies.fit import Fitted
from rlformer.studies.pace import Paces, Progress
from rlformer.studies.plan import Plan, plan
from rlformer.studies.projection import Projection, forecast, projected
from rlformer.studies.study import Study


@dataclass(frozen=True)
class Foreseen:
    """A study before its runs."""

    study: Study  # resolved: fitted into its minutes, where it has some
    plan: Plan
    fitted: Fitted | None
    kept: Path | None  # the file that the fitted plan was read from: an earlier one is continued
    projection: Projection | None  # None where nobody asked for it
    forecast: str | None

    def lines(self) -> list[str]:
        """What is told of it at the start."""
        found = success.said(self.study.terms, self.plan.env)
        found += [] if self.fitted is None else self.fitted.lines()
        if self.kept is not None:
            found.append(
                f"This is the plan of the study that was started before; delete {self.kept} to make a new plan."
            )
        busy = None if self.projection is None else self.projection.busy
        return found + [line for line in (self.forecast, busy) if line]


def foresee(
    study: Study,
    *,
    dataset: Dataset | None = None,
    command: str | None = None,
    jobs: int | None = None,
    ahead: bool = True,
    always: bool = True,
    keep: bool = False,
    progress: Progress | None = None,
    made: Plan | None = None,
    elsewhere: bool = False,
) -> Foreseen:
    """Fit the study into its minutes if it has some and was not fitted before, and plan it; see `fit.fit`.

    ahead: whether to project it too, for which agents are probed that no run on this machine tells of. always: though
    nothing is left to run, or an earlier plan goes on. keep: whether to keep the fitted plan below the folder of runs,
    so that the same command continues the same runs; one that was kept is always continued. made: the plan of the study
    as it stands, where somebody made it. elsewhere: see `plan`. Raises InputError for what the caller can mend, before
    any training.
    """
    began, workers = time.perf_counter(), jobs or side_by_side(study.threads)
    minutes = fit.limit(study)
    made = made or plan(study, dataset=dataset, command=command, elsewhere=elsewhere)
    fitted: Fitted | None = None
    kept: Path | None = None
    paces: Paces | None = None
    if minutes is not None and study.fitted is None:
        path = _place(study, made, dataset, workers)
        fitted = _kept(path)
        if fitted is None:
            effort = pace.BRIEF if study.profile == SMOKE else None
            paces = pace.measure(made, study.threads, progress, effort)
            fitted = fit.fit(study, made, paces, jobs=workers, spent=time.perf_counter() - began)
            if keep:
                files.writable_directory(path.parent)
                files.write_json(path, codec.encode(replace(fitted, study=replace(fitted.study, file=None))))
        else:
            kept = path
        study = replace(fitted.study, runs=study.runs, trust=study.trust)
        made = plan(study, dataset=dataset, command=command, elsewhere=elsewhere)
    known = paces is not None
    if not ahead or not (always or known or (kept is None and anything_left(made))):
        return Foreseen(study, made, fitted, kept, None, None)
    projection = projected(made, paces or pace.measure(made, study.threads, progress), workers)
    return Foreseen(study, made, fitted, kept, projection, forecast(study, made, projection))


def _place(study: Study, made: Plan, dataset: Dataset | None, jobs: int) -> Path:
    """Where the fitted plan of this question is kept: of the same study, cards, log and number of jobs."""
    asked = {key: value for key, value in study.to_dict().items() if key != "runs"}
    specs = sorted({run.spec.hash for run in made.runs})
    text = json.dumps([asked, specs, None if dataset is None else dataset.info.hash, jobs], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return Path(study.runs).absolute() / files.slug(made.env.name) / f"fitted-{digest}.json"


def _kept(path: Path) -> Fitted | None:
    """The plan that was kept there; None where there is none, or none that this version reads."""
    if not path.is_file():
        return None
    try:
        return codec.decode(Fitted, files.read_json(path))
    except (InputError, ValueError):
        return None
