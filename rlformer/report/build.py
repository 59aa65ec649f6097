"""From run directories to the three files of a report."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlformer.core import files, formats
from rlformer.core.codec import encode
from rlformer.core.errors import InputError
from rlformer.evaluator.judge import scores
from rlformer.evaluator.judge.across import across
from rlformer.evaluator.judge.arms import by_arm, by_environment
from rlformer.evaluator.judge.collect import collect
from rlformer.evaluator.judge.comparisons import compare_arms
from rlformer.evaluator.judge.estimates import rounded
from rlformer.evaluator.judge.explanations import explained
from rlformer.evaluator.judge.load import Run, find_runs, read_runs
from rlformer.evaluator.judge.needs import needs
from rlformer.evaluator.judge.prices import Terms
from rlformer.evaluator.judge.profile import place
from rlformer.evaluator.judge.threats import absences, warnings
from rlformer.report import markdown, render
from rlformer.report.advice import verdict
from rlformer.report.limits import limits
from rlformer.report.summary import sentences


def build(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    title: str | None = None,
    command: str | None = None,
    missing: Sequence[Mapping[str, Any]] = (),
    terms: Terms | None = None,
) -> dict[str, Any]:
    """Write report.html, report.md and results.json into `out`, each at once, and return the results.

    run_dirs: run directories, or folders anywhere above some. command: what reproduces the runs; where it is
    not given, the commands that the runs remember. missing: runs that were meant to be and left no directory,
    each with its "env" and "agent" by name, its "seed" and the "reason". terms: what the verdict hangs on.
    Raises InputError where a path is no folder, no run below can be read, or `out` cannot be written.
    """
    directories = find_runs(run_dirs)
    where = ", ".join(map(str, run_dirs)) or "nowhere"
    runs, skipped = read_runs(directories)
    if not runs and missing:
        first = missing[0]
        raise InputError(
            f"no run to report: {first['agent']} on {first['env']}, seed {first['seed']}: {first['reason']}"
        )
    if not directories:
        raise InputError(f"{where}: no run directory there (a folder that holds a record.json)")
    if not runs:
        raise InputError(
            f"{where}: no run there can be read; the first, {skipped[0]['path']}, is {skipped[0]['reason']}"
        )
    results = results_of(runs, skipped, missing, terms=terms, title=title, command=command)
    films = {run.path: run.film.webp for run in runs if run.film is not None and run.film.webp}
    return _write(out, results, markdown.document(results), render.page(results, films))


def results_of(
    runs: Sequence[Run],
    skipped: Sequence[Mapping[str, str]] = (),
    missing: Sequence[Mapping[str, Any]] = (),
    *,
    terms: Terms | None = None,
    title: str | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """All that a report says of these runs; arguments as in `build`."""
    results = collect(runs, skipped, missing)
    environments = results["environments"]
    for environment, group in zip(environments, by_environment(runs).values(), strict=True):
        environment["explanations"] = rounded(encode(explained(by_arm([run for run in group if run.budget is None]))))
        environment["comparisons"] = rounded(compare_arms(environment))
        environment["needs"] = rounded(needs(environment, terms or Terms()))
        environment["verdict"] = rounded(verdict(environment, terms or Terms()))
        environment["placing"] = place(environment)
        environment["summary"] = sentences(environment)
        environment["warnings"] = warnings(environment, results["machines"])
    results["warnings"] = absences(results["missing"], name_environment=True)
    results["across"] = rounded(across(environments)) if len(environments) > 1 else None
    results["limits"] = limits(results)
    results["title"] = title or _title([environment["name"] for environment in environments])
    remembered = dict.fromkeys(run.record.command for run in runs if run.record.command)
    results["command"] = command or "\n".join(remembered) or None
    results["built"] = _now()
    return results


def build_scores(path: Path, out: Path, *, title: str | None = None) -> dict[str, Any]:
    """Write the same three files of the scores in a CSV file (see `scores.read`), and return the results.

    Raises InputError where the file is not of that form, no task has scores of every algorithm, or `out` cannot be
    written.
    """
    results: dict[str, Any] = rounded(scores.collect(scores.read(path), path.name))
    results["title"] = title or f"{path.stem}: {formats.plural(len(results['algorithms']), 'algorithm')}, " + (
        formats.plural(len(results["common_tasks"]), "task")
    )
    results["built"] = _now()
    return _write(out, results, markdown.scores_document(results), render.scores_page(results))


def _write(out: Path, results: dict[str, Any], text: str, page: str) -> dict[str, Any]:
    folder = files.writable_directory(out)
    files.write_json(folder / "results.json", results)
    files.write_text(folder / "report.md", text)
    files.write_text(folder / "report.html", page)
    return results


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _title(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]}: online RL or a sequence model?"
    return f"Online RL or a sequence model? {len(names)} environments"
