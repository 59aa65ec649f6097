"""Reports: run directories in; report.html, report.md and results.json out.

Nothing here trains or steps anything, so that a report can be deleted and rebuilt. `build` writes the three files;
`page` and `markdown` loop over `sections`, whose figures are drawn with `plots`. `scores` and `diagnostics` are pages
of their own.
"""

from rlformer.evaluator.judge.load import find_runs
from rlformer.evaluator.judge.terms import Terms
from rlformer.report.build import Report, build
from rlformer.report.scores import build_scores

__all__ = ["Report", "Terms", "build", "build_scores", "find_runs"]
