"""Curves of a run: append-only lines of JSON, and the same points for TensorBoard."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlformer.core import files


class Lines:
    """Append-only lines of JSON, each with its "step"; a line torn by a kill is dropped when the file is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.is_file() and not path.read_bytes().endswith(b"\n"):  # a torn line would swallow the next one
            self._replace(list(read(path)))
        self._file = path.open("a", encoding="utf-8")

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line, at once."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def rewind(self, step: int) -> None:
        """Drop the lines after `step`."""
        self._file.close()
        self._replace([line for line in read(self._path) if line["step"] <= step])
        self._file = self._path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _replace(self, lines: Sequence[Mapping[str, Any]]) -> None:
        files.write_text(self._path, "".join(json.dumps(line) + "\n" for line in lines))


class Metrics:
    """Writes points to `metrics.jsonl` and TensorBoard."""

    def __init__(self, directory: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._lines = Lines(directory / "metrics.jsonl")
        self._tb_directory = directory / "tb"
        self._writer_class = SummaryWriter
        self._writer: Any = SummaryWriter(str(self._tb_directory), flush_secs=15)

    def write(self, values: Mapping[str, float], step: int, seconds: float) -> None:
        """One line of finite values; `eval/...` goes to TensorBoard against seconds too, as `time/...`."""
        finite = {tag: float(value) for tag, value in values.items() if math.isfinite(value)}
        self._lines.append({"step": int(step), "seconds": round(seconds, 4), **finite})
        for tag, value in finite.items():
            self._writer.add_scalar(tag, value, step)
            if tag.startswith("eval/"):
                self._writer.add_scalar(f"time/{tag.removeprefix('eval/')}", value, int(seconds))

    def rewind(self, step: int) -> None:
        """Drop the points after `step`."""
        self._lines.rewind(step)
        self._writer.close()
        # TensorBoard hides what an earlier session wrote at or after the purged step.
        self._writer = self._writer_class(str(self._tb_directory), purge_step=step + 1, flush_secs=15)

    def close(self) -> None:
        """Flush and close both files."""
        self._lines.close()
        self._writer.close()


class Curve:
    """The returns behind each evaluation of a curve: `eval/curve.jsonl`, made with its first point.

    A line holds step, seconds (of training, as in `metrics.jsonl`), returns, and those of the fresh episodes, if any
    were played.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "eval" / "curve.jsonl"
        self._lines: Lines | None = Lines(self._path) if self._path.is_file() else None

    def write(self, step: int, seconds: float, returns: Sequence[float], fresh: Sequence[float]) -> None:
        """One point."""
        if self._lines is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lines = Lines(self._path)
        line = {"step": int(step), "seconds": round(seconds, 4), "returns": list(returns), "fresh": list(fresh)}
        self._lines.append(line)

    def rewind(self, step: int) -> None:
        """Drop the points after `step`."""
        if self._lines is not None:
            self._lines.rewind(step)

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The points of a file of such lines, up to a torn tail."""
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
