"""The trained agent of a finished run, and the spaces in which it acts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlformer.agents.base import Learner, LearnerKind
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.envs.make import nowhere
from rlformer.envs.native import NativeSpaces, native_spaces
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


def load_run(path: Path) -> LoadedRun:
    """The run in a directory, or the only one below it. Raises InputError where there is none, or several."""
    run = RunDirectory.open(_run_in(path))
    spec, record = run.spec, run.record
    kind = learner_kind(spec.agent.learner)
    best = run.checkpoints / "best"
    if not best.is_dir() and kind.acts:
        begun = f"; it goes on with: {record.command}" if record.command else ""
        raise InputError(f"{path}: the run has not finished and holds no trained policy yet{begun}")
    stored = NativeSpaces.load(best)
    env = spec.env if stored is None else nowhere(spec.env.name, stored.canonical)
    return LoadedRun(run.path, spec, record, kind, kind.load().load(best, env, spec.values), stored)


def load_learner(path: Path) -> tuple[Learner, RunSpec]:
    """The trained agent of a run directory, and its specification. Raises InputError where there is none."""
    loaded = load_run(path)
    return loaded.learner, loaded.spec


def load_policy(path: Path, sample: bool = False) -> tuple[Policy, RunSpec]:
    """The trained policy of a run directory, and its specification. Raises InputError where there is none."""
    learner, spec = load_learner(path)
    return learner.policy(sample), spec


def _run_in(path: Path) -> Path:
    """The directory itself if it is a run, else its only seed."""
    if (path / "record.json").is_file() or not path.is_dir():
        return path
    seeds = sorted(found.parent for found in path.glob("seed-*/record.json"))
    if len(seeds) > 1:
        raise InputError(f"{path}: holds {len(seeds)} runs; name one, such as {seeds[0]}")
    return seeds[0] if seeds else path
