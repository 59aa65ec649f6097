"""How long training took, by the clock and by the arithmetic."""

from __future__ import annotations

from rlformer.report.sections.base import EnvironmentSection
from rlformer.report.sections.time import figures, flops, table

SECTION = EnvironmentSection(
    "time",
    "Training time",
    "Time",
    table.content,
    figures={"time": figures.score_against_time, "flops": flops.score_against_flops, "parts": figures.time_parts},
)
