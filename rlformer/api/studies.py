"""Many runs: compare, diagnose, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer.api.policies import Progress
from rlformer.core import files, limits
from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset
from rlformer.evaluator.judge.terms import Terms
from rlformer.runs.missing import MissingRun
from rlformer.studies import executors, foresee, videos
from rlformer.studies.execute import Outcome, execute
from rlformer.studies.executors import Place
from rlformer.studies.executors.base import Event, Executor, Request
from rlformer.studies.executors.local import side_by_side
from rlformer.studies.executors.process import start_server
from rlformer.studies.foresee import Foreseen
from rlformer.studies.plan import Plan
from rlformer.studies.plan import plan as _plan
from rlformer.studies.projection import Projection
from rlformer.studies.study import Study

if TYPE_CHECKING:
    from rlformer.report import Report
    from rlformer.studies.claims.forecast import Forecast


def compare(
    study: Study | str | Path,
    *,
    dataset: Dataset | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    on: str = executors.LOCAL,
    command: str | None = None,
    listen: Callable[[Event], None] = lambda event: None,
    tell: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train every arm on every seed, write the report, and return what it says: `.verdict`, `.arm("dt").score`, ...

    study: what is compared; a study file (TOML); or an environment's name, for the profile `quick`. dataset: your log,
    a whole one from disk, instead of what the study names. out: the report's folder, which also gets the study as
    `study.toml`, resolved where it was fitted into its `max_minutes`. jobs: runs side by side, one a core by default.
    on: where they are made: local, ray, ray:ADDRESS, slurm, slurm:PARTITION (docs/cluster.md). command: what was typed.
    tell: hears, before anything is trained, what was left out to fit, how long it takes and what the seeds can show,
    for which `progress` follows a probe of seconds. Finished runs are not run again. Raises InputError for what the
    caller can mend, before anything is trained, and Interrupted on Ctrl-C.
    """
    limits.check(jobs=jobs)
    place, study = Place.parse(on), study_of(study)
    with _of_file(study):  # a mistake is told before a folder is made
        made = _plan(study, dataset=dataset, command=command, elsewhere=place.own_machines)
    folder = files.writable_directory(report_folder(study.env) if out is None else Path(out))
    root = files.writable_directory(Path(study.runs)).absolute()
    if not place.own_machines and (jobs or side_by_side(study.threads)) > 1:  # it imports while agents are probed here
        start_server(study.threads, root)
    request = Request(root / files.slug(made.env.name), root, jobs, study.threads, _telling(listen))
    with executors.opened(place, request) as executor:
        with _of_file(study):
            foreseen = foresee.foresee(
                study,
                dataset=dataset,
                command=command,
                jobs=executor.beside,
                ahead=tell is not None,
                always=False,
                keep=True,
                progress=progress,
                made=made,
                elsewhere=place.own_machines,
            )
        for line in foreseen.lines() if tell is not None else ():
            tell(line)  # type: ignore[misc]
        foreseen.study.write(folder / "study.toml")
        outcome = _made(foreseen, executor, listen)
    terms = foreseen.study.terms
    return write_report(outcome.runs, out=folder, command=command, missing=outcome.missing, terms=terms)


def _made(foreseen: Foreseen, executor: Executor, listen: Callable[[Event], None]) -> Outcome:
    """The runs of a study, with what is watched and explained of them."""
    study, env = foreseen.study, foreseen.plan.env
    outcome = execute(foreseen.plan, executor, listen)
    videos.record_medians(outcome.runs, study.terms, env, executor)
    if study.explain:
        from rlformer.studies import explain_runs

        explain_runs.explain_runs(outcome.runs, terms=study.terms, env=env, executor=executor, listen=listen)
    return outcome


def _telling(listen: Callable[[Event], None]) -> Callable[[str], None]:
    return lambda text: listen(Event(None, "told", text))


def study_of(study: Study | str | Path) -> Study:
    """A study, the one in a TOML file, or the usual one on an environment of that name."""
    if isinstance(study, Study):
        return study
    return Study.read(Path(study)) if str(study).endswith(".toml") else Study(str(study))


def plan(study: Study | str | Path, *, dataset: Dataset | None = None, command: str | None = None) -> Plan:
    """Every run that `compare` of this study would make; see `studies.plan.plan`."""
    study = study_of(study)
    with _of_file(study):
        return _plan(study, dataset=dataset, command=command)


