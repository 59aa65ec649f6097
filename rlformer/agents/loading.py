"""The trained agent of a finished run, and the spaces in which it acts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rlformer.agents.base import Learner, LearnerKind
from rlformer.agents.cards import check_values
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec
from rlformer.envs import consent
from rlformer.envs.make import nowhere
from rlformer.envs.native import NativeSpaces, native_spaces
from rlformer.runs import kept
from rlformer.runs.directory import RunDirectory
from rlformer.runs.record import RunRecord
from rlformer.runs.spec import RunSpec


@dataclass(frozen=True)
class LoadedRun:
    """A finished run, with its trained agent. Its environment is not needed where the run says what its spaces are."""

    path: Path  # the run directory
    spec: RunSpec
    record: RunRecord
    kind: LearnerKind
    learner: Learner
    stored: NativeSpaces | None  # None: of a run from before they were stored

    @property
    def native(self) -> NativeSpaces:
        """What its environment shows and takes. Raises InputError where neither the run nor an environment says it."""
        return self.stored or native_spaces(self.spec.env)

    @property
    def samples(self) -> bool:
        """Whether its deployed policy draws its actions."""
        return self.kind.samples(self.spec.values)

    def policy(self, sample: bool | None = None) -> Policy:
        """What was learned. sample: whether it draws its actions; None: as it is deployed."""
        return self.learner.policy(self.samples if sample is None else sample)


def load_run(path: Path, env: EnvSpec | None = None, trust: bool = False, step: int | None = None) -> LoadedRun:
    """The run in a directory, or the only one below it.

    step: of a policy that it kept while it was trained, instead of the one at the end of its budget. env, trust: who
    allows to import the module that the run names, see `envs.consent`; where the run says what its spaces are, none is
    imported. Raises InputError where there is no trained agent, or several, or it needs what nobody allowed.
    """
    run = RunDirectory.open(_run_in(path))
    spec, record = run.spec, run.record
    spec = replace(spec, env=consent.given(spec.env, env, trust))
    kind = learner_kind(spec.agent.learner)
    if step is not None and (type(step) is not int or step not in kept.steps(run.path)):
        there = ", ".join(map(str, kept.steps(run.path))) or "none"
        raise InputError(f"{path}: kept no policy of step {step}; it kept: {there}")
    best = run.checkpoints / "best" if step is None else kept.folder(run.path, step)
    if not best.is_dir() and kind.acts:
        begun = f"; continue it with: {record.command}" if record.command else ""
        raise InputError(f"{path}: the run has not finished and holds no trained policy yet{begun}")
    run.check(best.relative_to(run.path).as_posix())
    try:
        check_values(kind, spec.values, spec.values)
    except InputError as error:
        raise InputError(f"{run.path / 'spec.toml'}: [values] {error}") from error
    if missing := kind.missing(spec.values):
        raise InputError(f"{run.path / 'spec.toml'}: [values] lacks {', '.join(missing)}")
    stored = NativeSpaces.load(best)
    acts_in = spec.env if stored is None else nowhere(spec.env.name, stored.canonical)
    try:
        return LoadedRun(run.path, spec, record, kind, kind.load().load(best, acts_in, spec.values), stored)
    except (TypeError, KeyError, AttributeError) as error:  # values of other types than were written
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"{best}: damaged: {reason}; train the run again") from error


def load_learner(
    path: Path, env: EnvSpec | None = None, trust: bool = False, step: int | None = None
) -> tuple[Learner, RunSpec]:
    """The trained agent of a run directory, and its specification; see `load_run`."""
    loaded = load_run(path, env, trust, step)
    return loaded.learner, loaded.spec


def load_policy(
    path: Path,
    sample: bool | None = None,
    env: EnvSpec | None = None,
    trust: bool = False,
    step: int | None = None,
) -> tuple[Policy, RunSpec]:
    """The trained policy of a run directory, and its specification; see `load_run`.

    sample: whether it draws its actions; None: as it is deployed, which its card says.
    """
    run = load_run(path, env, trust, step)
    return run.policy(sample), run.spec


def _run_in(path: Path) -> Path:
    """The directory itself if it is a run, else its only seed."""
    if (path / "record.json").is_file() or not path.is_dir():
        return path
    seeds = sorted(found.parent for found in path.glob("seed-*/record.json"))
    if len(seeds) > 1:
        raise InputError(f"{path}: holds {len(seeds)} runs; name one of them, such as {seeds[0]}")
    return seeds[0] if seeds else path
