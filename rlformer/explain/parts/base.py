"""What a part of an explanation is, and an explanation as the parts that were made. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rlformer.core.codec import decode, encode
from rlformer.core.records import SCHEMA

if TYPE_CHECKING:
    from rlformer.explain.material import Material

Content = TypeVar("Content")


@dataclass(frozen=True)
class PartCost:
    """What making a part took."""

    seconds: float
    cpu_seconds: float
    env_steps: int


@dataclass(frozen=True)
class Made(Generic[Content]):
    """A part that was made, as its file holds it."""

    part: str
    content: Content  # the part's own frozen dataclass
    cost: PartCost
    settings: Mapping[str, Any] = field(default_factory=dict)  # by which it was made, to be compared

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        head = {"schema": SCHEMA, "part": self.part, "settings": dict(self.settings), "cost": encode(self.cost)}
        return {**head, **encode(self.content)}


@dataclass(frozen=True)
class Explanation:
    """The parts that were made, by name."""

    made: Mapping[str, Made[Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.made)

    def __iter__(self) -> Iterator[Made[Any]]:
        return iter(self.made.values())

    def get(self, kind: type[Content]) -> Content | None:
        """The part with content of this kind; None where it was not made."""
        return next((made.content for made in self if isinstance(made.content, kind)), None)

    def need(self, kind: type[Content]) -> Content:
        """The part with content of this kind, which must have been made."""
        found = self.get(kind)
        if found is None:
            raise LookupError(f"the part '{kind.__name__}' was not made")
        return found

    @property
    def step(self) -> int | None:
        """Of the policy, if it is one that a run kept while it was trained."""
        named = [made.settings.get("policy") for made in self]
        return next((policy.get("step") for policy in named if isinstance(policy, Mapping)), None)

    @property
    def seconds(self) -> float:
        """What all parts took."""
        return sum(made.cost.seconds for made in self)

    @property
    def env_steps(self) -> int:
        """Environment steps that all parts took."""
        return sum(made.cost.env_steps for made in self)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form, part by part."""
        return {name: made.to_dict() for name, made in self.made.items()}


@dataclass(frozen=True)
class Part(Generic[Content]):
    """A part of an explanation, and how it is made."""

    name: str  # and that of its file
    content: type[Content]
    make: Callable[[Material, Explanation], Content]  # the second holds the parts that it reads
    reads: tuple[str, ...] = ()
    version: int = 1  # of its method: a part made by another is made again

    def from_dict(self, data: Mapping[str, Any]) -> Made[Content]:
        """What its file holds. Raises ValueError where that is no such part of this schema."""
        if data.get("schema") != SCHEMA or data.get("part") != self.name:
            raise ValueError(f"no part '{self.name}' of schema '{SCHEMA}'")
        content = decode(self.content, data)
        return Made(self.name, content, decode(PartCost, data.get("cost")), data.get("settings", {}))
