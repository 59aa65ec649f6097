"""What a path is that stands where something else was meant, and which command takes it: for errors that teach.

Only names of files are looked at; nothing is read.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Literal

Kind = Literal["run", "runs", "dataset", "report", "log file", "toml"]

_LOG_FILES = (".hdf5", ".h5", ".npz", ".csv", ".parquet")
_MOST_FOLDERS = 2000  # looked into for a run


def kind_of(path: Path) -> Kind | None:
    """What lies at the path; None: nothing, or nothing that a command of ours makes or reads."""
    if path.is_file():
        return "log file" if path.suffix in _LOG_FILES else "toml" if path.suffix == ".toml" else None
    if (path / "record.json").is_file():
        return "run"
    if any((path / name).is_file() for name in ("dataset.json", "shards.json", "progress.json")):
        return "dataset"
    if (path / "results.json").is_file() and (path / "report.html").is_file():
        return "report"
    return "runs" if path.is_dir() and first_run(path) is not None else None


def first_run(folder: Path) -> Path | None:
    """A run directory somewhere below the folder; None where the first folders hold none."""
    for looked, (at, children, names) in enumerate(os.walk(folder)):
        children.sort()
        if "record.json" in names:
            return Path(at)
        if looked >= _MOST_FOLDERS:
            return None
    return None


def instead(path: Path) -> str | None:
    """What lies at the path, and the command that takes it: "a dataset: rlformer data info log"; None: unknown."""
    kind, name = kind_of(path), shlex.quote(str(path))
    if kind == "run":
        return f"a run: rlformer evaluate {name}, or rlformer report {name}"
    if kind == "runs":
        return f"a folder of runs, such as {first_run(path)}: rlformer runs {name} lists them"
    if kind in ("dataset", "log file"):
        what = "a dataset" if kind == "dataset" else "a log"
        return f"{what}: rlformer data info {name} shows it, rlformer train-transformer {name} learns from it"
    if kind == "report":
        return f"a report: {path / 'report.html'}"
    return f"a study file or a card: rlformer compare {name} runs a study" if kind == "toml" else None
