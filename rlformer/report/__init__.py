"""Reports: run directories in; report.html, report.md and results.json out.

Nothing here trains or steps anything, so that a report can be deleted and rebuilt. Files, each importing
only from those before it: formats, aggregates, scores, reading, arms, estimates, grid, collect, comparisons,
terms, support, needs, verdict, advice, across, summary, cautions, limits, failures, table, traces, figures,
figures_data, compute, profiles, markdown, render, build.
"""

from rlformer.report.build import build, build_scores
from rlformer.report.reading import find_runs
from rlformer.report.terms import Terms

__all__ = ["Terms", "build", "build_scores", "find_runs"]
