"""Many runs: compare, diagnose, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlformer.api.policies import Progress, one_thread
from rlformer.core import files
from rlformer.data.dataset import Dataset
from rlformer.runs.directory import RunDirectory
from rlformer.runs.missing import MissingRun
from rlformer.studies import experiment, films, logs, study
from rlformer.studies.executors.local import Event


def compare(
    env: str,
    *,
    dataset: Dataset | None = None,
    profile: str = "quick",
    root: str | Path = "runs",
    out: str | Path | None = None,
    jobs: int | None = None,
    threads: int = 1,
    explained: bool = False,
    command: str | None = None,
    terms: Mapping[str, Any] | None = None,
    listen: Callable[[Event], None] = lambda event: None,
    **options: Any,
) -> Mapping[str, Any]:
    """Train every arm on every seed, write the report, and return what its results.json holds.

    dataset: your log, a whole one; without it PPO's own training of the same seed. arms, seeds: instead of the
    profile's. options: the others of `study.plan`. terms: prices and thresholds of the verdict, the fields of
    `report.terms.Terms`. jobs: runs side by side, one a core by default. explained: also explain what the
    trained arms learned. Finished runs are not run again. Raises InputError for what the caller can mend, Interrupted
    on Ctrl-C.
    """
    folder = files.writable_directory(Path(out) if out is not None else report_folder(env))
    files.writable_directory(Path(root))
    _terms(terms)  # a price that means nothing is refused before anything is trained
    made = plan(
        env, dataset=dataset, profile=profile, root=root, threads=threads, command=command, terms=terms, **options
    )
    outcome = study.execute(made, jobs=jobs, threads=threads, listen=listen)
    for path in outcome.runs:
        experiment.count_flops(RunDirectory.open(path))
    with one_thread():
        films.film_medians(outcome.runs)
    if explained:
        from rlformer.studies import explain_runs

        explain_runs.explain_runs(outcome.runs, jobs=jobs, threads=threads, listen=listen)
    return write_report(outcome.runs, out=folder, command=command, missing=outcome.missing, terms=terms)


def project(
    env: str,
    *,
    jobs: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
    **options: Any,
) -> Mapping[str, Any]:
    """What `compare` with these arguments would take, from a short probe of every arm: see `projection.project`."""
    from rlformer.studies.projection import project as _project

    return _project(plan(env, threads=threads, **options), jobs=jobs, threads=threads, progress=progress)


def plan(
    env: str,
    *,
    root: str | Path = "runs",
    log: str | None = None,
    budgets: str | None = None,
    grid_arms: Sequence[str] | None = None,
    terms: Mapping[str, Any] | None = None,
    **options: Any,
) -> study.Plan:
    """What `compare` would run, its arguments being the same.

    log: one or more of replay, prefix, prefix=SHARE, expert, mixed, random, epsilon=E. budgets: how many doublings of
    the log, or shares of it such as "0.25,0.5,1", for the data-scaling grid of `grid_arms`.
    """
    grid = None
    if budgets is not None or grid_arms:
        shares = logs.budgets(budgets or "4")
        grid = study.Grid(shares, tuple(grid_arms)) if grid_arms else study.Grid(shares)
    interaction = bool((terms or {}).get("interaction", True))
    recipes = () if log is None else logs.listed(log)
    return study.plan(env, root=Path(root), logs=recipes, grid=grid, interaction=interaction, **options)


def diagnose(
    *,
    only: str | None = None,
    seeds: int | None = None,
    profile: str = "quick",
    jobs: int = 1,
    root: str | Path = "runs/diagnose",
    out: str | Path = "reports/diagnose",
    threads: int = 1,
    command: str | None = None,
    listen: Callable[[Event], None] = lambda event: None,
) -> Mapping[str, Any]:
    """Hold what is trained on the diagnostic environments against what theory predicts; see `diagnose.suite`.

    Writes report.html, report.md and results.json into `out`, and returns what the last one holds.
    """
    from rlformer.report.diagnostics import build
    from rlformer.studies.diagnose import suite

    folder = files.writable_directory(Path(out))
    results = suite.diagnose(
        only=only,
        seeds=seeds,
        profile=profile,
        jobs=jobs,
        root=files.writable_directory(Path(root)),
        threads=threads,
        command=command,
        listen=listen,
    )
    return build(results, folder, command=command)


def report_folder(env: str) -> Path:
    """Where the report of a comparison goes if nothing else is said."""
    return Path("reports") / files.slug(env)


def write_report(
    directories: Sequence[str | Path],
    *,
    out: str | Path,
    title: str | None = None,
    command: str | None = None,
    missing: Sequence[MissingRun] = (),
    terms: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Rebuild report.html, report.md and results.json in `out`; returns what results.json holds."""
    from rlformer.report import build

    prices = _terms(terms)
    return build([Path(d) for d in directories], Path(out), title=title, command=command, missing=missing, terms=prices)


def report_scores(path: str | Path, *, out: str | Path | None = None, title: str | None = None) -> Mapping[str, Any]:
    """The same three files of anybody's scores: a CSV file with the columns algorithm, task, run, score.

    out: by default reports/NAME of the file's name. Scores are taken as normalised already. Returns what results.json
    holds: aggregates, profiles and probabilities of improvement with their intervals (Agarwal et al. 2021). Raises
    InputError, naming line and column, where the file is not of that form.
    """
    from rlformer.report import build_scores

    return build_scores(Path(path), scores_folder(Path(path)) if out is None else Path(out), title=title)


def scores_folder(path: Path) -> Path:
    """Where the report of a file of scores goes if nothing else is said."""
    return Path("reports") / files.slug(path.stem)


def _terms(terms: Mapping[str, Any] | None) -> Any:
    from rlformer.report import Terms

    return Terms(**(terms or {}))
