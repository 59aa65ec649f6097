"""The report of anybody's scores: aggregates, profiles and probabilities of improvement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.as_json import encode
from rlformer.evaluator.judge import aggregates, scores
from rlformer.evaluator.judge.findings import ScoresEvidence
from rlformer.report import markup
from rlformer.report.files import now, write
from rlformer.report.markup import bullets, escape
from rlformer.report.page import compose
from rlformer.report.plots import COLOURS
from rlformer.report.plots.profiles import AGGREGATES, estimates, of, profile


@dataclass(frozen=True)
class ScoresWords:
    """What is said of scores."""

    title: str
    notes: tuple[str, ...]
    built: str


def build_scores(path: Path, out: Path, *, title: str | None = None) -> dict[str, Any]:
    """Write the same three files of the scores in a CSV file (see `scores.read`), and return the results.

    Raises InputError where the file is not of that form, no task has scores of every algorithm, or `out` cannot be
    written.
    """
    evidence = scores.collect(scores.read(path), path.name)
    counts = formats.plural(len(evidence.algorithms), "algorithm"), formats.plural(len(evidence.common_tasks), "task")
    words = ScoresWords(title or f"{path.stem}: {', '.join(counts)}", notes(evidence), now())
    results: dict[str, Any] = encode(evidence) | encode(words)
    return write(out, results, document(evidence, words), page(evidence, results))


def notes(evidence: ScoresEvidence) -> tuple[str, ...]:
    """What a reader has to know of these scores."""
    lacking: dict[str, list[str]] = {}
    for lack in evidence.missing:
        lacking.setdefault(lack.algorithm, []).append(lack.task)
    found = [f"{name} has no score on {formats.listed(tasks)}." for name, tasks in lacking.items()]
    if lacking:
        tasks = formats.listed(evidence.common_tasks)
        found.append(f"Everything here is computed on the tasks that every algorithm has: {tasks}.")
    counts = {name: [evidence.runs[name][task] for task in evidence.common_tasks] for name in evidence.algorithms}
    single = [name for name, of_task in counts.items() if max(of_task) == 1]
    if single:
        found.append(f"One run per task does not show the spread: no interval for {formats.listed(single)}.")
    partly = [name for name, of_task in counts.items() if name not in single and min(of_task) == 1]
    if partly:
        found.append(
            f"Some tasks have only one run of {formats.listed(partly)}. Its variation is missing from the interval, "
            "which is therefore too narrow."
        )
    fewest = min((count for of_task in counts.values() for count in of_task if count > 1), default=0)
    if 1 < fewest < 10:
        found.append(f"With {fewest} runs on a task, the intervals contain the true value in fewer than 95 % of cases.")
    if len(evidence.common_tasks) == 1:
        found.append(
            "On a single task, the interquartile mean leaves out a minority of good or bad runs (30 % successes give "
            "0.10), and the median over tasks equals the mean."
        )
    if max(max(evidence.scores[name][task]) for name in counts for task in evidence.common_tasks) > 10:
        found.append("Some scores are above 10: aggregates over tasks are meaningful only for normalised scores.")
    return tuple(found)


def page(evidence: ScoresEvidence, results: Mapping[str, Any]) -> str:
    """The HTML. results: what results.json holds, for the page to carry."""
    labels, common = evidence.algorithms, evidence.common_tasks
    colours = {label: (10 + i) % COLOURS for i, label in enumerate(labels)}
    key = "interquartile_mean" if len(common) > 1 else "mean"
    plots = {
        "aggregate": ("figure-aggregate", estimates(evidence.aggregates, key, colours)),
        "profile": ("figure-profile", profile(evidence.profiles, colours)),
    }
    return compose(
        "scores.html.jinja",
        results,
        dict(plots.values()),
        evidence=evidence,
        plots=plots,
        aggregates=[(name, *AGGREGATES[name]) for name in AGGREGATES],
        matrix=aggregates.improvement_matrix(labels, evidence.improvement),
        counts={label: _counts([evidence.runs[label][task] for task in common]) for label in labels},
        colours=colours,
    )


def _counts(runs: Sequence[int]) -> str:
    """How many runs there are on a task: one number where it is the same on all."""
    fewest, most = min(runs), max(runs)
    return str(most) if fewest == most else f"{fewest} to {most}"


def document(evidence: ScoresEvidence, words: ScoresWords) -> str:
    """The Markdown."""
    blocks = [f"# {escape(words.title)}"]
    if words.notes:
        blocks += ["Notes:", bullets(map(escape, words.notes))]
    head = ["Algorithm", *(name for name, _ in AGGREGATES.values())]
    rows = (
        [escape(row.label), *(formats.estimate(of(row, name), "return") for name in AGGREGATES)]
        for row in evidence.aggregates
    )
    blocks.append(markup.table(head, rows))
    if len(evidence.algorithms) > 1:
        matrix = aggregates.improvement_matrix(evidence.algorithms, evidence.improvement)
        blocks += ["## Probability of improvement", markup.improvement(evidence.algorithms, matrix)]
    blocks += [f"Built {words.built} from {escape(evidence.source)}; report.html has the figures, results.json "
               "every number. Intervals are 95 % stratified bootstraps (Agarwal et al. 2021)."]  # fmt: skip
    return "\n\n".join(blocks) + "\n"
