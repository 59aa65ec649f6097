"""What is known of a run besides its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from rlformer.core.codec import decode
from rlformer.core.records import SCHEMA, Cost, plain

Status = Literal["running", "interrupted", "failed", "finished"]


@dataclass
class RunRecord:
    """What is known of a run besides its curves; `record.json`."""

    env: str
    agent: str
    seed: int
    spec_hash: str
    status: Status = "running"
    cost: Cost = field(default_factory=Cost)
    times: dict[str, float] = field(default_factory=dict)  # seconds by part at the last checkpoint; see runs.ledger
    unsaved: dict[str, float] = field(default_factory=dict)  # seconds since then, lost if it is killed now
    lost: dict[str, float] = field(default_factory=dict)  # steps and seconds that kills undid: they were made again
    peak_memory_bytes: int = 0
    peak_gpu_memory_bytes: int = 0
    parameters: int = 0  # numbers that gradients changed
    inference_seconds: dict[str, float] = field(default_factory=dict)  # per call of `act`, by number of environments
    flops: dict[str, float] = field(default_factory=dict)  # by what for; see `agents.flops.of_run`
    scales: dict[str, Any] = field(default_factory=dict)  # of conditioning: chosen target return, range in the log
    progress: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    command: str | None = None  # as it was typed
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)  # of the files that it ended with; see runs.seal
    schema: str = SCHEMA

    @property
    def cpu_seconds_behind(self) -> float | None:
        """CPU seconds of learning behind what was trained, those of who made its log among them; None: unknown."""
        own, upstream = self.times.get("learning_cpu"), self.cost.upstream_cpu_seconds
        return None if own is None or upstream is None else own + upstream

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return plain(asdict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunRecord:
        """The inverse of `to_dict`. Raises ValueError where the data is no record."""
        unknown = [key for key in data if key not in {each.name for each in fields(cls)}]
        if unknown:
            raise ValueError(f"unknown keys: {', '.join(map(str, unknown))}")
        record = decode(cls, data)
        amounts = {**record.times, **record.unsaved, **record.lost, "seed": record.seed, **vars(record.cost)}
        for name, amount in amounts.items():
            if amount is not None and not 0 <= amount < math.inf:
                raise ValueError(f"{name}: {amount} is no amount")
        return record
