"""The report of anybody's scores: aggregates, profiles and probabilities of improvement."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge import aggregates, scores
from rlformer.evaluator.judge.estimates import rounded
from rlformer.report import markup
from rlformer.report.files import now, write
from rlformer.report.markup import bullets, escape
from rlformer.report.page import compose
from rlformer.report.plots import COLOURS
from rlformer.report.plots.profiles import AGGREGATES, estimates, profile


def build_scores(path: Path, out: Path, *, title: str | None = None) -> dict[str, Any]:
    """Write the same three files of the scores in a CSV file (see `scores.read`), and return the results.

    Raises InputError where the file is not of that form, no task has scores of every algorithm, or `out` cannot be
    written.
    """
    results: dict[str, Any] = rounded(scores.collect(scores.read(path), path.name))
    results.title = title or f"{path.stem}: {formats.plural(len(results.algorithms), 'algorithm')}, " + (
        formats.plural(len(results.common_tasks), "task")
    )
    results.built = now()
    return write(out, results, document(results), page(results))


def page(results: Mapping[str, Any]) -> str:
    """The HTML."""
    labels, common = results.algorithms, results.common_tasks
    colours = {label: (10 + i) % COLOURS for i, label in enumerate(labels)}
    key = "interquartile_mean" if len(common) > 1 else "mean"
    plots = {
        "aggregate": ("figure-aggregate", estimates(results.aggregates, key, colours)),
        "profile": ("figure-profile", profile(results.profiles, colours)),
    }
    return compose(
        "scores.html.jinja",
        results,
        dict(plots.values()),
        plots=plots,
        aggregates=[(name, *AGGREGATES[name]) for name in AGGREGATES],
        matrix=aggregates.improvement_matrix(labels, results.improvement),
        counts={label: sum(results.runs[label][task] for task in common) for label in labels},
        colours=colours,
    )


def document(results: Mapping[str, Any]) -> str:
    """The Markdown."""
    blocks = [f"# {escape(results.title)}"]
    if results.notes:
        blocks += ["Notes:", bullets(map(escape, results.notes))]
    head = ["Algorithm", *(name for name, _ in AGGREGATES.values())]
    rows = (
        [escape(row.label), *(formats.estimate(row[name], "return") for name in AGGREGATES)]
        for row in results.aggregates
    )
    blocks.append(markup.table(head, rows))
    labels = results.algorithms
    if len(labels) > 1:
        matrix = aggregates.improvement_matrix(labels, results.improvement)
        blocks += ["## Probability of improvement", markup.improvement(labels, matrix)]
    blocks += [f"Built {results.built} from {escape(results.source)}; report.html has the figures, results.json "
               "every number. Intervals are 95 % stratified bootstraps (Agarwal et al. 2021)."]  # fmt: skip
    return "\n\n".join(blocks) + "\n"
