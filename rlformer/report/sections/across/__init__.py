"""Each arm on each environment, and over all of them together."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge import aggregates
from rlformer.evaluator.judge.findings import Across
from rlformer.evaluator.judge.values import Estimate
from rlformer.report import markup
from rlformer.report.markup import escape
from rlformer.report.plots import Figure
from rlformer.report.plots.profiles import profile
from rlformer.report.sections.base import ReportSection, ReportView


@dataclass(frozen=True)
class Content:
    """The numbers, the names of the environments, and the matrix of improvement with its labels, which may be empty."""

    across: Across
    environments: list[str]
    labels: list[str]
    matrix: list[list[Estimate | None]]


def content(view: ReportView) -> Content:
    """What the template needs."""
    across = _across(view)
    labels = _labels(across)
    matrix = aggregates.improvement_matrix(labels, across.improvement or ())
    return Content(across, [environment.name for environment in view.judgement.environments], labels, matrix)


def profiles(view: ReportView) -> Figure | None:
    """Performance profiles of the arms that ran everywhere."""
    found = _across(view).profiles
    return profile(found, view.colours, "normalised score") if found else None


def markdown(view: ReportView) -> list[str]:
    """Scores by arm and environment, and the probabilities of improvement."""
    across = _across(view)
    units = [*across.units, "z"]
    names = (environment.name for environment in view.judgement.environments)
    head = ["Arm", *(f"{escape(name)}, {unit}" for name, unit in zip(names, across.units, strict=True))]
    rows = []
    for row in across.rows:
        scores = zip([*row.scores, row.interquartile_mean], units, strict=True)
        rows.append([escape(row.label), *(formats.estimate(score, unit) for score, unit in scores)])
    blocks = ["## Across environments", markup.table([*head, "Interquartile mean of z"], rows)]
    if labels := _labels(across):
        matrix = aggregates.improvement_matrix(labels, across.improvement or ())
        blocks += ["Probability of improvement, mean of the environments:", markup.improvement(labels, matrix)]
    return blocks


def _across(view: ReportView) -> Across:
    assert view.judgement.across is not None  # of several environments there is always one
    return view.judgement.across


def _labels(across: Across) -> list[str]:
    """The arms of the matrix of improvement; none where there is no matrix."""
    curves = across.profiles.curves if across.profiles and across.improvement else ()
    return [curve.label for curve in curves]


SECTION = ReportSection(
    "across",
    "Across environments",
    "Across environments",
    content,
    {"profile": profiles},
    markdown,
    applies=lambda view: not view.single,
)
