"""The main table, every run, and an episode of each arm."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.report import markup
from rlformer.report.cells import Cell, Column
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView, Video
from rlformer.report.sections.performance import figures, table


@dataclass(frozen=True)
class Content:
    """The main table, its strips of runs, and episodes to watch."""

    columns: tuple[Column, ...]
    rows: list[dict[str, Cell]]
    strips: list[table.Strip | None]
    axis: tuple[float, float] | None
    videos: dict[str, Video]


def content(view: EnvironmentView) -> Content:
    """What the template needs; the columns are those of all environments, so that their tables look alike."""
    return Content(
        table.columns(view.report.judgement.environments),
        table.rows(view),
        table.strips(view.evidence),
        table.strip_axis(view.evidence),
        dict(view.report.videos),
    )


_NARROW = ("seeds", "mean", "interval", "z", "success", "env_steps", "logged_steps", "learning")


def markdown(view: EnvironmentView) -> list[str]:
    """The main table, with the columns that fit a terminal: the page and results.json have the others."""
    columns = [column for column in table.columns([view.evidence]) if column.key in _NARROW]
    keys = ["arm", *(column.key for column in columns)]
    rows = ([markup.escape(row[key].text) for key in keys] for row in table.rows(view))
    return [markup.table(["Arm", *(column.head for column in columns)], rows)]


SECTION = EnvironmentSection(
    "performance", "Performance", "Performance", content, {"performance": figures.runs}, markdown
)
