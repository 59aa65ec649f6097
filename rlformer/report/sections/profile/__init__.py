"""The task beside the worlds in which one thing alone decides."""

from __future__ import annotations

from rlformer.report.sections.base import EnvironmentSection

SECTION = EnvironmentSection("profile", "Your task among the diagnostics", "Profile")
