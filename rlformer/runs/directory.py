"""One run on disk: spec.toml, record.json, metrics.jsonl, tb/, checkpoints/, eval/, explain/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from rlformer.core import files, untrusted
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, Cost, EvalResult
from rlformer.runs import ledger
from rlformer.runs.hooks import Hooks
from rlformer.runs.metrics import Curve, Metrics, Throttle
from rlformer.runs.record import RunRecord, Status
from rlformer.runs.spec import RunSpec

TRAJECTORIES = "trajectories"  # the folder of a run that keeps its training episodes


class RunDirectory:
    """Reads a run; `session` opens it for writing, one process at a time."""

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
            raise InputError(f"{path}: not a run directory ({what})")
        return cls(path)

    @property
    def spec(self) -> RunSpec:
        """What was to be trained, resolved. Raises InputError where the file is lost, damaged or of another version."""
        path = self.path / "spec.toml"
        if not path.is_file():
            self._check_schema(files.read_json(self.path / "record.json"), "record.json")  # older ones lack the file
        data = untrusted.toml_table(path)
        self._check_schema(data, path.name)
        with _damaged(path):
            return RunSpec.from_dict(data, str(path))

    @property
    def record(self) -> RunRecord:
        """The record as last written. Raises InputError where the file is lost, damaged or of another version."""
        path = self.path / "record.json"
        data = files.read_json(path)
        self._check_schema(data, path.name)
        with _damaged(path):
            return RunRecord.from_dict(data)

    def _check_schema(self, data: object, name: str) -> None:
        path = self.path / name
        if not isinstance(data, Mapping):
            raise InputError(f"{path}: damaged: no object")
        if data.get("schema") != SCHEMA:
            raise InputError(
                f"{path}: schema {data.get('schema')!r}, this version reads '{SCHEMA}'; train the run again"
            )

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return (self.path / "record.json").is_file() and self.record.status == "finished"

    def set_aside_damaged(self) -> str | None:
        """Move a run whose record or specification is lost or torn out of the way; what was done, in words.

        What such a run cost is not known any more, so that it cannot go on. Nothing is deleted. Raises InputError
        where another process works on it.
        """
        damage = self._damage()
        if damage is None:
            return None
        with files.locked(self.path / "lock", "run"):
            number = next(n for n in count(1) if not self.path.with_name(f"{self.path.name}.damaged-{n}").exists())
            aside = self.path.rename(self.path.with_name(f"{self.path.name}.damaged-{number}"))
        if (aside / "record.json").exists():  # no run that a report would find
            (aside / "record.json").rename(aside / "record.damaged.json")
        return f"{damage}; the run was put aside as {aside.name} and made anew"

    def _damage(self) -> str | None:
        if not (self.path / "record.json").exists():
            return f"{self.path / 'record.json'}: lost" if self.checkpoints.is_dir() else None
        try:
            same = self.record.env == self.spec.env.name
        except InputError as error:
            return str(error)
        return None if same else f"{self.path}: its record is of another environment"

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
            with _damaged(path):
                results[path.stem] = EvalResult.from_dict(files.read_json(path))
        return results

    def save_evaluation(self, name: str, result: EvalResult) -> None:
        """Keep one evaluation as eval/NAME.json."""
        folder = files.writable_directory(self.path / "eval")
        files.write_json(folder / f"{files.slug(name)}.json", result.to_dict())

    @contextmanager
    def session(self, spec: RunSpec, seed: int, hooks: Hooks | None = None) -> Iterator[RunSession]:
        """The run, open for writing; its record says how it ended.

        Raises InputError where another process has the run open or the folder cannot be written.
        """
        files.writable_directory(self.path)
        with files.locked(self.path / "lock", "run"):
            session = RunSession(self, spec, seed, hooks or Hooks())
            try:
                yield session
            finally:
                session.close()


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Names the file whose values do not fit."""
    try:
        yield
    except InputError:
        raise
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: damaged: {missing}") from error


class RunSession:
    """What a learner sees of its run (the `RunLog` of `agents.base`), and what the experiment adds to it."""

    def __init__(self, run: RunDirectory, spec: RunSpec, seed: int, hooks: Hooks) -> None:
        self.directory = run.path
        self._hooks = hooks
        if (run.path / "record.json").is_file():
            self.record = replace(run.record, status="running", error=None)
        else:
            self.record = RunRecord(spec.env.name, spec.agent.name, seed, spec.hash)
            files.write_toml(run.path / "spec.toml", spec.to_dict())
        used_before = {key: value for key, value in self.record.hardware.items() if key == "gpu"}
        self.record.hardware, self.record.versions = {**ledger.hardware(), **used_before}, dict(ledger.versions())
        self.record.commit = ledger.commit()
        self._ledger = ledger.Ledger(self.record.times)
        self._metrics, self._curve = Metrics(run.path), Curve(run.path)
        self._played: tuple[Sequence[float], Sequence[float]] | None = None
        self._due = Throttle(5.0)
        self.save()

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `agents.base.RunLog`."""
        seconds = self._ledger.training_seconds
        self._metrics.write(values, step, seconds)
        if self._played is not None and "eval/return" in values:
            self._curve.write(step, seconds, *self._played)
            self._played = None

    def played(self, returns: Sequence[float], fresh: Sequence[float]) -> None:
        """The returns behind the evaluation whose scalars come next, kept in `eval/curve.jsonl` with their step."""
        self._played = returns, fresh

    def progress(self, done: int, total: int, note: str = "") -> None:
        """See `agents.base.RunLog`."""
        self.record.progress = {"done": int(done), "total": int(total), "note": note}
        self._hooks.listener(int(done), int(total), note)
        if self._due():
            self.save()

    def clock(self, part: str) -> AbstractContextManager[None]:
        """See `agents.base.RunLog`."""
        return self._ledger.clock(part)

    def spent(self, cost: Cost) -> None:
        """See `agents.base.RunLog`."""
        self.record.cost = cost

    def on_gpu(self, name: str, peak_bytes: int) -> None:
        """See `agents.base.RunLog`."""
        self.record.hardware["gpu"] = name
        self.record.peak_gpu_memory_bytes = max(self.record.peak_gpu_memory_bytes, peak_bytes)

    def stop_requested(self) -> bool:
        """See `agents.base.RunLog`."""
        return self._hooks.stop()

    def rewind(self, step: int) -> None:
        """See `agents.base.RunLog`."""
        self._metrics.rewind(step)
        self._curve.rewind(step)

    def note(self, text: str) -> None:
        """See `agents.base.RunLog`."""
        if text not in self.record.notes:
            self.record.notes.append(text)
            self._hooks.tell(text)

    def end(self, status: Status, cost: Cost | None = None, error: str | None = None) -> None:
        """Say how the run ended."""
        self.record.status = status
        self.record.error = error
        if cost is not None:
            self.record.cost = cost
        self.save()

    def save(self) -> None:
        """Write the record as it stands."""
        self.record.times = self._ledger.times()
        self.record.peak_memory_bytes = max(self.record.peak_memory_bytes, ledger.peak_memory_bytes())
        files.write_json(self.directory / "record.json", self.record.to_dict())

    def close(self) -> None:
        """Close the curves."""
        self._metrics.close()
        self._curve.close()
