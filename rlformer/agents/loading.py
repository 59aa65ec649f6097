"""The trained agent of a finished run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rlformer.agents.base import Learner
from rlformer.agents.cards import check_values
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.envs import consent
from rlformer.runs.directory import RunDirectory
from rlformer.runs.spec import RunSpec


def load_learner(path: Path, env: EnvSpec | None = None, trust: bool = False) -> tuple[Learner, RunSpec]:
    """The trained agent of a run directory, and its specification.

    env, trust: who allows to import the module that the run names, see `envs.consent`. Raises InputError where there is
    no trained agent, or it needs what nobody allowed.
    """
    run = RunDirectory.open(path)
    spec = run.spec
    spec = replace(spec, env=consent.given(spec.env, env, trust))
    kind = learner_kind(spec.agent.learner)
    if not (run.checkpoints / "best").is_dir() and kind.acts:
        begun = f"; it goes on with: {run.record.command}" if run.record.command else ""
        raise InputError(f"{path}: the run has not finished and holds no trained policy yet{begun}")
    run.check("checkpoints/best")
    try:
        check_values(kind, spec.values, spec.values)
    except InputError as error:
        raise InputError(f"{path / 'spec.toml'}: [values] {error}") from error
    if missing := sorted(kind.required - spec.values.keys()):
        raise InputError(f"{path / 'spec.toml'}: [values] lacks {', '.join(missing)}")
    try:
        return kind.load().load(run.checkpoints / "best", spec.env, spec.values), spec
    except (TypeError, KeyError, AttributeError) as error:  # values of other types than were written
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"{run.checkpoints / 'best'}: damaged: {reason}; train the run again") from error


def load_policy(
    path: Path, sample: bool = False, env: EnvSpec | None = None, trust: bool = False
) -> tuple[Policy, RunSpec]:
    """The trained policy of a run directory, and its specification; see `load_learner`."""
    learner, spec = load_learner(path, env, trust)
    return learner.policy(sample), spec
