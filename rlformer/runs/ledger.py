"""What a run cost: seconds by part, memory, and the machine that paid."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PARTS = ("environment", "evaluation", "log")  # what is in none of them is learning
APART = ("evaluation", "log")  # those whose CPU seconds are told apart too
SIDE_BY_SIDE = "RLFORMER_SIDE_BY_SIDE"  # variable: how many runs there are at a time on this machine, at most


class Ledger:
    """Wall and CPU seconds (own and children's), split by part; continues from what earlier sessions spent."""

    def __init__(self, spent: dict[str, float] | None = None) -> None:
        self._before = dict(spent or {})
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()
        self._parts: dict[str, float] = {}
        self._open: list[str] = []
        self._began = 0.0, 0.0  # the outermost clock that is open: wall and CPU

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        """Time inside counts for `part`. A nested clock counts for the outer part alone."""
        if part not in PARTS:
            raise ValueError(f"unknown part '{part}'; valid: {', '.join(PARTS)}")
        if not self._open:
            self._began = self._now(part)
        self._open.append(part)
        try:
            yield
        finally:
            self._open.pop()
            if not self._open:
                self._parts = self._with(part)

    def times(self) -> dict[str, float]:
        """Seconds so far: wall, cpu, and both by part, learning being the rest.

        wall is the sum of learning, environment, evaluation and log; cpu that of learning_cpu, evaluation_cpu and
        log_cpu: the environment's is among learning's, since it is stepped too often to be told apart.
        """
        now = {"wall": time.perf_counter() - self._wall, "cpu": _cpu_seconds() - self._cpu}
        parts = self._with(self._open[0]) if self._open else self._parts
        now |= {part: parts.get(part, 0.0) for part in (*PARTS, *map(_cpu_of, APART))}
        now["learning"] = now["wall"] - sum(now[part] for part in PARTS)
        now[_cpu_of("learning")] = now["cpu"] - sum(now[_cpu_of(part)] for part in APART)
        return {key: round(self._before.get(key, 0.0) + value, 4) for key, value in now.items()}

    def rewind(self, spent: Mapping[str, float]) -> None:
        """Go on from what had been spent at a checkpoint: what earlier sessions did behind it was in vain."""
        self._before = dict(spent)

    def _now(self, part: str) -> tuple[float, float]:
        return time.perf_counter(), _cpu_seconds() if part in APART else 0.0

    def _with(self, part: str) -> dict[str, float]:
        """The parts, that of the outermost clock until now."""
        wall, cpu = (now - began for now, began in zip(self._now(part), self._began, strict=True))
        more = {part: wall, **({_cpu_of(part): cpu} if part in APART else {})}
        return {**self._parts, **{key: self._parts.get(key, 0.0) + value for key, value in more.items()}}


def _cpu_of(part: str) -> str:
    return f"{part}_cpu"


def training_seconds(times: Mapping[str, float]) -> tuple[float, float]:
    """Of a ledger's times, wall and CPU: learning and the environment, what measures and writes a log taken out."""
    return times["learning"] + times["environment"], times[_cpu_of("learning")]


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_memory_bytes() -> int:
    """The largest resident set of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kibibytes on Linux, bytes on macOS


@cache
def hardware() -> dict[str, Any]:
    """The machine, in the words of its operating system."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        "host": platform.node(),
        "cpu": model,
        "cores": os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "side_by_side": int(os.environ.get(SIDE_BY_SIDE, 1)),  # runs at a time, at most: they slow each other down
    }


@cache
def versions() -> dict[str, str]:
    """Of Python and of the libraries whose version can change a result."""
    found = {"python": platform.python_version()}
    for name in ("rlformer", "gymnasium", "stable-baselines3", "sb3-contrib", "torch", "numpy", "minari"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str | None:
    """The commit of the checkout that this package runs from, '+' where it was changed since; None elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "") if head.returncode == 0 else None
