"""Curves of a run: append-only lines of JSON, and the same points for TensorBoard."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.errors import InputError


class Lines:
    """Append-only lines of JSON, each with its "step"; what a kill tore is dropped when the file is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.is_file():
            lines = list(read(path))
            if self._text(lines) != path.read_text(encoding="utf-8", errors="replace"):
                self._replace(lines)  # a torn line would swallow the next one
        self._file = path.open("a", encoding="utf-8")

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line, at once."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def rewind(self, step: int) -> None:
        """Drop the lines after `step`."""
        lines = list(read(self._path))
        if any(line["step"] > step for line in lines):
            self._file.close()
            self._replace([line for line in lines if line["step"] <= step])
            self._file = self._path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _text(self, lines: Sequence[Mapping[str, Any]]) -> str:
        return "".join(json.dumps(line) + "\n" for line in lines)

    def _replace(self, lines: Sequence[Mapping[str, Any]]) -> None:
        files.write_text(self._path, self._text(lines))


class Metrics:
    """Writes points to `metrics.jsonl` and TensorBoard.

    `metrics.jsonl` is the truth. TensorBoard's files cannot be cut, and one that tells it to forget knows steps alone,
    where the tags `time/...` are drawn against seconds: a run that goes on writes them anew.
    """

    def __init__(self, directory: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = directory / "metrics.jsonl"
        self._lines = Lines(self._path)
        self._tb_directory = directory / "tb"
        self._writer_class = SummaryWriter
        self._writer: Any = None
        self._seconds = _latest(self._path)  # of the latest point: they never go back
        self._began = time.time() - self._seconds  # when the run would have begun if nothing had interrupted it

    def write(self, values: Mapping[str, float], step: int, seconds: float) -> float:
        """One line of finite values; `eval/...` goes to TensorBoard against seconds too, as `time/...`.

        Returns the seconds as written.
        """
        self._seconds = max(self._seconds, round(seconds, 4))
        finite = {tag: float(value) for tag, value in values.items() if math.isfinite(value)}
        line = {"step": int(step), "seconds": self._seconds, **finite}
        self._lines.append(line)
        self._draw(line)
        return self._seconds

    def rewind(self, step: int, seconds: float = 0.0) -> None:
        """Drop the points after `step`, at which `seconds` had been spent, from both."""
        self._lines.rewind(step)
        self._seconds = _latest(self._path)
        self._began = time.time() - max(seconds, self._seconds)
        self._close_writer()
        shutil.rmtree(self._tb_directory, ignore_errors=True)
        for point in read(self._path):
            self._draw(point)

    def close(self) -> None:
        """Flush and close both files."""
        self._lines.close()
        self._close_writer()

    def _draw(self, point: Mapping[str, float]) -> None:
        if self._writer is None:
            self._writer = self._writer_class(str(self._tb_directory), flush_secs=15)
        draw(self._writer, point, self._began)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def draw(writer: Any, point: Mapping[str, float], began: float) -> None:
    """A point on a SummaryWriter: `eval/...` against seconds too, as `time/...`. began: the run's start, Unix time."""
    step, seconds = int(point["step"]), point["seconds"]
    at = began + seconds
    for tag, value in point.items():
        if tag in ("step", "seconds"):
            continue
        writer.add_scalar(tag, value, step, walltime=at)
        if tag.startswith("eval/"):
            writer.add_scalar(f"time/{tag.removeprefix('eval/')}", value, int(seconds), walltime=at)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The points of a file of such lines, up to the first that is torn."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if (point := _point(line)) is None:
                return
            yield point


def _latest(path: Path) -> float:
    return max((point["seconds"] for point in read(path)), default=0.0)


def checked(path: Path) -> list[dict[str, Any]]:
    """The points of a file, whole but for a line that a kill tore at its end. Raises InputError where one is not."""
    points = list(read(path))
    if (wrong := damage(path)) is not None:
        raise InputError(f"{wrong}; train the run again")
    return points


def damage(path: Path) -> str | None:
    """Which line of a file is none of its, in words; None: all are whole, but for one that a kill tore at the end."""
    whole = sum(1 for _ in read(path))
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) if path.is_file() else []
    if whole == len(lines) or (whole == len(lines) - 1 and not lines[-1].endswith("\n")):
        return None
    return f"{path}: damaged: line {whole + 1} is no point of a curve"


def _point(line: str) -> dict[str, Any] | None:
    try:
        point = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(point, dict) or type(point.get("step")) is not int or not line.endswith("\n"):
        return None
    numbers = (number for value in point.values() for number in (value if isinstance(value, list) else [value]))
    return point if all(type(number) in (int, float) and math.isfinite(number) for number in numbers) else None


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
