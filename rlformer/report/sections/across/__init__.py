"""Each arm on each environment, and over all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge import aggregates
from rlformer.report import markup
from rlformer.report.markup import escape
from rlformer.report.plots import Figure
from rlformer.report.plots.profiles import profile
from rlformer.report.sections.base import ReportSection, ReportView


@dataclass(frozen=True)
class Content:
    """The names of the environments, and the matrix of improvement with its labels, which may be empty."""

    environments: list[str]
    labels: list[str]
    matrix: list[list[dict[str, Any] | None]]


def content(view: ReportView) -> Content:
    """What the template needs."""
    found = view.results["across"]
    names = [environment["name"] for environment in view.results["environments"]]
    labels = _labels(found) if found["improvement"] else []
    return Content(names, labels, aggregates.improvement_matrix(labels, found["improvement"] or []))


def profiles(view: ReportView) -> Figure | None:
    """Performance profiles of the arms that ran everywhere."""
    found = view.results["across"]["profiles"]
    return profile(found, view.colours, "normalised score") if found else None


def markdown(view: ReportView) -> list[str]:
    """Scores by arm and environment, and the probabilities of improvement."""
    found = view.results["across"]
    units = [*found["units"], "z"]
    names = (environment["name"] for environment in view.results["environments"])
    head = ["Arm", *(f"{escape(name)}, {unit}" for name, unit in zip(names, found["units"], strict=True))]
    rows = []
    for row in found["rows"]:
        scores = zip([*row["scores"], row["interquartile_mean"]], units, strict=True)
        rows.append([escape(row["label"]), *(formats.estimate(score, unit) for score, unit in scores)])
    blocks = ["## Across environments", markup.table([*head, "Interquartile mean of z"], rows)]
    if found["improvement"]:
        blocks += ["Probability of improvement, mean of the environments:"]
        blocks += [
            markup.improvement(_labels(found), aggregates.improvement_matrix(_labels(found), found["improvement"]))
        ]
    return blocks


def _labels(found: Mapping[str, Any]) -> list[str]:
    return [curve["label"] for curve in found["profiles"]["curves"]]


SECTION = ReportSection(
    "across",
    "Across environments",
    "Across environments",
    content,
    {"profile": profiles},
    markdown,
    applies=lambda view: not view.single,
)
