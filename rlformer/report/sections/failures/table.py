"""What did not come to a result: runs that failed or did not finish, those that never began, and notes left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlformer.core import formats
from rlformer.report.words.costs import spent


@dataclass(frozen=True)
class Failure:
    """One run of the section on failed and unfinished runs, or a finished one that left a note."""

    environment: str
    arm: str
    seed: int
    status: str  # of its record, or "missing": it has none
    told: str  # the status in words
    spent: str  # what its record says it cost; "" where that is nothing
    error: str | None
    notes: tuple[str, ...] = ()


def failures(results: Mapping[str, Any]) -> list[Failure]:
    """Environment by environment: the runs of each arm, then those without a directory."""
    found = []
    for environment in results["environments"]:
        name = environment["name"]
        found += [
            _of_run(name, arm["label"], run)
            for arm in environment["arms"]
            for run in arm["runs"]
            if not run["counts"] or run["notes"]
        ]
        found += [_absent(name, item) for item in environment["missing"]]
    return found + [_absent(item["env"], item) for item in results["missing"]]


def _of_run(environment: str, arm: str, run: Mapping[str, Any]) -> Failure:
    told, progress = run["status"], run["progress"]
    if told in ("running", "interrupted") and progress.get("total"):
        told += f" at {formats.percent(progress['done'] / progress['total'])}"
    if told == "finished" and not run["counts"]:
        told += ", not evaluated"
    parts = spent(run["cost"], run["times"].get("wall"))
    cost = formats.listed(parts) if parts else ""
    return Failure(environment, arm, run["seed"], run["status"], told, cost, run["error"], tuple(run["notes"]))


def _absent(environment: str, item: Mapping[str, Any]) -> Failure:
    return Failure(environment, item["agent"], item["seed"], "missing", "no run", "", str(item["reason"]))
