"""The report's sections, in the order in which the page and report.md show them: one folder and one line each."""

from __future__ import annotations

from rlformer.report.sections import (
    across,
    asked,
    choosing,
    data,
    failures,
    glossary,
    interpretability,
    limits,
    memory,
    performance,
    profile,
    reproduce,
    summary,
    task,
    time,
    verdict,
    why,
)
from rlformer.report.sections.base import EnvironmentSection, EnvironmentView, ReportSection, ReportView, Video

SECTIONS: tuple[ReportSection | EnvironmentSection, ...] = (
    across.SECTION,
    verdict.SECTION,
    why.SECTION,
    summary.SECTION,
    task.SECTION,
    profile.SECTION,
    performance.SECTION,
    data.SECTION,
    time.SECTION,
    asked.SECTION,
    interpretability.SECTION,
    memory.SECTION,
    choosing.SECTION,
    failures.SECTION,
    limits.SECTION,
    reproduce.SECTION,
    glossary.SECTION,
)

__all__ = ["SECTIONS", "EnvironmentSection", "EnvironmentView", "ReportSection", "ReportView", "Video"]
