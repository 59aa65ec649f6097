"""Whether return-conditioned arms reach the target return that they are given."""

from __future__ import annotations

from rlformer.report.sections.asked import figures
from rlformer.report.sections.base import EnvironmentSection

SECTION = EnvironmentSection(
    "asked", "Target and achieved return", "Target returns", figures={"asked": figures.achieved_against_asked}
)
