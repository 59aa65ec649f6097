"""The command, the machines, the settings of each arm and every run."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.report.markup import code
from rlformer.report.sections.base import EnvironmentView, ReportSection, ReportView


@dataclass(frozen=True)
class Content:
    """A view of each environment, for its settings and runs."""

    environments: tuple[EnvironmentView, ...]


def content(view: ReportView) -> Content:
    """What the template needs."""
    return Content(view.environments)


def markdown(view: ReportView) -> list[str]:
    """The command, where it is known."""
    command = view.words.command
    return ["## How to reproduce it", code(command)] if command else []


SECTION = ReportSection("reproduce", "How to reproduce it", "Reproduce", content, markdown=markdown)
