"""The functions behind the commands, for use from Python. Files: logs, policies, deployment, explaining, looking,
studies."""

from rlformer.agents.deployed import DeployedPolicy
from rlformer.api.deployment import export, load
from rlformer.api.explaining import explain
from rlformer.api.logs import dataset, join
from rlformer.api.looking import doctor, list_runs, play, tensorboard
from rlformer.api.policies import Progress, collect, evaluate, train
from rlformer.api.studies import (
    claims,
    compare,
    diagnose,
    foresee_claims,
    look_ahead,
    plan,
    project,
    report_folder,
    report_scores,
    scores_folder,
    study_of,
    write_report,
)
from rlformer.evaluator import judge
from rlformer.evaluator.judge.terms import Terms
from rlformer.runs.hooks import Hooks
from rlformer.runs.trained import TrainedRun
from rlformer.studies.logs import open_data
from rlformer.studies.study import Grid, Log, Study

__all__ = [
    "DeployedPolicy",
    "Grid",
    "Hooks",
    "Log",
    "Progress",
    "Study",
    "Terms",
    "TrainedRun",
    "claims",
    "collect",
    "compare",
    "dataset",
    "diagnose",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "foresee_claims",
    "join",
    "judge",
    "list_runs",
    "load",
    "look_ahead",
    "open_data",
    "plan",
    "play",
    "project",
    "report_folder",
    "report_scores",
    "scores_folder",
    "study_of",
    "tensorboard",
    "train",
    "write_report",
]
