"""What a run starts from besides its environment: a log of trajectories, another run's weights. Each has its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

from rlformer.core.codec import decode
from rlformer.core.errors import InputError
from rlformer.core.records import Cost


@dataclass(frozen=True)
class Cut:
    """How much of a log is read: "full", a share of its training steps, a number of them, or "mid".

    That is up to where the training's score was half way: see `data.prefix.middle`.
    """

    kind: str = "full"  # full, mid, share or steps
    amount: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Cut:
        """What `--prefix` says. Raises InputError for anything else.

        >>> Cut.parse("mid").label, Cut.parse("0.5").kind, Cut.parse("20000").label
        ('mid', 'share', '20000')
        """
        if text in ("mid", "full"):
            return cls(text)
        try:
            amount = float(text)
        except ValueError:
            amount = -1.0
        if 0 < amount <= 1:
            return cls("share", amount)
        if 1 < amount < float("inf") and amount == int(amount):
            return cls("steps", amount)
        raise InputError(f"prefix '{text}': mid, full, a share of the training such as 0.5, or a number of its steps")

    @property
    def label(self) -> str:
        """As a person writes it."""
        return self.kind if self.kind in ("mid", "full") else f"{self.amount:.15g}"


@dataclass(frozen=True)
class Recipe:
    """How a log was made and how much of it is read, alike for every seed of an arm.

    Not `played`: what was recorded, of a training for instance, cut. Otherwise a trained agent plays for it: in a share
    `random_episodes` of the episodes actions are uniform instead, and each step of the others is with chance `epsilon`.
    """

    cut: Cut = Cut()
    played: bool = False
    random_episodes: float = 0.0
    epsilon: float = 0.0
    budget: float | None = None  # what a point of a data-scaling grid reads: a share of it, or a multiple above 1

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """What `--log` says. Raises InputError for anything else.

        >>> Recipe.parse("prefix").cut.kind, Recipe.parse("mixed").random_episodes, Recipe.parse("epsilon=.3").epsilon
        ('mid', 0.5, 0.3)
        """
        kind, equals, value = text.partition("=")
        share = _share(value) if value else None
        known = {
            "replay": cls(),
            "prefix": cls(Cut.parse(value) if share is not None else Cut("mid")),
            "expert": cls(played=True),
            "mixed": cls(played=True, random_episodes=0.5),
            "random": cls(played=True, random_episodes=1.0),
            "epsilon": cls(played=True, epsilon=share or 0.0),
        }
        valued = kind in ("prefix", "epsilon") and share is not None
        if kind not in known or (kind == "epsilon" and not valued) or (equals and not valued):
            kinds = "replay, prefix, prefix=SHARE, expert, mixed, random, epsilon=E"
            raise InputError(f"--log '{text}': one of {kinds}, with shares from 0 to 1")
        return known[kind]

    @property
    def label(self) -> str:
        """In a few words, for people: nothing is parsed from it.

        >>> Recipe.parse("epsilon=0.3").label, Recipe(Cut("mid"), budget=0.25).label, Recipe(Cut("mid"), budget=2).label
        ('epsilon=0.3', 'mid, 0.25 of it', 'mid, 2 times it')
        """
        text = self.cut.label
        if self.played:
            text = {0.0: "expert", 1.0: "random", 0.5: "mixed"}.get(self.random_episodes, "mixed")
            if self.epsilon:
                text = f"epsilon={self.epsilon:g}"
        return text if self.budget is None else f"{text}, {portion(self.budget)} it"

    @property
    def whole(self) -> Recipe:
        """The same log before it was cut to a budget."""
        return replace(self, budget=None)


def portion(budget: float) -> str:
    """A share or a multiple, before "it" or "the log".

    >>> portion(0.5), portion(2)
    ('0.5 of', '2 times')
    """
    return f"{budget:g} {'of' if budget <= 1 else 'times'}"


@dataclass(frozen=True)
class LogTask:
    """What a log alone tells of its task; see `data.describe.log_task`."""

    nonzero_rewards: float  # share of steps
    rewarded_steps: float  # of the median episode
    median_length: float
    max_length: int
    chance_per_step: float | None = None  # of the steps that occurred before, the share that led elsewhere
    repeated_steps: int = 0
    luck: float | None = None  # share of the returns' variance within episodes of the same actions
    repeated_episodes: int = 0


@dataclass(frozen=True)
class LogInput:
    """The log that a run learns from."""

    hash: str  # of the numbers that it read
    recipe: Recipe = Recipe()
    path: str | None = None
    selection: str = "whole log"  # how its episodes were chosen, in words
    num_episodes: int = 0
    num_steps: int = 0
    upstream_env_steps: int | None = None  # all environment steps behind it, its own among them; None: unknown
    mean_return: float = 0.0
    min_return: float = 0.0
    max_return: float = 0.0
    source: str = ""
    maker: str | None = None  # the agent that made it
    maker_hash: str | None = None  # of the run that made it, if a training did
    made_here: bool = False  # whether a study made it for itself
    task: LogTask | None = None
    # CPU seconds in which its maker learned, and played it, up to where it is cut; no part of any hash. None: unknown.
    upstream_cpu_seconds: float | None = field(default=None, compare=False)

    @property
    def cost(self) -> Cost:
        """What a run pays that reads it once."""
        return Cost(
            logged_steps=self.num_steps,
            upstream_env_steps=self.upstream_env_steps,
            upstream_cpu_seconds=self.upstream_cpu_seconds,
        )

    def to_dict(self) -> dict[str, Any]:
        """A TOML-ready form, without what is unknown."""
        return _without_none({"kind": "log", **asdict(self)})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LogInput:
        """The inverse of `to_dict`."""
        return decode(cls, data)


@dataclass(frozen=True)
class PaidLog:
    """A log that weights learned from, and what it cost them: who reads it again does not pay it again."""

    hash: str
    cost: Cost


@dataclass(frozen=True)
class WeightsInput:
    """Another run's weights, from which this one goes on. It inherits what they cost."""

    hash: str  # of the run's specification and seed
    path: str
    cost: Cost = field(default_factory=Cost)  # of all that led to them; its CPU seconds are those of learning
    gradient_steps: int = 0  # behind them
    flops: float | None = None  # of learning, behind them; None: unknown
    logs: tuple[PaidLog, ...] = ()  # that the cost holds, each once

    def to_dict(self) -> dict[str, Any]:
        """A TOML-ready form, without what is unknown."""
        return _without_none({"kind": "weights", **asdict(self)})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WeightsInput:
        """The inverse of `to_dict`."""
        logs = [{**one, "cost": _with_unknown(one.get("cost", {}))} for one in data.get("logs", [])]
        return decode(cls, {**data, "cost": _with_unknown(data.get("cost", {})), "logs": logs})


Input: TypeAlias = LogInput | WeightsInput


def _with_unknown(cost: Mapping[str, Any]) -> dict[str, Any]:
    """A cost's table, in which what is unknown is absent."""
    return {"upstream_env_steps": None, **cost}


def input_from_dict(data: Mapping[str, Any]) -> Input:
    """The input that a table of `spec.toml` describes."""
    return WeightsInput.from_dict(data) if data.get("kind") == "weights" else LogInput.from_dict(data)


def _without_none(value: Any) -> Any:
    """TOML has no null."""
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value


def _share(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None
