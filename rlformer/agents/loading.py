"""The trained agent of a finished run."""

from __future__ import annotations

from pathlib import Path

from rlformer.agents.base import Learner
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.runs.directory import RunDirectory
from rlformer.runs.spec import RunSpec


def load_learner(path: Path) -> tuple[Learner, RunSpec]:
    """The trained agent of a run directory, and its specification. Raises InputError where there is none."""
    run = RunDirectory.open(path)
    spec = run.spec
    kind = learner_kind(spec.agent.learner)
    if not (run.checkpoints / "best").is_dir() and kind.acts:
        begun = f"; it goes on with: {run.record.command}" if run.record.command else ""
        raise InputError(f"{path}: the run has not finished and holds no trained policy yet{begun}")
    run.check("checkpoints/best")
    try:
        return kind.load().load(run.checkpoints / "best", spec.env, spec.values), spec
    except (TypeError, KeyError, AttributeError) as error:  # values of other types than were written
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"{run.checkpoints / 'best'}: damaged: {reason}; train the run again") from error


def load_policy(path: Path, sample: bool = False) -> tuple[Policy, RunSpec]:
    """The trained policy of a run directory, and its specification. Raises InputError where there is none."""
    learner, spec = load_learner(path)
    return learner.policy(sample), spec