def project(
    study: Study | str | Path,
    *,
    dataset: Dataset | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Projection:
    """What `compare` of this study would take, from a short probe of every arm: see `studies.projection.project`."""
    found = look_ahead(study, dataset=dataset, jobs=jobs, progress=progress).projection
    assert found is not None
    return found


def look_ahead(
    study: Study | str | Path,
    *,
    dataset: Dataset | None = None,
    jobs: int | None = None,
    ahead: bool = True,
    progress: Progress | None = None,
) -> Foreseen:
    """The study fitted into its minutes, its runs, what they take and what the seeds can show: nothing is trained."""
    limits.check(jobs=jobs)
    study = study_of(study)
    with _of_file(study):
        return foresee.foresee(study, dataset=dataset, jobs=jobs, ahead=ahead, progress=progress)


@contextmanager
def _of_file(study: Study) -> Iterator[None]:
    """Errors in a study that was read from a file name that file."""
    try:
        yield
    except InputError as error:
        if study.file is None:
            raise
        raise InputError(f"{study.file}: {error}") from error


def diagnose(
    *,
    only: str | None = None,
    seeds: int | None = None,
    profile: str = "quick",
    jobs: int | None = None,
    on: str = executors.LOCAL,
    root: str | Path = "runs/diagnose",
    out: str | Path = "reports/diagnose",
    threads: int = 1,
    command: str | None = None,
    listen: Callable[[Event], None] = lambda event: None,
) -> Mapping[str, Any]:
    """Hold what is trained on the diagnostic environments against what theory predicts; see `diagnose.suite`.

    Writes report.html, report.md and results.json into `out`, and returns what the last one holds. jobs: side by side;
    by default one on this machine, as many as fit elsewhere. on: as for `compare`.
    """
    from rlformer.report.diagnostics import build
    from rlformer.studies.diagnose import suite

    limits.check(seeds=seeds, jobs=jobs, threads=threads)
    place = Place.parse(on)
    suite.rows_of(only, profile)  # a mistake is told before a folder is made
    folder = files.writable_directory(Path(out))
    results = suite.diagnose(
        only=only,
        seeds=seeds,
        profile=profile,
        jobs=jobs,
        on=place,
        root=files.writable_directory(Path(root)),
        threads=threads,
        command=command,
        listen=listen,
    )
    return build(results, folder, command=command)


def claims(
    *,
    only: str | None = None,
    seeds: int | None = None,
    profile: str = "quick",
    jobs: int | None = None,
    on: str = executors.LOCAL,
    root: str | Path = "runs/claims",
    earlier: str | Path | None = None,
    out: str | Path = "reports/claims",
    command: str | None = None,
    listen: Callable[[Event], None] = lambda event: None,
) -> Mapping[str, Any]:
    """Hold an article's claims against experiments; see `claims.suite`.

    Writes report.html and report.md in English and Chinese and results.json into `out`, and returns what the last one
    holds. jobs, on: as for `diagnose`.
    """
    from rlformer.report.claims import build
    from rlformer.studies.claims import suite
    from rlformer.studies.claims.taken import take

    limits.check(seeds=seeds, jobs=jobs)
    place = Place.parse(on)
    asked, count = suite.plan(only, profile, seeds)  # a mistake is told before a folder is made
    taken = None if earlier is None else take(Path(earlier), asked, profile == "quick", count)
    folder = files.writable_directory(Path(out))
    found = suite.claims(
        only=only,
        seeds=seeds,
        profile=profile,
        jobs=jobs,
        on=place,
        root=files.writable_directory(Path(root)),
        taken=taken,
        listen=listen,
    )
    return build(found, folder, command=command)


def foresee_claims(
    *,
    only: str | None = None,
    seeds: int | None = None,
    profile: str = "quick",
    jobs: int | None = None,
    root: str | Path = "runs/claims",
    earlier: str | Path | None = None,
) -> Forecast:
    """What `claims` would measure, and how long that takes; what lies below `root` already is not measured again.

    Nothing is trained, and nothing is written.
    """
    from rlformer.studies.claims import forecast, suite
    from rlformer.studies.claims.taken import take

    limits.check(seeds=seeds, jobs=jobs)
    asked, count = suite.plan(only, profile, seeds)
    known = {} if earlier is None else take(Path(earlier), asked, profile == "quick", count).known
    return forecast.foresee(asked, profile, count, Path(root), jobs or 1, known)


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
    terms: Terms | None = None,
) -> Report:
    """Rebuild report.html, report.md and results.json in `out`; `.results` is what the last one holds."""
    from rlformer.report import build

    return build([Path(d) for d in directories], Path(out), title=title, command=command, missing=missing, terms=terms)


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
