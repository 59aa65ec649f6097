"""Digests of the files that a run ended with: what is changed later is found out when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from rlformer.core.errors import InputError

# What a report or a policy is read from; all else may be made anew.
_SEALED = (
    "spec.toml",
    "metrics.jsonl",
    "eval/*.json",
    "eval/curve.jsonl",
    "eval/training.bin",
    "checkpoints/best/*",
    "checkpoints/kept/*/*",
)


def of(folder: Path) -> dict[str, str]:
    """16 hex digits over the content of each file of a run, by its path below the run."""
    found = {path for pattern in _SEALED for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(found)}


def check(folder: Path, digests: Mapping[str, str], below: str = "") -> None:
    """Raise InputError, which names the file, where one of these is lost or another than it was.

    below: one of them, or the folder of some; by default all.
    """
    for name, digest in digests.items():
        if below not in ("", name) and not name.startswith(f"{below}/"):
            continue
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: damaged: the file is missing; train the run again to recreate it")
        if _digest(path) != digest:
            raise InputError(f"{path}: damaged: its content has changed; train the run again to recreate it")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
