"""The environment, how it was evaluated, and the logs that were learned from."""

from __future__ import annotations

from rlformer.report.sections.base import EnvironmentSection

SECTION = EnvironmentSection("task", "The task", "Task")
