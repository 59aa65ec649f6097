"""Reports: run directories in; report.html, report.md and results.json out.

Nothing here trains or steps anything, so that a report can be deleted and rebuilt. Files, each importing
only from those before it: formats, aggregates, scores, reading, arms, estimates, grid, collect, comparisons,
terms, support, needs, verdict, advice, across, summary, cautions, limits, failures, table, traces, figures,
figures_data, compute, profiles, markdown, render, build.
"""

from rlformer.evaluator.judge.load import find_runs
from rlformer.evaluator.judge.prices import Terms
from rlformer.report.build import build, build_scores

__all__ = ["Terms", "build", "build_scores", "find_runs"]
