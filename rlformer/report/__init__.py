"""Reports: run directories in; report.html, report.md and results.json out.

Nothing here trains or steps anything, so that a report can be deleted and rebuilt. Files, each importing
only from those before it: formats, aggregates, scores, reading, arms, collect, comparisons, across, summary,
cautions, limits, failures, table, traces, figures, compute, profiles, markdown, render, build.
"""

from rlformer.report.build import build, build_scores
from rlformer.report.reading import find_runs

__all__ = ["build", "build_scores", "find_runs"]
