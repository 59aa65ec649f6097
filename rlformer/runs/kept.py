"""The policies that a run kept while it was trained, one folder for each: `checkpoints/kept/STEP`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


def folder(run: Path, step: int) -> Path:
    """Where the policy of that step of the run lies, if it was kept."""
    return run / "checkpoints" / "kept" / str(step)


def steps(run: Path) -> tuple[int, ...]:
    """Those of the policies that the run kept, in their order."""
    found = (run / "checkpoints" / "kept").glob("*")
    return tuple(sorted(int(path.name) for path in found if path.name.isdecimal()))


def keep(run: Path, step: int, save: Callable[[Path], None]) -> None:
    """Let `save` write the policy of that step, in the place of one that an earlier attempt left there.

    It is whole as soon as a checkpoint knows of that step: until then a kill undoes it, see `rewind`.
    """
    path = folder(run, step)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    save(path)


def rewind(run: Path, step: int) -> None:
    """Drop those of later steps: the training goes on from a checkpoint made at `step`."""
    for later in steps(run):
        if later > step:
            shutil.rmtree(folder(run, later))
