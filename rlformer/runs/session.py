"""A run while it goes on: its record, its curves, what it has cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from rlformer.core import files
from rlformer.core.records import Cost
from rlformer.runs import curves, kept, ledger, metrics, seal
from rlformer.runs.curves import Curve, CurvePoint
from rlformer.runs.hooks import Hooks
from rlformer.runs.metrics import Lines, Metrics, Throttle
from rlformer.runs.record import RunRecord, Status

_MARKS = "checkpoints/times.jsonl"  # seconds spent until each checkpoint


class RunSession:
    """What a learner sees of its run (the `RunLog` of `agents.base`), and what the experiment adds to it."""

    def __init__(
        self,
        directory: Path,
        record: RunRecord,
        hooks: Hooks,
        upstream_cpu_seconds: float | None = 0.0,
        inherited: Cost | None = None,
    ) -> None:
        """upstream_cpu_seconds: of the log that is learned from, see `core.records.Cost`, and of the run that it goes
        on from. inherited: what else that one cost.
        """
        self._inherited = inherited
        self.directory, self.record, self._hooks = directory, record, hooks
        self._upstream_cpu_seconds = upstream_cpu_seconds

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.record.status == "finished"

    def begin(self) -> None:
        """Open the files, going on from what they hold."""
        record = self.record
        record.status, record.error = "running", None
        used_before = {key: value for key, value in record.hardware.items() if key == "gpu"}
        record.hardware, record.versions = {**ledger.hardware(), **used_before}, dict(ledger.versions())
        record.commit = ledger.commit()
        for name in ("metrics.jsonl", curves.NAME):
            if (wrong := metrics.damage(self.directory / name)) is not None:
                self.note(f"{wrong}; the points from there on are lost")
        self._metrics, self._curve = Metrics(self.directory), Curve(self.directory)
        self._played: CurvePoint | None = None
        self._measured = 0  # environment steps of evaluations behind the training
        self._ledger = ledger.Ledger(_sum(record.times, record.unsaved))
        self._due = Throttle(5.0)
        self._save()

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `agents.base.RunLog`."""
        wall, cpu = ledger.training_seconds(self._ledger.times())
        seconds = self._metrics.write(values, step, wall)
        if self._played is not None and "eval/return" in values:
            self._curve.write(self._played, seconds, cpu)
            self._played = None
            self.spent(self.record.cost)

    @property
    def curve(self) -> Sequence[CurvePoint]:
        """The evaluations so far of the training."""
        return self._curve.points

    def played(self, point: CurvePoint) -> None:
        """The evaluation whose scalars come next, kept in `eval/curve.jsonl`."""
        self._played = point

    def keep(self, step: int, save: Callable[[Path], None]) -> None:
        """Keep the policy of that step, which `save` writes into a folder; see `runs.kept`."""
        kept.keep(self.directory, step, save)

    def measured(self, env_steps: int) -> None:
        """So many environment steps were made in order to measure what was trained."""
        self._measured += env_steps
        self.spent(self.record.cost)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """See `agents.base.RunLog`."""
        self.record.progress = {"done": int(done), "total": int(total), "note": note}
        self._hooks.listener(int(done), int(total), note)
        if self._due():
            self._save()

    def clock(self, part: str) -> AbstractContextManager[None]:
        """See `agents.base.RunLog`."""
        return self._ledger.clock(part)

    def spent(self, cost: Cost) -> None:
        """See `agents.base.RunLog`."""
        if self._inherited is not None and cost is not self.record.cost:  # which has it already
            cost = cost.after(self._inherited)
        self.record.cost = replace(
            cost,
            evaluation_env_steps=self._curve.env_steps + self._measured,
            upstream_cpu_seconds=self._upstream_cpu_seconds,
        )

    def on_gpu(self, name: str, peak_bytes: int) -> None:
        """See `agents.base.RunLog`."""
        self.record.hardware["gpu"] = name
        self.record.peak_gpu_memory_bytes = max(self.record.peak_gpu_memory_bytes, peak_bytes)

    def stop_requested(self) -> bool:
        """See `agents.base.RunLog`."""
        return self._hooks.stop()

    def rewind(self, step: int) -> None:
        """See `agents.base.RunLog`."""
        spent, known = self._ledger.times(), self._marks().get(step, {} if step == 0 else None)
        if known is not None:
            self._ledger.rewind(known)
            self._lost(step, spent, known)
        self._metrics.rewind(step, ledger.training_seconds(self._ledger.times())[0])
        self._curve.rewind(step)
        kept.rewind(self.directory, step)
        self.spent(self.record.cost)
        with self._mark_lines() as lines:
            lines.rewind(step)
        self._save()

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[None]:
        """See `agents.base.RunLog`."""
        times = self._ledger.times()
        with self._mark_lines() as lines:  # first: a checkpoint without its times would not know what it cost
            lines.append({"step": int(step), **times})
        yield
        self.record.times = times
        self._save()

    def note(self, text: str) -> None:
        """See `agents.base.RunLog`."""
        if text not in self.record.notes:
            self.record.notes.append(text)
            self._hooks.tell(text)

    def end(self, status: Status, cost: Cost | None = None, error: str | None = None) -> None:
        """Say how the run ended."""
        self.record.status, self.record.error = status, error
        if cost is not None:
            self.spent(cost)
        self.record.times = self._ledger.times()
        if status == "finished":
            self.record.digests = seal.of(self.directory)
        self._save()

    def _save(self) -> None:
        """Write the record as it stands: what is saved by a checkpoint, and beside it what is not yet."""
        record, now = self.record, self._ledger.times()
        record.unsaved = {part: round(now[part] - record.times.get(part, 0.0), 4) for part in ("wall", "cpu")}
        record.peak_memory_bytes = max(record.peak_memory_bytes, ledger.peak_memory_bytes())
        files.write_json(self.directory / "record.json", record.to_dict())

    def _lost(self, step: int, spent: Mapping[str, float], kept: Mapping[str, float]) -> None:
        """What was done behind the checkpoint is done again: it is told, and counts once."""
        record, done = self.record, self.record.progress.get("done", 0)
        more = {part: max(0.0, spent[part] - kept.get(part, 0.0)) for part in ("wall", "cpu")}
        more["steps"] = max(0, int(done) - step)
        if any(more.values()) and (record.lost or record.progress):
            record.lost = {key: round(record.lost.get(key, 0) + value, 4) for key, value in more.items()}
        record.times = dict(kept)
        if "done" in record.progress:
            record.progress = {**record.progress, "done": min(int(done), step)}  # else another kill would lose it again

    def _marks(self) -> dict[int, dict[str, float]]:
        """The times at which the run was when it saved a checkpoint, by its step."""
        lines = metrics.read(self.directory / _MARKS)
        return {line["step"]: {key: value for key, value in line.items() if key != "step"} for line in lines}

    @contextmanager
    def _mark_lines(self) -> Iterator[Lines]:
        path = self.directory / _MARKS
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = Lines(path)
        try:
            yield lines
        finally:
            lines.close()

    def close(self) -> None:
        """Close the curves."""
        self._metrics.close()
        self._curve.close()


def _sum(times: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {**times, **{part: times.get(part, 0.0) + value for part, value in more.items()}}
