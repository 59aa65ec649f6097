"""The resolved, frozen specification of a run: what to train, on what, with every value spelled out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from rlformer.core.codec import decode
from rlformer.core.records import SCHEMA, EnvSpec
from rlformer.runs.budget import CutShort, Paper
from rlformer.runs.inputs import Input, LogInput, WeightsInput, input_from_dict

Role = Literal["candidate", "simple", "control"]
Family = Literal["online", "offline", "sequence", "hybrid"]  # of the verdict; hybrid: log first, then interact
ROLES: tuple[Role, ...] = get_args(Role)
FAMILIES: tuple[Family, ...] = get_args(Family)
ONLINE: Final = "online"
OFFLINE: Final = "offline"
SEQUENCE: Final = "sequence"
HYBRID: Final = "hybrid"


@dataclass(frozen=True)
class Contrast:
    """Two arms that differ in one thing, so that their difference answers a question about the task."""

    question: str  # memory, filtered, log
    more: str  # the agent that has it
    less: str  # and the one that lacks it


@dataclass(frozen=True)
class AgentSpec:
    """Who is trained, and what it is in a comparison, as its card says."""

    name: str
    learner: str
    role: Role
    family: Family | Literal[""] = ""  # "": a reference has none
    rung: int = 100
    contrasts: tuple[Contrast, ...] = ()
    tuning: str = ""
    paper: Paper | None = None  # how long its paper trains it

    def to_dict(self) -> dict[str, Any]:
        """A TOML-ready form."""
        table = {**asdict(self), "contrasts": [asdict(contrast) for contrast in self.contrasts]}
        return {key: value for key, value in table.items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AgentSpec:
        """The inverse of `to_dict`. Raises ValueError where the data describe none."""
        return decode(cls, data)


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the outcome of a run but its seed."""

    env: EnvSpec
    agent: AgentSpec
    values: Mapping[str, Any]  # hyperparameters, as TOML knows them
    inputs: tuple[Input, ...] = ()
    keeps_log: bool = False  # whether its training episodes are kept as a dataset
    episodes: int | None = None  # of its final evaluation; None: as many as usual
    cut_short: CutShort | None = None  # where it trains for less than its preset, and in a smoke test
    few_targets: bool = False  # whether it is asked for three target returns at the end, and not for a whole grid

    @property
    def log(self) -> LogInput | None:
        """The log that it learns from."""
        return next((given for given in self.inputs if isinstance(given, LogInput)), None)

    @property
    def weights(self) -> WeightsInput | None:
        """The run that it goes on from."""
        return next((given for given in self.inputs if isinstance(given, WeightsInput)), None)

    @property
    def upstream_cpu_seconds(self) -> float | None:
        """CPU seconds behind its inputs, of learning; None: unknown."""
        behind = [given.cost.upstream_cpu_seconds for given in self.inputs]
        known = [seconds for seconds in behind if seconds is not None]
        return sum(known) if len(known) == len(behind) else None

    @property
    def budget(self) -> float | None:
        """The share of a log that a point of a data-scaling grid reads; None for an arm of the ladder."""
        return None if self.log is None else self.log.recipe.budget

    @property
    def hash(self) -> str:
        """Ten hex digits over what changes the outcome: environment, learner, values, the inputs' hashes.

        Names, scores and paths are left out: a card renamed or a log moved is the same experiment. So are the target
        returns that it is asked for: a study takes what is there.
        """
        identity: dict[str, Any] = {
            "env": self.env.definition,
            "learner": self.agent.learner,
            "values": dict(self.values),
            "inputs": [given.hash for given in self.inputs],
            "budget": self.budget,  # a point of a data-scaling grid is no arm of the ladder
            "keeps_log": self.keeps_log,  # a run that kept no log cannot serve one that needs it
        }
        if self.episodes is not None:  # what was measured shortly is no measurement of the usual length
            identity["episodes"] = self.episodes
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def to_dict(self) -> dict[str, Any]:
        """A TOML-ready form."""
        table: dict[str, Any] = {
            "schema": SCHEMA,
            "keeps_log": self.keeps_log,
            "agent": self.agent.to_dict(),
            "env": self.env.to_dict(),
            "values": dict(self.values),
            "inputs": [given.to_dict() for given in self.inputs],
        }
        if self.episodes is not None:
            table["episodes"] = self.episodes
        if self.few_targets:
            table["few_targets"] = True
        if self.cut_short is not None:
            table["cut_short"] = {key: value for key, value in asdict(self.cut_short).items() if value is not None}
        return table

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "") -> RunSpec:
        """The inverse of `to_dict`. source: the file that holds it.

        Raises ValueError, TypeError or KeyError where the data describe none.
        """
        tables: dict[str, Mapping[str, Any]] = {key: data[key] for key in ("env", "agent", "values")}
        for key, table in tables.items():
            if not isinstance(table, Mapping):
                raise ValueError(f"{key}: a table expected, not {str(table)[:60]!r}")
        flags = {key: data.get(key, False) for key in ("keeps_log", "few_targets")}
        for key, flag in flags.items():
            if not isinstance(flag, bool):
                raise ValueError(f"{key}: true or false expected, not {str(flag)[:60]!r}")
        return cls(
            env=EnvSpec.from_dict(tables["env"], source),
            agent=AgentSpec.from_dict(tables["agent"]),
            values=tables["values"],
            inputs=tuple(input_from_dict(given) for given in data.get("inputs", ())),
            **flags,
            episodes=data.get("episodes"),
            cut_short=decode(CutShort, data["cut_short"]) if data.get("cut_short") else None,
        )
