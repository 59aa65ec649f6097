"""The training episodes of a run: `eval/training.bin`, 24 bytes for each, appended as they end.

A record is a return (float64), a length in steps and the environment step of the run at its end (int64 both), little
endian: `numpy.fromfile(path, "<f8,<i8,<i8")` reads them. An episode that is not over when the training ends, or when it
is interrupted, is none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array

NAME = "eval/training.bin"  # below the run
_RECORD = np.dtype([("return", "<f8"), ("length", "<i8"), ("step", "<i8")])


@dataclass(frozen=True, eq=False)
class TrainingEpisodes:
    """Of one run, in the order in which they ended: three arrays (episodes,)."""

    returns: Array  # float64
    lengths: Array  # int64, environment steps
    steps: Array  # int64: of the run, at the end of each; ascending


class EpisodeWriter:
    """Appends the training episodes of a run that goes on at `step`, at which it had seen `ended` of them.

    What came after that step, and what a kill tore, is dropped. Where episodes before it are lost, `lost` is true and
    nothing is kept: a count of some of them would pass for one of all.
    """

    def __init__(self, directory: Path, step: int = 0, ended: int = 0) -> None:
        path = directory / NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.is_file() else "w+b")
        kept = int(np.searchsorted(_records(self._file.read())["step"], step, side="right"))
        self.lost = kept != ended
        self.ended = ended  # by all episodes of the run so far
        if self.lost:
            self._file.close()
            path.unlink()
            return
        self._file.truncate(kept * _RECORD.itemsize)
        self._file.seek(0, 2)

    def append(self, episode_return: float, length: int, step: int) -> None:
        """One episode that ended at that step of the run."""
        self.ended += 1
        if not self.lost:
            self._file.write(np.array((episode_return, length, step), _RECORD).tobytes())

    def flush(self) -> None:
        """Hand everything to the system: before a checkpoint is written, so that it knows of none that is not here."""
        if not self.lost:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(directory: Path) -> TrainingEpisodes | None:
    """The training episodes of a run; None where none were kept.

    Raises InputError where the file holds what no training writes.
    """
    path = directory / NAME
    if not path.is_file():
        return None
    records = _records(path.read_bytes())
    returns, lengths, steps = (np.ascontiguousarray(records[name]) for name in ("return", "length", "step"))
    if not np.isfinite(returns).all() or (lengths < 1).any() or (np.diff(steps, prepend=0) < 0).any():
        raise InputError(
            f"{path}: damaged: these are not the episodes of a training; train the run again to recreate it"
        )
    return TrainingEpisodes(returns, lengths, steps)


def _records(content: bytes) -> Array:
    """Whole records; the last may be torn."""
    return np.frombuffer(content[: len(content) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)
