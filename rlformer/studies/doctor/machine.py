"""Cores, memory, and the folders that are written to."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from rlformer.studies.doctor.examination import Finding

_FOLDERS = ("runs", "datasets", "reports")
_LEAST_MEMORY = _LEAST_DISK = 2**30  # bytes


def look(folder: Path) -> list[Finding]:
    """All of it; folder: the one in which runs/ and the others are."""
    return [_threads(), _memory(), *(_folder(folder / name) for name in _FOLDERS), _disk(folder)]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes that a process may still take, a container's limit included; None: unknown."""
    known = [size for size in (_free(Path("/proc/meminfo")), _left_in_container(Path("/sys/fs/cgroup"))) if size]
    return min(known) if known else None


def _threads() -> Finding:
    asked, here = os.environ.get("OMP_NUM_THREADS"), cores()
    found = f"{here} cores" + (f", OMP_NUM_THREADS={asked}" if asked else "")
    if asked is not None and (not asked.isdecimal() or int(asked) > here):
        return Finding(
            "threads",
            "warning",
            f"{found}: with more threads than cores, they wait for each other",
            "unset OMP_NUM_THREADS",
        )
    return Finding("threads", "ok", found)


def _memory() -> Finding:
    available = available_memory()
    if available is None:
        return Finding("memory", "ok", "unknown on this platform")
    found = f"{available / 2**30:.1f} GiB available"
    if available < _LEAST_MEMORY:
        return Finding("memory", "warning", f"{found}: a run needs about 0.5", "rlformer compare ... --jobs 1")
    return Finding("memory", "ok", found)


def _folder(path: Path) -> Finding:
    name, quoted = f"{path.name}/", shlex.quote(str(path))
    if path.exists() and not path.is_dir():
        return Finding(name, "wrong", "there is a file where a folder is needed", f"mv {quoted} {quoted}.old")
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        mend = f"chmod u+wx {shlex.quote(str(nearest))}, or --out DIR"
        return Finding(name, "wrong", f"{nearest} cannot be written", mend)
    return Finding(name, "ok", "can be written" if nearest == path else "will be created")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free"
    if free < _LEAST_DISK:
        return Finding("disk", "warning", f"{found}: a study needs a few hundred MiB", "rlformer compare ... --dry-run")
    return Finding("disk", "ok", found)


def _free(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _left_in_container(group: Path) -> int | None:
    try:
        limit, used = ((group / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        return max(1, int(limit) - int(used))
    except (OSError, ValueError):  # no limit, which is written as "max"
        return None
