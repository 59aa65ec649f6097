"""The functions behind the commands, for use from Python. Files: policies, studies."""

from rlformer.api.policies import Progress, collect, evaluate, explain, export, load, open_data, train
from rlformer.api.studies import (
    compare,
    diagnose,
    plan,
    project,
    report_folder,
    report_scores,
    scores_folder,
    write_report,
)
from rlformer.evaluator import judge

__all__ = [
    "Progress",
    "collect",
    "compare",
    "diagnose",
    "evaluate",
    "explain",
    "export",
    "judge",
    "load",
    "open_data",
    "plan",
    "project",
    "report_folder",
    "report_scores",
    "scores_folder",
    "train",
    "write_report",
]
