"""How much data each arm needs, and what a success costs."""

from __future__ import annotations

from rlformer.report.sections.base import EnvironmentSection
from rlformer.report.sections.data import curves, figures, table

SECTION = EnvironmentSection(
    "data",
    "Data needs",
    "Data",
    table.content,
    figures={
        "data": curves.score_against_data,
        "scaling": figures.scaling,
        "quality": figures.quality,
        "survival": figures.survival,
        "lambda": figures.lambdas,
    },
)
