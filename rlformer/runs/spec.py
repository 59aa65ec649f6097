"""The resolved, frozen configuration of a run: what to train, on what, with every value spelled out."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlformer import catalogue
from rlformer.core.errors import InputError, unknown
from rlformer.core.types import SCHEMA, EnvSpec


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of a run but its seed."""

    env: EnvSpec
    agent: str
    learner: str
    hyperparameters: Mapping[str, Any]
    tuning: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)  # of the log, if any: hash, selection, path
    log_trajectories: bool = False

    @property
    def hash(self) -> str:
        """Ten hex digits over what changes the outcome: environment, learner, values, the data's hash.

        Names, scores and paths are left out: a card renamed or a log moved is the same experiment.
        """
        identity = {
            "env": self.env.definition,
            "learner": self.learner,
            "hyperparameters": dict(self.hyperparameters),
            "data": self.data.get("hash"),
            "log_trajectories": self.log_trajectories,  # a run that kept no log cannot serve one that needs it
        }
        if self.data.get("budget") is not None:  # a point of a data-scaling grid is no arm of the ladder
            identity["budget"] = self.data["budget"]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def to_dict(self) -> dict[str, Any]:
        """A TOML-ready form."""
        return {
            "schema": SCHEMA,
            "agent": self.agent,
            "learner": self.learner,
            "tuning": self.tuning,
            "log_trajectories": self.log_trajectories,
            "env": self.env.to_dict(),
            "hyperparameters": dict(self.hyperparameters),
            "data": {k: v for k, v in self.data.items() if v is not None},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`."""
        return cls(
            env=EnvSpec.from_dict(data["env"]),
            agent=data["agent"],
            learner=data["learner"],
            hyperparameters=data["hyperparameters"],
            tuning=data.get("tuning", ""),
            data=data.get("data", {}),
            log_trajectories=data.get("log_trajectories", False),
        )


def resolve(
    env: EnvSpec,
    agent_name: str,
    overrides: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    log_trajectories: bool = False,
) -> RunConfig:
    """Card, preset and overrides ("key=value" strings, as `--set` takes them) made one.

    Raises InputError for an unknown agent or key, or a value of another type than the card's.
    """
    card = catalogue.agent(agent_name)
    values, preset = card.resolve(env.name), card.resolve(env.name)
    changed = []
    for override in overrides:
        key, value = _parse(override)
        if key not in values:
            raise unknown("key", key, values)
        values[key] = catalogue.coerce(key, value, card.defaults[key])
        changed += [override] * (values[key] != preset[key])
    return RunConfig(
        env=env,
        agent=agent_name,
        learner=card.learner,
        hyperparameters=values,
        tuning=card.tuning_for(env.name) + (" Changed by hand: " + ", ".join(changed) if changed else ""),
        data=data or {},
        log_trajectories=log_trajectories,
    )


def _parse(override: str) -> tuple[str, Any]:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise InputError(f"--set takes key=value, got '{override}'")
    try:
        return key.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text.strip()  # a bare word is a string
