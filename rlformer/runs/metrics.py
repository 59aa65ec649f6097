"""Curves of a run: append-only lines of JSON, and the same points for TensorBoard."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlformer.core import files


class Metrics:
    """Writes points to `metrics.jsonl` and TensorBoard."""

    def __init__(self, directory: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = directory / "metrics.jsonl"
        self._mend()
        self._file = self._path.open("a", encoding="utf-8")
        self._tb_directory = directory / "tb"
        self._writer_class = SummaryWriter
        self._writer: Any = SummaryWriter(str(self._tb_directory), flush_secs=15)

    def write(self, values: Mapping[str, float], step: int, seconds: float) -> None:
        """One line of finite values; `eval/...` goes to TensorBoard against seconds too, as `time/...`."""
        finite = {tag: float(value) for tag, value in values.items() if math.isfinite(value)}
        line = {"step": int(step), "seconds": round(seconds, 4), **finite}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for tag, value in finite.items():
            self._writer.add_scalar(tag, value, step)
            if tag.startswith("eval/"):
                self._writer.add_scalar(f"time/{tag.removeprefix('eval/')}", value, int(seconds))

    def rewind(self, step: int) -> None:
        """Drop the points after `step`."""
        self._file.close()
        kept = [point for point in read(self._path) if point["step"] <= step]
        files.write_text(self._path, "".join(json.dumps(point) + "\n" for point in kept))
        self._file = self._path.open("a", encoding="utf-8")
        self._writer.close()
        # TensorBoard hides what an earlier session wrote at or after the purged step.
        self._writer = self._writer_class(str(self._tb_directory), purge_step=step + 1, flush_secs=15)

    def close(self) -> None:
        """Flush and close both files."""
        self._file.close()
        self._writer.close()

    def _mend(self) -> None:
        """A line torn by a kill would swallow the next one."""
        if self._path.is_file() and not self._path.read_bytes().endswith(b"\n"):
            points = list(read(self._path))
            files.write_text(self._path, "".join(json.dumps(point) + "\n" for point in points))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The points of a `metrics.jsonl`, up to a torn tail."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return


class Throttle:
    """True at most once every `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, -math.inf

    def __call__(self) -> bool:
        now = time.perf_counter()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
