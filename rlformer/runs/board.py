"""Runs as TensorBoard shows them: a folder for each, made from `metrics.jsonl`, which is the truth.

Both families stand in one chart of the tab Custom Scalars; the tab HParams filters runs by environment, agent, family,
seed and every value. The runs' own folders are only read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError
from rlformer.runs import metrics
from rlformer.runs.directory import RunDirectory

LAYOUT: Mapping[str, Mapping[str, tuple[str, list[str]]]] = {
    "Both families": {
        "score against seconds": ("Multiline", ["time/normalized_score"]),
        "score against steps: of the environment, or of gradient descent": ("Multiline", ["eval/normalized_score"]),
        "return against seconds": ("Multiline", ["time/return"]),
        "return against steps: of the environment, or of gradient descent": ("Multiline", ["eval/return"]),
    },
    "Training": {
        "loss": ("Multiline", ["train/.*loss.*"]),
        "steps a second": ("Multiline", ["train/steps_per_second"]),
    },
}
FINAL = ("final/return", "final/normalized_score")
_LAYOUT_FOLDER = "layout"


@dataclass
class _Shown:
    """A run as far as it is drawn."""

    writer: Any
    points: int
    status: str


class Board:
    """Mirrors the runs below `folder` into `logdir`, for TensorBoard to read."""

    def __init__(self, folder: Path, logdir: Path, find: Callable[[Path], list[Path]]) -> None:
        """find: the run directories at or below a folder."""
        self._folder, self._logdir, self._find = folder, logdir, find
        self._shown: dict[Path, _Shown] = {}

    def update(self) -> int:
        """Draw what is new, and return how many runs are shown; those that cannot be read are left out."""
        if not self._shown:
            writer = self._writer(self._logdir / _LAYOUT_FOLDER)
            writer.add_custom_scalars({name: dict(charts) for name, charts in LAYOUT.items()})
            writer.close()
        for path in self._find(self._folder):
            try:
                self._draw(path)
            except (InputError, OSError):
                continue
        return len(self._shown)

    def close(self) -> None:
        """Close what is open."""
        for shown in self._shown.values():
            shown.writer.close()

    def _draw(self, path: Path) -> None:
        run = RunDirectory.open(path)
        record, points = run.record, list(metrics.read(path / "metrics.jsonl"))
        shown = self._shown.get(path)
        if shown is None or len(points) < shown.points or record.status != shown.status:
            shown = self._shown[path] = self._anew(run)
        if len(points) > shown.points:
            began = (path / "metrics.jsonl").stat().st_mtime - float(points[-1]["seconds"])
            for point in points[shown.points :]:
                metrics.draw(shown.writer, point, began)
            shown.points = len(points)
            shown.writer.flush()

    def _anew(self, run: RunDirectory) -> _Shown:
        """The run's folder from the start, with what it is filtered by."""
        if (before := self._shown.get(run.path)) is not None:
            before.writer.close()
        folder = self._logdir / _name(run.path, self._folder)
        shutil.rmtree(folder, ignore_errors=True)
        writer, record, spec = self._writer(folder), run.record, run.spec
        filters = {key: value for key, value in spec.values.items() if isinstance(value, (bool, int, float, str))}
        filters |= {"env": record.env, "agent": record.agent, "family": spec.agent.family, "seed": record.seed}
        final = run.evaluations().get("final") if record.status == "finished" else None
        found: dict[str, float] = {}
        if final is not None:
            mean = float(final.mean)
            scored = spec.env.normalize(mean)
            found = dict(zip(FINAL, (mean, scored), strict=True)) if scored is not None else {FINAL[0]: mean}
        _filtered_by(writer, filters)
        for tag, value in found.items():
            writer.add_scalar(tag, value, 0)
        return _Shown(writer, 0, record.status)

    def _writer(self, folder: Path) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder), flush_secs=15)


def _filtered_by(writer: Any, filters: Mapping[str, bool | int | float | str]) -> None:
    """What the tab HParams knows of a run.

    Its first part, which `add_hparams` writes too, lists the keys of all runs, and TensorBoard takes that of one run
    for all: without it, it gathers the keys and values of every run.
    """
    from torch.utils.tensorboard.summary import hparams

    _, start, end = hparams(dict(filters), {})
    for summary in (start, end):
        writer.file_writer.add_summary(summary)


def _name(run: Path, folder: Path) -> Path:
    """Where a run lies below the folder; the folder itself where it is the run."""
    return run.relative_to(folder) if run != folder else Path(run.name)
