"""The returns behind each evaluation of a training, in `eval/curve.jsonl`: any threshold can be judged from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core import grid
from rlformer.runs import metrics
from rlformer.runs.metrics import Lines

NAME = "eval/curve.jsonl"


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation of a training: some episodes, and where they may pass a threshold for the first time, fresh ones.

    A line of `eval/curve.jsonl` has these keys, successes as 0 and 1 and only where they are known.
    """

    step: int  # of the grid, or the training's last
    returns: tuple[float, ...]
    fresh: tuple[float, ...] = ()  # of the fresh episodes; empty where none were played
    successes: tuple[bool, ...] | None = None  # of the same episodes; None: the environment told of none
    fresh_successes: tuple[bool, ...] | None = None
    env_steps: int = 0  # that all these episodes took
    seconds: float = 0.0  # of training until then: learning and environment, wall
    cpu: float = 0.0  # of the same in CPU seconds

    @property
    def mean(self) -> float:
        """Of the returns."""
        return float(np.mean(self.returns))

    @property
    def fresh_mean(self) -> float | None:
        """Of the fresh returns; None where none were played."""
        return float(np.mean(self.fresh)) if self.fresh else None

    @property
    def success_rate(self) -> float | None:
        """Of the episodes; None where it is not known."""
        return None if self.successes is None else float(np.mean(self.successes))

    @property
    def fresh_success_rate(self) -> float | None:
        """Of the fresh episodes; None where it is not known."""
        return None if self.fresh_successes is None else float(np.mean(self.fresh_successes))

    @property
    def on_grid(self) -> bool:
        """Whether it may tell a time to a threshold: the end of a training does not, unless the grid holds it."""
        return grid.holds(self.step)

    def line(self) -> dict[str, Any]:
        """As it is written."""
        told = {"successes": self.successes, "fresh_successes": self.fresh_successes}
        return {
            "step": int(self.step),
            "seconds": round(self.seconds, 4),
            "cpu": round(self.cpu, 4),
            "env_steps": int(self.env_steps),
            "returns": list(self.returns),
            "fresh": list(self.fresh),
            **{key: [int(each) for each in flags] for key, flags in told.items() if flags is not None},
        }

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> CurvePoint:
        """The inverse of `line`. Raises KeyError where it is none."""
        flags = {
            key: tuple(bool(each) for each in line[key]) for key in ("successes", "fresh_successes") if key in line
        }
        return cls(
            line["step"],
            tuple(line["returns"]),
            tuple(line["fresh"]),
            env_steps=line.get("env_steps", 0),
            seconds=line["seconds"],
            cpu=line.get("cpu", 0.0),
            **flags,
        )


class Curve:
    """The points of a run while it is trained, and their file, which is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._lines: Lines | None = Lines(self._path) if self._path.is_file() else None
        self._points = list(read(directory))

    @property
    def points(self) -> Sequence[CurvePoint]:
        """All of them, in the order in which they were played."""
        return self._points

    @property
    def env_steps(self) -> int:
        """That the episodes of all of them took."""
        return sum(point.env_steps for point in self._points)

    def write(self, point: CurvePoint, seconds: float, cpu: float) -> None:
        """One point, behind so many seconds of training."""
        if self._lines is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lines = Lines(self._path)
        timed = replace(point, seconds=seconds, cpu=cpu)
        self._lines.append(timed.line())
        self._points.append(timed)

    def rewind(self, step: int) -> None:
        """Drop the points after `step`."""
        if self._lines is not None:
            self._lines.rewind(step)
        self._points = [point for point in self._points if point.step <= step]

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()


def read(directory: Path) -> tuple[CurvePoint, ...]:
    """The points of the run in a directory, up to a line that is torn; none where it has no such file."""
    return tuple(CurvePoint.of(line) for line in metrics.read(directory / NAME))
