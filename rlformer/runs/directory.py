"""One run on disk: spec.toml, record.json, metrics.jsonl, tb/, checkpoints/, eval/, explain/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core import files
from rlformer.core.codec import decode
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, EvalResult
from rlformer.runs import metrics, seal
from rlformer.runs.hooks import Hooks
from rlformer.runs.mistaken import instead
from rlformer.runs.record import RunRecord
from rlformer.runs.session import RunSession
from rlformer.runs.spec import RunSpec

TRAJECTORIES = "trajectories"  # the folder of a run that keeps its training episodes


class RunDirectory:
    """Reads a run; `session` opens it for writing, one process at a time.

    A file that is damaged is named by an InputError; training the run again puts it aside and makes it anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def of(cls, root: Path, spec: RunSpec, seed: int) -> RunDirectory:
        """Where a run of this specification and seed belongs below `root`."""
        env, agent = files.slug(spec.env.name), files.slug(spec.agent.name)
        return cls(root / env / f"{agent}-{spec.hash}" / f"seed-{seed}")

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run. Raises InputError where the path is none."""
        if not (path / "record.json").is_file():
            what = "no such folder" if not path.exists() else "no record.json in it"
            other = instead(path)
            raise InputError(f"{path}: not a run directory{f' ({what})' if other is None else f', but {other}'}")
        return cls(path)

    @property
    def spec(self) -> RunSpec:
        """What was to be trained, resolved. Raises InputError where the file is lost, damaged or of another version."""
        path = self.path / "spec.toml"
        if not path.is_file():
            self._check_schema(files.read_json(self.path / "record.json"), "record.json")  # older ones lack the file
        data = files.read_toml(path)
        self._check_schema(data, path.name)
        with _damaged(path):
            spec = RunSpec.from_dict(data, str(path))
        self.check("spec.toml")
        return spec

    @property
    def record(self) -> RunRecord:
        """The record as last written. Raises InputError where the file is lost, damaged or of another version."""
        path = self.path / "record.json"
        data = files.read_json(path)
        self._check_schema(data, path.name)
        with _damaged(path):
            return RunRecord.from_dict(data)

    def _check_schema(self, data: Mapping[str, Any], name: str) -> None:
        if data.get("schema") != SCHEMA:
            raise InputError(
                f"{self.path / name}: schema {data.get('schema')!r}, this version reads '{SCHEMA}'; train the run again"
            )

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return (self.path / "record.json").is_file() and self.record.status == "finished"

    def check(self, below: str = "") -> None:
        """Raise InputError, which names the file, unless files of a finished run are those that it ended with.

        below: one file, or the folder of some; by default all.
        """
        try:
            record = self.record
        except InputError:
            return  # tells its own damage where it is needed
        seal.check(self.path, record.digests, below)

    def set_aside_damaged(self) -> str | None:
        """Move a run of which a file is lost or damaged out of the way; what was done, in words.

        What such a run did is not known any more, so that it cannot go on. Nothing is deleted. Raises files.Busy where
        another process works on it.
        """
        return None if self._damage() is None else self._aside(self._damage)

    def set_aside(self, damage: str) -> str | None:
        """Move the run out of the way, for that reason; what was done, in words. See `set_aside_damaged`."""
        return self._aside(lambda: damage)

    def _aside(self, why: Callable[[], str | None]) -> str | None:
        """Looks again once the run is its own: another process may have put it aside meanwhile."""
        with suppress(FileNotFoundError), files.locked(self.path / "lock", "run"):
            damage = why()
            if damage is None:
                return None
            if (self.path / "record.json").exists():  # no run that a report would find; first, since a kill may follow
                (self.path / "record.json").rename(self.path / "record.damaged.json")
            return f"{damage}; the run was put aside as {files.set_aside(self.path).name} and trained again"
        return None

    def _damage(self) -> str | None:
        if not (self.path / "record.json").exists():
            there = self.checkpoints.is_dir() or (self.path / "record.damaged.json").exists()
            return f"{self.path / 'record.json'}: lost" if there else None
        try:
            record, spec = self.record, self.spec
            self.check()
        except InputError as error:
            return str(error)
        if record.spec_hash != spec.hash:
            return f"{self.path / 'spec.toml'}: does not match record.json"
        return None if record.env == spec.env.name else f"{self.path}: record.json belongs to another environment"

    @property
    def trajectories(self) -> Path:
        """The dataset of its training episodes, where it keeps them."""
        return self.path / TRAJECTORIES

    @property
    def checkpoints(self) -> Path:
        """The folder of `last` and `best`."""
        return self.path / "checkpoints"

    def evaluations(self) -> dict[str, EvalResult]:
        """Every stored evaluation, by file name without its ending. Raises InputError where one is damaged."""
        results = {}
        for path in sorted((self.path / "eval").glob("*.json")):
            data = files.read_json(path)
            self._check_schema(data, f"eval/{path.name}")
            with _damaged(path):
                _check_evaluation(decode(EvalResult, data), path)
                results[path.stem] = EvalResult.from_dict(data)
        self.check("eval")
        return results

    def points(self) -> list[dict[str, Any]]:
        """The points of its curves, as `metrics.jsonl` has them. Raises InputError where the file is damaged."""
        path = self.path / "metrics.jsonl"
        points = metrics.checked(path)
        self.check(path.name)
        return points

    def save_evaluation(self, name: str, result: EvalResult) -> None:
        """Keep one evaluation as eval/NAME.json."""
        folder = files.writable_directory(self.path / "eval")
        files.write_json(folder / f"{files.slug(name)}.json", result.to_dict())

    @contextmanager
    def session(self, spec: RunSpec, seed: int, hooks: Hooks | None = None) -> Iterator[RunSession]:
        """The run, open for writing; its record says how it ended. One that had finished is left as it is.

        Raises files.Busy where another process has the run open, InputError where the folder cannot be written.
        """
        with files.locked_directory(self.path, "lock", "run"):
            if self.finished:  # meanwhile, by another process
                yield RunSession(self.path, self.record, hooks or Hooks())
                return
            files.clear(self.path)
            begun = (self.path / "record.json").is_file() and (self.path / "spec.toml").is_file()
            record = self.record if begun else RunRecord(spec.env.name, spec.agent.name, seed, spec.hash)
            if not begun:
                files.write_toml(self.path / "spec.toml", spec.to_dict())
            earlier = None if spec.weights is None else spec.weights.cost
            session = RunSession(self.path, record, hooks or Hooks(), spec.upstream_cpu_seconds, earlier)
            session.begin()
            try:
                yield session
            finally:
                session.close()


def _check_evaluation(result: EvalResult, path: Path) -> None:
    """Raises InputError where it is not one of whole episodes. result: in the dtypes of the file."""
    returns, successes = result.returns, () if result.successes is None else (result.successes,)
    if not returns.size or returns.dtype.kind not in "if" or not np.isfinite(returns).all():
        raise InputError(f"{path}: no returns, or some that are not finite")
    whole, flags = (result.seeds, result.lengths), (result.terminated, *successes)
    shapes = {array.shape for array in (*whole, *flags)}
    kinds = [array.dtype.kind for array in whole], [array.dtype.kind for array in flags]
    if shapes != {(len(returns),)} or {*kinds[0]} != {"i"} or {*kinds[1]} != {"b"} or (result.lengths < 1).any():
        raise InputError(f"{path}: damaged: not one seed, length and ending of each episode")


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Names the file whose values do not fit."""
    try:
        yield
    except InputError:
        raise
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise InputError(f"{path}: damaged: {missing}") from error
