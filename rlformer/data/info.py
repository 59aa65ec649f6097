"""What is known of a log besides its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlformer.core.records import SCHEMA
from rlformer.core.spaces import ActionSpec, Spaces


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a log besides its numbers; `dataset.json`."""

    env: str | None  # a card's name or a Gymnasium id
    spaces: Spaces
    provenance: Mapping[str, Any] = field(default_factory=dict)  # source, behaviour policy, versions
    final_observations: bool = True  # False: the source had none, the last row repeats the one before
    upstream_env_steps: int | None = None  # all environment steps behind the log; None: unknown
    env_definition: Mapping[str, Any] = field(default_factory=dict)
    upstream_cpu_seconds: float | None = None  # of those who made it, where they are not the run that it lies in
    hash: str = ""
    num_episodes: int = 0
    num_steps: int = 0

    def __post_init__(self) -> None:
        for name in ("num_episodes", "num_steps", "upstream_env_steps"):
            number = getattr(self, name)
            if type(number) is not int and not (name == "upstream_env_steps" and number is None):
                raise TypeError(f"{name}: a whole number expected, not {number!r}")
            if number is not None and number < 0:
                raise ValueError(f"{name}: {number} is negative")
        seconds = self.upstream_cpu_seconds
        if seconds is not None and (type(seconds) not in (int, float) or not 0 <= seconds < math.inf):
            raise ValueError(f"upstream_cpu_seconds: {seconds!r} is no amount")
        for name, kind in (("env", str | None), ("hash", str), ("final_observations", bool)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name}: {getattr(self, name)!r} is no such value")
        for name in ("provenance", "env_definition"):
            if not isinstance(getattr(self, name), Mapping):
                raise TypeError(f"{name}: an object expected, not {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        seconds = self.upstream_cpu_seconds
        return {
            "schema": SCHEMA,
            "env": self.env,
            "env_definition": dict(self.env_definition),
            "spaces": self.spaces.to_dict(),
            "final_observations": self.final_observations,
            "upstream_env_steps": self.upstream_env_steps,
            **({} if seconds is None else {"upstream_cpu_seconds": seconds}),
            "provenance": dict(self.provenance),
            "num_episodes": self.num_episodes,
            "num_steps": self.num_steps,
            "hash": self.hash,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DatasetInfo:
        """The inverse of `to_dict`."""
        known = {k: v for k, v in data.items() if k not in ("schema", "digests", "stamp")}
        return cls(**{**known, "spaces": Spaces.from_dict(known["spaces"])})

    @property
    def actions(self) -> ActionSpec:
        """The action space."""
        return self.spaces.actions

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Of one stored observation."""
        return self.spaces.observation.shape
