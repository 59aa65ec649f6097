"""What training returns: the path of the run, which can tell its curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rlformer.core import dataframe, notebook
from rlformer.runs import metrics
from rlformer.runs.directory import RunDirectory

if TYPE_CHECKING:
    import pandas

    _Native = Path
else:
    _Native = type(Path())  # before Python 3.12 a Path alone has no subclass

_EVALUATION = "eval/"


class TrainedRun(_Native):
    """A run directory as a `pathlib.Path`, with its curve."""

    def curve(self) -> pandas.DataFrame:
        """A row for each evaluation while it trained: step, seconds, return, and where known normalized_score, ...

        step: of the environment, or of gradient descent, as the agent counts. Raises InputError without pandas.
        """
        points = [point for point in metrics.read(self / "metrics.jsonl") if f"{_EVALUATION}return" in point]
        rows = [
            {tag.removeprefix(_EVALUATION): value for tag, value in point.items() if not tag.startswith("train/")}
            for point in points
        ]
        known = dict.fromkeys(tag for row in rows for tag in row)
        columns = ["step", "seconds", "return", *(tag for tag in known if tag not in ("step", "seconds", "return"))]
        return dataframe.frame(rows, columns)

    def _repr_html_(self) -> str:
        """What it is, for a notebook."""
        record = RunDirectory(Path(self)).record
        row = [record.env, record.agent, record.seed, record.status, str(self)]
        return notebook.table(["environment", "agent", "seed", "status", "path"], [row])
